"""Data sets by name: prepared by tensorflow-datasets, kept as arrays, fed in a seeded order."""

from zoo.data.catalogue import DATASETS, DataSet, get, names
from zoo.data.domains import as_judged, load_pair, training_count
from zoo.data.feature_sets import FEATURE_SETS, FeatureSet
from zoo.data.features import Trial, load_features, load_trials
from zoo.data.pairs import PAIRS, Domain, Pair, Shift, sets_of, source
from zoo.data.prepare import class_counts, is_prepared, load, prepare, require, split_checksum
from zoo.data.split import Arrays, cut_validation, order
from zoo.data.subset import examples, labels, training_examples

__all__ = [
    "DATASETS",
    "FEATURE_SETS",
    "PAIRS",
    "Arrays",
    "DataSet",
    "Domain",
    "FeatureSet",
    "Pair",
    "Shift",
    "Trial",
    "as_judged",
    "class_counts",
    "cut_validation",
    "examples",
    "get",
    "is_prepared",
    "labels",
    "load",
    "load_features",
    "load_pair",
    "load_trials",
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
