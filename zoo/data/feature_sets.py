"""What sets of features there are: vectors of several domains, not images."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from zoo.errors import InvalidInputError
from zoo.registry import Catalogue


@dataclasses.dataclass(frozen=True)
class FeatureSet:
    """Labelled vectors of several domains; what trains networks on images does not take them.

    Args:
        name: Name in this project.
        shape: (features,) of an example; values are uint8.
        labels: Class names, in the order of the integer labels.
        splits: `{domain: number of examples}`.
        trials: How many random choices of training examples its authors published for each pair
            of domains.
        archives: The original files.
        licence: Terms of use as far as its authors state them.
        citation: Who made it.
        builder: "module:Class" of its builder.
        folder: Where its archives lie below a folder of several sets.
    """

    name: str
    shape: tuple[int]
    labels: tuple[str, ...]
    splits: dict[str, int]
    trials: int
    archives: tuple[str, ...]
    licence: str
    citation: str
    builder: str
    folder: str
    equivalents: ClassVar[tuple[str, ...]] = ()
    holds: ClassVar[str] = "features"


FEATURE_SETS: Catalogue[FeatureSet] = Catalogue("set of features")

_DOMAINS = {"amazon": 958, "caltech": 1_123, "dslr": 157, "webcam": 295}

FEATURE_SETS.add(
    "office_caltech10",
    FeatureSet(
        name="office_caltech10",
        shape=(800,),
        labels=(
            "back_pack",
            "bike",
            "calculator",
            "headphones",
            "keyboard",
            "laptop_computer",
            "monitor",
            "mouse",
            "mug",
            "projector",
        ),
        splits=_DOMAINS,
        trials=20,
        archives=(
            "amazon_SURF_L10.mat",
            "Caltech10_SURF_L10.mat",
            "dslr_SURF_L10.mat",
            "webcam_SURF_L10.mat",
            *(
                f"SameCategory_{source}-{target}_20RandomTrials_10Categories.mat"
                for source in _DOMAINS
                for target in _DOMAINS
                if source != target
            ),
        ),
        licence="none stated by its authors",
        citation="Gong, Shi, Sha, Grauman: Geodesic flow kernel for unsupervised domain "
        "adaptation, CVPR 2012",
        builder="zoo.data.builders.office_caltech10:OfficeCaltech10",
        folder="office_caltech10_surf",
    ),
)


def refuse_features(name: str) -> None:
    """Refuses the name of a set of features where images are asked for."""
    if name in FEATURE_SETS:
        raise InvalidInputError(
            f"{name} is a set of features, not of images; `zoo.data.load_features` reads it"
        )
