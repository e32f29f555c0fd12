"""What the methods share: they are fitted with two domains and predict in the second.

A subclass learns in `_learn` and says in `_represent` where a domain's samples lie afterwards. A
base classifier learns the represented source, with the labelled samples of the target where there
are any, and predicts for the represented target.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.utils.validation import check_is_fitted, validate_data

from zoo.adaptation.checks import Domains, InvalidDomainError, check_domains, check_samples, named

SIDES = ("source", "target")


class DomainAdapter(ClassifierMixin, BaseEstimator):
    """A classifier for a target domain that learns from the labels of a source domain."""

    base: Any
    _same_features = True

    def fit(self, Xs: ArrayLike, ys: ArrayLike, Xt: ArrayLike, yt: ArrayLike | None = None) -> Self:
        """Learns from both domains.

        Args:
            Xs: Samples of the source, (n_source, features).
            ys: Their classes, (n_source,).
            Xt: Samples of the target, (n_target, features).
            yt: Classes of the target where they are known, -1 where not, (n_target,).

        Raises:
            InvalidDomainError: one line for whatever cannot be learned from.
        """
        domains = check_domains(Xs, ys, Xt, yt, self._same_features)
        # Names and number of features, which later samples of the target must have.
        validate_data(self, Xt, skip_check_array=True)
        self.n_source_features_ = domains.source.shape[1]
        self._learn(domains)
        rows, labels, weights = self._lessons(domains)
        base = self._default_base() if self.base is None else clone(self.base)
        options = {} if weights is None else {"sample_weight": weights}
        self.base_ = base.fit(rows, labels, **options)
        self.classes_ = self.base_.classes_
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Returns the classes of samples of the target, (n,)."""
        check_is_fitted(self)
        return self.base_.predict(self._represent(self._new(X, "target"), "target"))

    def _learn(self, domains: Domains) -> None:
        """Learns what adapts one domain to the other."""
        raise NotImplementedError

    def _represent(self, X: np.ndarray, domain: str) -> np.ndarray:
        """Returns where samples of a domain lie in the space of the base classifier."""
        return X

    def _lessons(self, domains: Domains) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Returns what the base classifier learns: samples, classes and perhaps weights."""
        known, labels = domains.known
        rows = self._represent(domains.source, "source")
        if not len(known):
            return rows, domains.source_labels, None
        joined = np.concatenate([rows, self._represent(known, "target")])
        return joined, np.concatenate([domains.source_labels, labels]), None

    def _default_base(self) -> Any:
        return nearest_neighbour()

    def _new(self, X: ArrayLike, domain: str) -> np.ndarray:
        """Returns checked samples that came after fitting."""
        if domain not in SIDES:
            raise InvalidDomainError(f"domain must be source or target, got {domain!r}")
        samples = check_samples(X, domain, least=1)
        if domain == "target":
            with named(domain):
                validate_data(self, X, skip_check_array=True, reset=False)
        elif samples.shape[1] != self.n_source_features_:
            raise InvalidDomainError(
                f"source: X has {samples.shape[1]} features, but {type(self).__name__} is "
                f"expecting {self.n_source_features_} features as input"
            )
        return samples


class FeatureAdapter(TransformerMixin, DomainAdapter):
    """An adapter that brings the samples of both domains into one space."""

    def transform(self, X: ArrayLike, domain: str = "target") -> np.ndarray:
        """Returns where samples lie in the common space, float64 (n, dimensions).

        Args:
            X: Samples of one domain, (n, features).
            domain: Which one, `source` or `target`. Samples that come after fitting are mostly
                of the target.
        """
        check_is_fitted(self)
        return self._represent(self._new(X, domain), domain)

    def fit_transform(
        self, Xs: ArrayLike, ys: ArrayLike, Xt: ArrayLike, yt: ArrayLike | None = None
    ) -> np.ndarray:
        """Fits, and returns the source in the common space."""
        return self.fit(Xs, ys, Xt, yt).transform(Xs, domain="source")


def nearest_neighbour() -> KNeighborsClassifier:
    """Returns the classifier of the nearest sample."""
    return KNeighborsClassifier(n_neighbors=1)


def linear_svm() -> SVC:
    """Returns a linear support vector machine."""
    return SVC(kernel="linear")
