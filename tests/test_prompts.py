"""Prompts: what people call a class finds it, and what may be anything is not guessed at."""

from __future__ import annotations

import pytest

from zoo import data
from zoo.errors import InvalidInputError
from zoo.prompts import label_number

CLOTHES = data.get("fashion_mnist").labels
DIGITS = data.get("mnist").labels
THINGS = data.get("cifar10").labels


@pytest.mark.parametrize(
    ("prompt", "label"),
    [
        ("Sneaker", "Sneaker"),
        ("sneaker", "Sneaker"),
        ("a sneaker", "Sneaker"),
        ("The Sneakers!", "Sneaker"),
        ("sneeker", "Sneaker"),
        ("snekaer", "Sneaker"),
        ("t-shirt", "T-shirt/top"),
        ("a T-Shirt", "T-shirt/top"),
        ("tshirts", "T-shirt/top"),
        ("some tops", "T-shirt/top"),
        ("t-shirt/top", "T-shirt/top"),
        ("a shirt", "Shirt"),
        ("shirts", "Shirt"),
        ("a plain t-shirt", "T-shirt/top"),
        ("a plain shirt", "Shirt"),
        ("boot", "Ankle boot"),
        ("ankle boots", "Ankle boot"),
        ("ankleboot", "Ankle boot"),
        ("dresses", "Dress"),
        ("trousers", "Trouser"),
        ("pulover", "Pullover"),
        ("a photo of a coat", "Coat"),
        ("7", "Sneaker"),
    ],
)
def test_clothes_are_found_by_what_they_are_called(prompt: str, label: str) -> None:
    assert CLOTHES[label_number(prompt, CLOTHES, "it")] == label


def test_every_label_finds_itself() -> None:
    for name in data.DATASETS:
        labels = data.get(name).labels
        assert [label_number(label, labels, name) for label in labels] == list(range(len(labels)))
        assert [label_number(f"a {label}", labels, name) for label in labels] == list(
            range(len(labels))
        )


def test_digits_may_be_words() -> None:
    for prompt in ("7", "seven", "a seven", "the digit 7"):
        assert label_number(prompt, DIGITS, "it") == 7


def test_plurals_of_any_form() -> None:
    found = [label_number(prompt, THINGS, "it") for prompt in ("horses", "aeroplane", "a ship")]
    assert [THINGS[number] for number in found] == ["horse", "airplane", "ship"]
    assert label_number("berries", ["apple", "berry"], "it") == 1
    assert label_number("bus", ["cars", "buses"], "it") == 1


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a snake", "it has no label 'a snake'"),
        ("zzz", "it has no label 'zzz'; T-shirt/top, Trouser, Pullover"),
        ("boat", "it has no label 'boat'; did you mean Coat"),
        ("a coat and a bag", "'a coat and a bag' may be Coat or Bag of it; name one of them"),
        ("", "it has no label ''"),
        ("the", "it has no label 'the'"),
        ("t", "it has no label 't'"),
        ("10", "it has no label '10'"),
        ("-1", "it has no label '-1'"),
    ],
)
def test_what_may_be_anything_is_not_guessed_at(prompt: str, said: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        label_number(prompt, CLOTHES, "it")
    assert said in str(refused.value) and "\n" not in str(refused.value)
