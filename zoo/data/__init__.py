"""Data sets by name: prepared by tensorflow-datasets, kept as arrays, fed in a seeded order."""

from zoo.data.catalogue import DATASETS, DataSet, get, names
from zoo.data.domains import as_judged, load_pair, training_count
from zoo.data.pairs import PAIRS, Domain, Pair, sets_of, source
from zoo.data.prepare import class_counts, is_prepared, load, prepare, require, split_checksum
from zoo.data.split import Arrays, cut_validation, order
from zoo.data.subset import examples, labels, training_examples

__all__ = [
    "DATASETS",
    "PAIRS",
    "Arrays",
    "DataSet",
    "Domain",
    "Pair",
    "as_judged",
    "class_counts",
    "cut_validation",
    "examples",
    "get",
    "is_prepared",
    "labels",
    "load",
    "load_pair",
    "names",
    "order",
    "prepare",
    "require",
    "sets_of",
    "source",
    "split_checksum",
    "training_count",
    "training_examples",
]
