"""Data sets by name: prepared by tensorflow-datasets, kept as arrays, fed in a seeded order."""

from zoo.data.catalogue import DATASETS, DataSet, get, names
from zoo.data.prepare import is_prepared, load, prepare, require, split_checksum
from zoo.data.split import Arrays, cut_validation, order
from zoo.data.subset import examples, labels, training_examples

__all__ = [
    "DATASETS",
    "Arrays",
    "DataSet",
    "cut_validation",
    "examples",
    "get",
    "is_prepared",
    "labels",
    "load",
    "names",
    "order",
    "prepare",
    "require",
    "split_checksum",
    "training_examples",
]
