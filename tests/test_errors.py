"""What a user is told: near names, and one line each."""

from __future__ import annotations

import inspect

import pytest

from zoo import errors
from zoo.errors import UnknownModelError, ZooError, did_you_mean, nearest

KNOWN = ["resnet20.fashion_mnist", "resnet8.fashion_mnist", "dcgan.fashion_mnist", "mlp.mnist"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("resnet20.fashion_mnits", "resnet20.fashion_mnist"),
        ("resnt8.fashion_mnist", "resnet8.fashion_mnist"),
        ("mlp.mnst", "mlp.mnist"),
        ("MLP.mnist", "mlp.mnist"),
    ],
)
def test_a_slip_finds_the_name_that_was_meant(typed: str, meant: str) -> None:
    assert nearest(typed, KNOWN)[0] == meant


def test_the_start_of_a_name_finds_the_names_that_begin_so() -> None:
    assert set(nearest("res", KNOWN)) == {"resnet20.fashion_mnist", "resnet8.fashion_mnist"}


def test_nothing_near_gives_nothing() -> None:
    assert nearest("zzzzzzzz", KNOWN) == []
    assert nearest("", KNOWN) == []
    assert did_you_mean([]) == ""


def test_no_more_near_names_than_asked_for() -> None:
    assert len(nearest("resnet", [f"resnet{n}" for n in range(50)])) == 3
    assert len(nearest("resnet", [f"resnet{n}" for n in range(50)], count=5)) == 5


def test_an_unknown_name_carries_what_is_near() -> None:
    error = UnknownModelError("mlp.mnst", KNOWN)
    assert error.name == "mlp.mnst"
    assert error.near[0] == "mlp.mnist"
    assert "'mlp.mnst'" in str(error)
    assert "did you mean mlp.mnist" in str(error)


def test_every_error_is_a_zoo_error_and_says_when_it_is_raised() -> None:
    classes = [
        c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == "zoo.errors"
    ]
    assert {"CorruptModelError", "DataUnavailableError", "InvalidInputError", "RecipeError"} <= {
        c.__name__ for c in classes
    }
    for one in classes:
        assert issubclass(one, ZooError)
        assert one.__doc__
