"""Which pairs of domains there are. To add one, add an entry here.

A pair is two kinds of images of one size, `a` and `b`, that nobody has put side by side, to be
translated into each other. A shift is a pair of which `a` is labelled, for classifiers of `b`. What
reads them is in `zoo/data/domains.py` and `zoo/data/shifts.py`. Pairs of the user's own are made by
`zoo/data/own_pair.py`.
"""

from __future__ import annotations

import dataclasses
import fnmatch

from zoo.data.catalogue import DataSet, get, names, record_of
from zoo.registry import Catalogue

# Of a pair of the user's own, what its source begins with; two folders follow.
PAIR = "pair:"


@dataclasses.dataclass(frozen=True)
class Domain:
    """One side of a pair.

    Args:
        name: As directions name it, such as `mnist` in `mnist_to_usps`.
        dataset: The data set that it is made of.
        view: How its images are made of those of the data set, a name in `zoo.data.domains.VIEWS`;
            None takes them as they are.
        half: 0 or 1 for the one or the other half of the training split; None for all of it.
        label: The class of the data set that it is; None for all of them.
        judge: The classifier that says what a translated image shows; one version, or numbers
            measured at different times could not be compared. It sees images with the view undone.
    """

    name: str
    dataset: str
    view: str | None = None
    half: int | None = None
    label: int | None = None
    judge: str | None = None


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two domains of one size. It may take the place of a data set in a recipe for translation.

    Args:
        name: Name in this project; no data set may have it.
        a: The one domain.
        b: The other.
        paired: Whether picture i of the test split of a and picture i of b belong together, so that
            translations can be compared with the truth. Training is told of no pair.
    """

    name: str
    a: Domain
    b: Domain
    paired: bool = False

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


@dataclasses.dataclass(frozen=True)
class Shift(Pair):
    """A pair for adaptation: a has the labels, and a classifier is wanted for b.

    Both have the same classes. What is learned from are the images and labels of a and the images
    of b; labels of b only so far as a recipe asks for some. `zoo/data/shifts.py` reads it.
    """

    @property
    def target(self) -> DataSet:
        """The data set that the classifier is for, whose test splits count."""
        return get(self.b.dataset)


# Digits meet in 28x28 pixels in the frame of MNIST: `builders/usps.py` and `builders/mnist_m.py`
# say how the others get there. So a classifier of either domain takes images as they are. Where one
# domain has colours, the grey one is repeated in all three channels.
_MNIST, _USPS = "small_cnn.mnist@1", "small_cnn.usps@1"


class Pairs(Catalogue[Pair]):
    """The pairs of this file and, after them, the user's own."""

    def get(self, name: str) -> Pair:
        return own_pair(name) or super().get(name)

    def names(self, pattern: str = "*") -> list[str]:
        own = [name for name in names() if fnmatch.fnmatchcase(name, pattern) and own_pair(name)]
        return [*super().names(pattern), *own]

    def has_built_in(self, name: str) -> bool:
        """Returns whether a name is that of a pair of this file."""
        return super().__contains__(name)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or own_pair(str(name)) is not None


def own_pair(name: str) -> Pair | None:
    """Returns a prepared pair of the user's own: a data set with a class for each domain."""
    record = record_of(name)
    if not str(record.get("source", "")).startswith(PAIR):
        return None
    a, b = (Domain(one, name, label=label) for label, one in enumerate(get(name).labels))
    return Pair(name, a, b)


PAIRS = Pairs("pair of domains")

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
        paired=True,
    ),
    # No digit is in both halves, so training holds no picture together with its mate.
    Pair(
        name="mnist_inverted",
        a=Domain("digit", "mnist", half=0, judge=_MNIST),
        b=Domain("inverted", "mnist", view="turned", half=1, judge=_MNIST),
        paired=True,
    ),
    Shift(name="mnist_to_usps", a=Domain("mnist", "mnist"), b=Domain("usps", "usps")),
    Shift(name="usps_to_mnist", a=Domain("usps", "usps"), b=Domain("mnist", "mnist")),
    Shift(
        name="mnist_to_mnist_m",
        a=Domain("mnist", "mnist", view="colour"),
        b=Domain("mnist_m", "mnist_m"),
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
