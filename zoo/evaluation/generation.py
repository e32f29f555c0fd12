"""How a generator is measured: against the test split, in the features of a frozen classifier."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator

import numpy as np

from zoo import data, report, store
from zoo.cards import Metric
from zoo.errors import UnknownModelError
from zoo.evaluation.accuracy_score import classifier_accuracy_score, score_recipe
from zoo.evaluation.common import Evaluation, data_of, recorder
from zoo.images import encode_png
from zoo.metrics.frechet import frechet_distance
from zoo.metrics.kernel import kernel_distance
from zoo.metrics.manifold import NEIGHBOURS, manifold_scores
from zoo.metrics.memorisation import PERCENTILE, Memorisation, memorisation
from zoo.metrics.smoothness import path_jumps
from zoo.pipelines import Classifier, Generator, make_pipeline
from zoo.recipe import DataSpec

# Distances are biased by 1/n, so all are taken at one n.
GENERATED = 10_000
# Images whose pixels are held as floats at once.
CHUNK = 1000
PATHS = 64
IMAGES_OF_A_PATH = 33
# As many of the nearest are shown as of the first.
PAIRS_SHOWN = 6
# The split of what is measured without one.
NO_SPLIT = "none"


@dataclasses.dataclass(frozen=True)
class Space:
    """Where images are compared.

    Args:
        name: What the names of the metrics end with.
        note: The same in full.
        features: A function from uint8 images (n, height, width, channels) to (n, d).
        judged: Whether these are features, in which distances of distributions mean something.
    """

    name: str
    note: str
    features: Callable[[np.ndarray], np.ndarray]
    judged: bool

    def of(self, images: np.ndarray) -> np.ndarray:
        """Returns the features (n, d) of images, computed chunk by chunk."""
        return np.concatenate([self.features(images[part]) for part in _chunks(len(images))])

    def of_generated(self, generator: Generator, count: int) -> np.ndarray:
        """Returns the features of the images of the seeds 0 to count - 1, a chunk drawn at once."""
        return np.concatenate(
            [
                self.features(generator.generate(part.stop - part.start, seed=part.start))
                for part in _chunks(count)
            ]
        )


def measure_generator(generator: Generator) -> Evaluation:
    """Measures a generator on the test split of the data on its card.

    Where the data set has no judge, only what pixels can tell is measured: how near to training
    images the generated ones lie, and how evenly they change along a path.
    """
    spec = data_of(generator.card)
    space = _space(spec.name)
    split = data.get(spec.name).tests[0]
    test = data.examples(spec, split)["image"]
    training_images = data.examples(spec, "train")["image"]
    count = min(GENERATED, len(test), len(training_images))
    real, training = space.of(test[:count]), space.of(training_images)
    generated = space.of_generated(generator, count)
    record = recorder(generator.card, split, count)
    metrics = []
    if space.judged:
        of = space.note
        measured, floors = (_distances(real, rows) for rows in (generated, training[:count]))
        floor = f"{of}; {count} train images in place of generated ones"
        for name, value in measured.items():
            metrics.append(record(f"{name}_{space.name}", value, of))
            metrics.append(record(f"{name}_{space.name}_floor", floors[name], floor))
    found = memorisation(generated, real, training)
    metrics += [
        record(
            f"memorised_{space.name}",
            found.share,
            f"{space.note}; as near to a train image as {PERCENTILE:g}% of the test images",
        ),
        *_smoothness(generator),
    ]
    if generator.labels:
        metrics.append(_accuracy_score(generator, spec, len(training_images)))
    pictures = {
        "samples.png": encode_png(generator.grid(64, seed=0)),
        "neighbours.png": _neighbours(generator, training_images, found),
    }
    return Evaluation(tuple(metrics), pictures)


def _distances(real: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Returns every measure of one set of features against the real ones, by name."""
    distances = {"fd": frechet_distance(other, real), "kid": kernel_distance(other, real)}
    if min(len(real), len(other)) <= NEIGHBOURS:
        return distances
    return {**distances, **dataclasses.asdict(manifold_scores(real, other))}


def _smoothness(generator: Generator) -> Iterator[Metric]:
    """Yields the mean and the worst jump of the paths from seed 0 to 1, 2 to 3, …

    In pixels: a classifier's features jump wherever a path crosses from class to class.
    """
    # A path of a conditional generator keeps its label, whose change is no matter of latents.
    labels = [n % len(generator.labels) if generator.labels else None for n in range(PATHS)]
    paths = [
        _pixels(generator.interpolate(2 * n, 2 * n + 1, IMAGES_OF_A_PATH, label=label))
        for n, label in enumerate(labels)
    ]
    jumps = path_jumps(np.stack(paths))
    record = recorder(generator.card, NO_SPLIT, PATHS)
    of = f"pixels; largest of {IMAGES_OF_A_PATH - 1} steps over the median, paths between two seeds"
    yield record("jump", jumps.mean(), f"{of}: mean")
    yield record("jump_worst", jumps.max(), f"{of}: worst")


def _accuracy_score(generator: Generator, spec: DataSpec, count: int) -> Metric:
    """Returns the classifier accuracy score of as many images as there are training images."""
    recipe = score_recipe(spec)
    labels = np.arange(count) % len(generator.labels)
    images = np.concatenate(
        [
            generator.generate(part.stop - part.start, part.start, label=labels[part].tolist())
            for part in _chunks(count)
        ]
    )
    score, tested = classifier_accuracy_score(images, labels, recipe)
    record = recorder(generator.card, data.get(spec.name).tests[0], tested)
    note = f"{recipe.architecture}, {recipe.epochs} epochs on {count} generated images"
    return record("classifier_accuracy_score", score, note)


def _neighbours(generator: Generator, training: np.ndarray, found: Memorisation) -> bytes:
    """Draws generated images beside the nearest training image: the nearest pairs, then any."""
    nearest = np.argsort(found.distance, kind="stable")[:PAIRS_SHOWN]
    seeds = [*nearest.tolist(), *range(min(PAIRS_SHOWN, len(found.distance)))]
    generated = generator.generate(len(seeds), seed=seeds)
    pairs = np.stack([generated, training[found.index[seeds]]], axis=1)
    captions = [
        caption
        for seed in seeds
        for caption in (
            f"seed {seed}\ndistance {found.distance[seed]:.3g}",
            f"train {found.index[seed]}\n({PERCENTILE:g}% of test: {found.threshold:.3g})",
        )
    ]
    return report.captioned_png(pairs.reshape(-1, *pairs.shape[2:]), captions, columns=6)


def _space(name: str) -> Space:
    """Returns the features of a data set's judge, or pixels where it has none."""
    judge = _judge(name)
    if judge is None:
        return Space("pixels", "pixels, 0 to 1", _pixels, judged=False)
    note = f"features of {judge.card.name}@{judge.card.version}"
    return Space(judge.card.name.partition(".")[0], note, judge.features, judged=True)


def _pixels(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32) / 255


def _judge(name: str) -> Classifier | None:
    """Returns the classifier whose features judge images of a data set, if one is stored."""
    judge = data.get(name).judge
    if judge is None:
        return None
    try:
        pipeline = make_pipeline(*store.load(judge))
    except UnknownModelError:
        print(f"zoo: {judge}, the judge of {name}, is not stored; pixels are all", file=sys.stderr)
        return None
    assert isinstance(pipeline, Classifier)
    return pipeline


def _chunks(count: int) -> Iterator[slice]:
    for start in range(0, count, CHUNK):
        yield slice(start, min(start + CHUNK, count))
