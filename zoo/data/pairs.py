"""Which pairs of domains there are. To add one, add an entry here.

A pair is two kinds of images of one size, `a` and `b`, that nobody has put side by side. What
reads them is in `zoo/data/domains.py`.
"""

from __future__ import annotations

import dataclasses

from zoo.data.catalogue import DataSet, get
from zoo.registry import Catalogue


@dataclasses.dataclass(frozen=True)
class Domain:
    """One side of a pair.

    Args:
        name: As directions name it, such as `mnist` in `mnist_to_usps`.
        dataset: The data set that it is made of.
        view: How its images are made of those of the data set, a name in `zoo.data.domains.VIEWS`;
            None takes them as they are.
        half: 0 or 1 for the one or the other half of the training split; None for all of it.
        judge: The classifier that says what a translated image shows; one version, or numbers
            measured at different times could not be compared. It sees images with the view undone.
    """

    name: str
    dataset: str
    view: str | None = None
    half: int | None = None
    judge: str | None = None


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two domains of one size. It may take the place of a data set in a recipe for translation.

    Args:
        name: Name in this project; no data set may have it.
        a: The one domain.
        b: The other.
        planted: Whether picture i of the test split of a and picture i of b belong together, each
            being a function of the other, so that translations can be compared with the truth.
    """

    name: str
    a: Domain
    b: Domain
    planted: bool = False

    @property
    def domains(self) -> dict[str, Domain]:
        """The domains by the prefix of their keys in a batch."""
        return {"a": self.a, "b": self.b}

    @property
    def sets(self) -> tuple[DataSet, ...]:
        """The data sets that it is made of, each once."""
        return tuple(get(name) for name in dict.fromkeys((self.a.dataset, self.b.dataset)))

    @property
    def licence(self) -> str:
        """The terms of all its data sets."""
        if len(self.sets) == 1:
            return self.sets[0].licence
        return "; ".join(f"{one.name}: {one.licence}" for one in self.sets)


# Digits meet in 28x28 pixels, ink white on black, in one frame: `builders/usps.py` says how USPS
# gets there, and MNIST is there already. So a classifier of either judges translations as they are.
_MNIST, _USPS = "small_cnn.mnist@1", "small_cnn.usps@1"

PAIRS: Catalogue[Pair] = Catalogue("pair of domains")

for _pair in (
    Pair(
        name="mnist_usps",
        a=Domain("mnist", "mnist", judge=_MNIST),
        b=Domain("usps", "usps", judge=_USPS),
    ),
    Pair(
        name="facades",
        a=Domain("photo", "cmp_facades", view="left"),
        b=Domain("map", "cmp_facades", view="right"),
    ),
    # No digit is in both halves, so training holds no picture together with its mate.
    Pair(
        name="mnist_inverted",
        a=Domain("digit", "mnist", half=0, judge=_MNIST),
        b=Domain("inverted", "mnist", view="turned", half=1, judge=_MNIST),
        planted=True,
    ),
):
    PAIRS.add(_pair.name, _pair)


def source(name: str) -> DataSet | Pair:
    """Returns what a recipe's `data.name` names.

    Raises:
        UnknownModelError: with near names, when it names neither.
    """
    return PAIRS.get(name) if name in PAIRS else get(name)


def sets_of(name: str) -> list[str]:
    """Returns the data sets behind a name: those of a pair, or the name itself."""
    return [one.name for one in PAIRS.get(name).sets] if name in PAIRS else [name]
