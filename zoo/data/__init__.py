"""Data sets by name: prepared by tensorflow-datasets, kept as arrays, fed in a seeded order."""

from zoo.data.catalogue import DATASETS, DataSet, get
from zoo.data.prepare import how_to_prepare, is_prepared, load, prepare, split_checksum
from zoo.data.split import Arrays, cut_validation, order

__all__ = [
    "DATASETS",
    "Arrays",
    "DataSet",
    "cut_validation",
    "get",
    "how_to_prepare",
    "is_prepared",
    "load",
    "order",
    "prepare",
    "split_checksum",
]
