"""What all methods share: the checks of scikit-learn, bad domains in one line, hidden labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from tests.adaptation.domains import blobs, few_labels
from zoo import adaptation
from zoo.adaptation import InvalidDomainError
from zoo.adaptation.base import DomainAdapter, FeatureAdapter
from zoo.errors import InvalidInputError

NAMES = (
    "CORAL",
    "SubspaceAlignment",
    "KernelMeanMatching",
    "LandmarkSelection",
    "DomainInvariantProjection",
    "ITML",
    "AsymmetricTransform",
)
# These learn from labelled samples of the target.
SUPERVISED = ("ITML", "AsymmetricTransform")
UNSUPERVISED = tuple(name for name in NAMES if name not in SUPERVISED)
FEATURES = tuple(n for n in NAMES if issubclass(getattr(adaptation, n), FeatureAdapter))

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def make(name: str, **options: Any) -> Any:
    return getattr(adaptation, name)(**options)


def domains(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    source, labels = blobs(per_class=10, seed=0)
    target, truth = blobs(per_class=8, seed=1)
    return source, labels, target, few_labels(truth, 3) if name in SUPERVISED else None


# scikit-learn's checks know one domain: a method gets the same one twice. They look at the
# interface and fit often, so that the slow ones make few steps.
QUICK: dict[str, dict[str, Any]] = {
    "DomainInvariantProjection": {"max_steps": 3},
    "ITML": {"n_pairs": 60, "max_steps": 10},
}


def of_one_domain(kind: type[DomainAdapter], labelled: bool) -> type[DomainAdapter]:
    def fit(self: DomainAdapter, X: ArrayLike, y: ArrayLike) -> DomainAdapter:
        return kind.fit(self, X, y, X, y if labelled else None)

    def fit_transform(self: Any, X: ArrayLike, y: ArrayLike) -> np.ndarray:
        return self.fit(X, y).transform(X)

    body: dict[str, Any] = {"fit": fit, "__init__": kind.__init__}
    if issubclass(kind, FeatureAdapter):
        body["fit_transform"] = fit_transform
    name = f"{kind.__name__}OfOneDomain"
    # One of the checks pickles it, and finds its class again by this module's name.
    globals()[name] = type(name, (kind,), body)
    return globals()[name]


def not_applicable(estimator: Any) -> dict[str, str]:
    """Returns the checks that ask for something else, with the reason."""
    told = {
        "check_dataframe_column_names_consistency": "an error is one line, theirs are several",
        "check_dtype_object": "what holds no numbers is an InvalidDomainError, theirs a TypeError",
    }
    if isinstance(estimator, adaptation.ITML | adaptation.AsymmetricTransform):
        told["check_classifiers_classes"] = "-1 is a class there, and marks unknown labels here"
    return told


@parametrize_with_checks(
    [
        of_one_domain(getattr(adaptation, name), name in SUPERVISED)(**QUICK.get(name, {}))
        for name in NAMES
    ],
    expected_failed_checks=not_applicable,
)
def test_the_checks_of_scikit_learn_pass(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


# Both domains


@pytest.mark.parametrize("name", NAMES)
def test_classes_far_apart_are_told_apart(name: str) -> None:
    source, labels, target, known = domains(name)
    _, truth = blobs(per_class=8, seed=1)
    names = np.array(["ant", "bee", "cat"])
    found = make(name).fit(source, labels, target, known)
    assert found.score(target, truth) > 0.9
    np.testing.assert_array_equal(found.classes_, [0, 1, 2])
    again = make(name).fit(source, labels, target, known)
    np.testing.assert_array_equal(found.predict(target), again.predict(target))
    if name in UNSUPERVISED:
        worded = make(name).fit(source, names[labels], target)
        np.testing.assert_array_equal(worded.predict(target), names[found.predict(target)])


@pytest.mark.parametrize("name", NAMES)
def test_the_base_may_be_any_classifier(name: str) -> None:
    base = LogisticRegression()
    found = make(name, base=base).fit(*domains(name))
    assert isinstance(found.base_, LogisticRegression) and found.base_ is not base
    assert clone(found).base is not base
    assert not hasattr(base, "coef_")


@pytest.mark.parametrize("name", FEATURES)
def test_both_domains_come_into_one_space(name: str) -> None:
    source, labels, target, known = domains(name)
    found = make(name)
    first = found.fit_transform(source, labels, target, known)
    np.testing.assert_array_equal(first, found.transform(source, domain="source"))
    np.testing.assert_array_equal(found.transform(target), found.transform(target, "target"))
    assert first.shape[1] == found.transform(target).shape[1]
    # A sample lies where it does whatever comes with it.
    np.testing.assert_allclose(found.transform(target[:3]), found.transform(target)[:3])
    with pytest.raises(InvalidDomainError, match="domain must be source or target, got 'left'"):
        found.transform(target, "left")


@pytest.mark.parametrize("name", NAMES)
def test_labels_that_are_marked_unknown_change_nothing(name: str) -> None:
    """Only the labels that are given can be used: there is no other way in for the rest."""
    source, labels, target, known = domains(name)
    if known is None:
        plain = make(name).fit(source, labels, target)
        marked = make(name).fit(source, labels, target, np.full(len(target), -1))
        np.testing.assert_array_equal(plain.predict(target), marked.predict(target))
        return
    other = source + 0.1
    assert not np.array_equal(
        make(name).fit(source, labels, target, known).transform(other, "source"),
        make(name).fit(source, labels, target, np.roll(known, 8)).transform(other, "source"),
    )


# Bad domains


def changed(part: str, by: Callable[[np.ndarray], Any]) -> Callable[..., tuple[Any, ...]]:
    def change(xs: Any, ys: Any, xt: Any, yt: Any) -> tuple[Any, ...]:
        parts = {"xs": xs, "ys": ys, "xt": xt, "yt": yt}
        return tuple({**parts, part: by(parts[part])}.values())

    return change


def spoiled(value: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.where(np.arange(len(x))[:, None] == 2, value, x)


BAD = {
    "NaN in the source": (changed("xs", spoiled(np.nan)), "source: Input contains NaN"),
    "infinity in the target": (changed("xt", spoiled(np.inf)), "target: Input contains infinity"),
    "an empty target": (changed("xt", lambda x: x[:0]), "target: Found array with 0 sample"),
    "a target of one sample": (changed("xt", lambda x: x[:1]), "target: Found array with 1 sample"),
    "no target": (changed("xt", lambda x: None), "the target is missing: expected its samples"),
    "one class in the source": (changed("ys", np.zeros_like), "the source needs two classes"),
    "labels of other samples": (changed("ys", lambda y: y[1:]), "source labels: Found input vari"),
    "rows that are no table": (changed("xt", lambda x: x[:, 0]), "target: Expected 2D array"),
    "numbers as classes": (changed("ys", lambda y: y + 0.5), "source labels: Unknown label type"),
    "words as features": (changed("xs", lambda x: np.full(x.shape, "a")), "source: could not conv"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", BAD)
def test_bad_domains_are_one_clear_line(name: str, kind: str) -> None:
    change, told = BAD[kind]
    with pytest.raises(InvalidDomainError) as caught:
        make(name).fit(*change(*domains(name)))
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, InvalidInputError) and isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", (*UNSUPERVISED, "ITML"))
def test_other_features_are_refused(name: str) -> None:
    source, labels, target, known = domains(name)
    with pytest.raises(InvalidDomainError, match="the source has 5, the target 3"):
        make(name).fit(source, labels, target[:, :3], known)


@pytest.mark.parametrize("name", NAMES)
def test_samples_that_come_later_must_have_the_same_features(name: str) -> None:
    found = make(name).fit(*domains(name))
    with pytest.raises(InvalidDomainError, match=r"target: X has 4 features, but .* expecting 5"):
        found.predict(np.ones((2, 4)))
    with pytest.raises(NotFittedError):
        make(name).predict(np.ones((2, 5)))
    if name in FEATURES:
        with pytest.raises(InvalidDomainError, match=r"source: X has 4 features, but .* expecting"):
            found.transform(np.ones((2, 4)), "source")


@pytest.mark.parametrize("name", NAMES)
def test_a_class_that_the_source_lacks_is_named(name: str) -> None:
    source, labels, target, _ = domains(name)
    known = np.full(len(target), -1)
    known[:2] = 7
    with pytest.raises(InvalidDomainError, match="the target has the class 7, which the source"):
        make(name).fit(source, labels, target, known)
    with pytest.raises(InvalidDomainError, match="-1 marks an unknown label and cannot be a class"):
        make(name).fit(source, labels - 1, target, known)


@pytest.mark.parametrize("name", SUPERVISED)
def test_a_method_that_needs_target_labels_says_so(name: str) -> None:
    source, labels, target, _ = domains(name)
    for known in (None, np.full(len(target), -1)):
        with pytest.raises(InvalidDomainError, match="learns from labelled samples of the target"):
            make(name).fit(source, labels, target, known)
    # A class that the target's labels lack is learned from the others' pairs.
    some = np.where(np.arange(len(target)) < 10, blobs(per_class=8)[1], -1)
    assert set(make(name).fit(source, labels, target, some).classes_) == {0, 1, 2}


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("CORAL", {"ridge": -1.0}, "ridge must be a number from 0, got -1.0"),
        ("SubspaceAlignment", {"n_components": 0}, "n_components must be a whole number from 1 to"),
        ("KernelMeanMatching", {"sigma": 0.0}, "sigma must be a number above 0, got 0.0"),
        ("KernelMeanMatching", {"bound": None}, "bound must be a number above 0, got None"),
        ("KernelMeanMatching", {"max_steps": 0}, "max_steps must be a whole number from 1 to"),
        ("LandmarkSelection", {"max_steps": 1.5}, "max_steps must be a whole number from 1 to"),
        ("LandmarkSelection", {"threshold": 2.0}, "threshold must be a number from 0 to 1, got 2"),
        ("DomainInvariantProjection", {"clustering": -1}, "clustering must be a number from 0"),
        ("DomainInvariantProjection", {"n_components": 2.5}, "n_components must be a whole number"),
        ("ITML", {"gamma": 0.0}, "gamma must be a number above 0, got 0.0"),
        ("ITML", {"n_pairs": 0}, "n_pairs must be a whole number from 1"),
        ("AsymmetricTransform", {"penalty": -2}, "penalty must be a number above 0, got -2"),
        ("AsymmetricTransform", {"kernel": "cubic"}, "kernel must be linear or rbf, got 'cubic'"),
    ],
)
def test_options_out_of_range_are_named(name: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidDomainError) as caught:
        make(name, **options).fit(*domains(name))
    assert str(caught.value).startswith(told)


def test_the_package_names_what_it_has() -> None:
    assert set(NAMES) < set(adaptation.__all__)
    for name in adaptation.__all__:
        assert getattr(adaptation, name).__module__.startswith("zoo.adaptation.")
    with pytest.raises(AttributeError, match="has no attribute 'Magic'"):
        adaptation.Magic  # noqa: B018
