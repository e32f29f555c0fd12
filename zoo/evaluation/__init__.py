"""Measures a pipeline on the test splits. Nothing else reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import store
from zoo.data.own import resolve
from zoo.errors import InvalidInputError
from zoo.evaluation.classification import costs, measure_classifier
from zoo.evaluation.common import Evaluation, agrees, data_of
from zoo.evaluation.generation import measure_generator
from zoo.evaluation.translation import measure_translator
from zoo.generation import Generator
from zoo.pipelines import Classifier, Pipeline, make_pipeline
from zoo.translation import Translator

__all__ = ["Evaluation", "agrees", "costs", "data_of", "evaluate", "measure"]

# By task. Each takes the pipeline; the first also the name of another data set.
_MEASURES: dict[str, Callable[..., Evaluation]] = {
    Classifier.task: measure_classifier,
    Generator.task: measure_generator,
    Translator.task: measure_translator,
}


def evaluate(reference: str | Path, source: str | None = None) -> Evaluation:
    """Measures a stored model on the test splits of the data on its card.

    Args:
        reference: As `zoo.load` takes it.
        source: For a classifier, other images of as many classes to measure it on: a data set, or
            what `zoo.data.own.resolve` takes, of which the test split counts.

    Raises:
        UnknownModelError, CorruptModelError: when the model cannot be loaded.
        DataUnavailableError: when the data set is not prepared.
        InvalidInputError: for a source that cannot be read or does not fit the model.
    """
    return measure(make_pipeline(*store.load(reference)), source)


def measure(pipeline: Pipeline, source: str | None = None) -> Evaluation:
    """Measures a pipeline on the test splits of the data on its card, or of another source."""
    if source is None:
        return _MEASURES[pipeline.task](pipeline)
    if not isinstance(pipeline, Classifier):
        raise InvalidInputError(
            f"only a classifier is measured on other data; {pipeline.card.name} is for "
            f"{pipeline.task}"
        )
    return measure_classifier(pipeline, resolve(source, size=min(pipeline.input_shape[:2])))
