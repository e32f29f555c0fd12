"""One folder a family. A family's `__init__.py` declares its architectures and recipes."""

from zoo.registry import Method, register

register(
    Method(
        "supervised", "zoo.training.classification:Supervised", "Cross-entropy on labelled images"
    )
)
