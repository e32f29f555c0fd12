"""Measures a pipeline as its task asks, on the test splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import store
from zoo.autoencoding import Autoencoder, VariationalAutoencoder
from zoo.data.own import resolve
from zoo.data.unprepared import prepared_source
from zoo.errors import InvalidInputError
from zoo.evaluation.classification import measure_classifier, measure_unprepared
from zoo.evaluation.common import Evaluation
from zoo.evaluation.generation import measure_generator
from zoo.evaluation.reconstruction import measure_coder
from zoo.evaluation.translation import measure_translator
from zoo.evaluation.variational import measure_vae
from zoo.generation import Generator
from zoo.pipelines import Classifier, Pipeline, make_pipeline
from zoo.translation import Translator

# By kind of pipeline; a kind that is not here is measured as what it is a kind of. Each takes the
# pipeline; the first also the name of another data set.
_MEASURES: dict[type[Pipeline], Callable[..., Evaluation]] = {
    Classifier: measure_classifier,
    Generator: measure_generator,
    VariationalAutoencoder: measure_vae,
    Autoencoder: measure_coder,
    Translator: measure_translator,
}


def evaluate(reference: str | Path, source: str | None = None) -> Evaluation:
    """Measures a stored model on the test splits of the data on its card.

    Args:
        reference: As `zoo.load` takes it.
        source: For a classifier, other images of as many classes to measure it on. Of a data set,
            and of images that were prepared as one, the test split counts. Of a folder, a CSV or
            an npz that is in no set all images do, or those that it names as the test split's;
            nothing of them is kept.

    Raises:
        UnknownModelError, CorruptModelError: when the model cannot be loaded.
        DataUnavailableError: when the data set is not prepared.
        InvalidInputError: for a source that cannot be read or does not fit the model.
    """
    return measure(make_pipeline(*store.load(reference)), source)


def measure(pipeline: Pipeline, source: str | None = None) -> Evaluation:
    """Measures a pipeline on the test splits of the data on its card, or of another source."""
    if source is None:
        kinds = type(pipeline).__mro__
        return next(_MEASURES[kind] for kind in kinds if kind in _MEASURES)(pipeline)
    if not isinstance(pipeline, Classifier):
        raise InvalidInputError(
            f"only a classifier is measured on other data; {pipeline.card.name} is for "
            f"{pipeline.task}"
        )
    known = prepared_source(source)
    if known is None:
        return measure_unprepared(pipeline, source)
    return measure_classifier(pipeline, resolve(known, size=min(pipeline.input_shape[:2])))
