"""Data sets by name: prepared by tensorflow-datasets, kept as arrays, fed in a seeded order."""

from zoo.data.catalogue import DATASETS, DataSet, get
from zoo.data.prepare import is_prepared, load, prepare, require, split_checksum
from zoo.data.split import Arrays, cut_validation, order

__all__ = [
    "DATASETS",
    "Arrays",
    "DataSet",
    "cut_validation",
    "get",
    "is_prepared",
    "load",
    "order",
    "prepare",
    "require",
    "split_checksum",
]
