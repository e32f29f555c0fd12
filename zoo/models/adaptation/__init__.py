"""Classifiers moved to another domain, around any architecture that classifies."""

from zoo.models.adaptation.recipes import RECIPES
from zoo.registry import Method, register

_FAMILY = "zoo.models.adaptation"

register(
    Method(
        "source_only",
        f"{_FAMILY}.game:SourceOnly",
        "No adaptation: the bounds that adaptation is compared with",
    ),
    Method(
        "dann",
        f"{_FAMILY}.dann:DANN",
        "Features in which a domain classifier fails, by gradient reversal",
    ),
    Method("cdan", f"{_FAMILY}.dann:CDAN", "DANN on features together with predictions"),
    Method("deep_coral", f"{_FAMILY}.matching:DeepCORAL", "Covariances of the domains matched"),
    Method("dan", f"{_FAMILY}.matching:DAN", "Embeddings of the domains matched, by MMD"),
    Method("adda", f"{_FAMILY}.adda:ADDA", "A source's classifier, its copy taught by a game"),
    *RECIPES,
)
