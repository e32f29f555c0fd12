"""How a generator is measured: against the test split, in the features of a frozen classifier."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from zoo import data, report
from zoo.cards import Metric
from zoo.evaluation.accuracy_score import classifier_accuracy_score, score_recipe
from zoo.evaluation.common import Evaluation, chunks, data_of, flat_pixels, recorder, trained_on
from zoo.evaluation.probe import has_maps, probe
from zoo.evaluation.spaces import Space, space_of
from zoo.generation import Generator
from zoo.images import encode_png
from zoo.metrics.frechet import frechet_distance
from zoo.metrics.kernel import kernel_distance
from zoo.metrics.manifold import NEIGHBOURS, manifold_scores
from zoo.metrics.memorisation import PERCENTILE, Memorisation, memorisation
from zoo.metrics.smoothness import SMOOTH, path_jumps
from zoo.recipe import DataSpec

# Images that are looked at for copies; and for distances, where there are as many real ones, for
# these are biased by 1/n and are all taken at one n.
GENERATED = 10_000
PATHS = 64
IMAGES_OF_A_PATH = 33
# Classifiers that are trained for one accuracy score.
SCORES = 2
# Images that a slow generator draws for it, at most.
SCORED_OF_SLOW = 20_000
# Training images that a discriminator's features are probed with.
PROBED = 5000
# As many of the nearest are shown as of the first.
PAIRS_SHOWN = 6
# The split of what is measured without one.
NO_SPLIT = "none"


def measure_generator(generator: Generator) -> Evaluation:
    """Measures a generator on the test split of the data on its card.

    Copies are looked for among the images that it was trained on. The floors of distances are of
    the whole train split, so that n does not fall where a recipe takes little of it.

    Where the data set has no judge, only what pixels can tell is measured: how near to training
    images the generated ones lie, and how evenly they change along a path.
    """
    spec = data_of(generator.card)
    space = space_of(spec.name)
    split = data.get(spec.name).tests[0]
    test = data.examples(spec, split)["image"][:GENERATED]
    train = data.examples(spec, "train")["image"]
    training_images = trained_on(generator.card)["image"]
    real, training = space.of(test), space.of(training_images)
    count = space.most(GENERATED, len(test) + len(training), test.shape[1:])
    generated = space.of_generated(generator, count)
    metrics: list[Metric] = []
    if space.judged:
        metrics += _distances(generator, space, split, real, space.of(train[:GENERATED]), generated)
    found = memorisation(generated, real, training, search=space.search)
    metrics += [*_memorised(generator, space, split, found, len(real)), *_smoothness(generator)]
    if generator.labels:
        scored = min(len(train), SCORED_OF_SLOW) if generator.slow else len(train)
        metrics.append(_accuracy_score(generator, spec, scored))
    metrics += _probed(generator, split)
    pictures = {
        "samples.png": encode_png(generator.grid(64, seed=0)),
        "neighbours.png": _neighbours(generator, training_images, found),
    }
    return Evaluation(tuple(_told(metrics, generator.drawn_by)), pictures)


def _told(metrics: list[Metric], drawn_by: str) -> Iterator[Metric]:
    """Yields metrics with how the images were drawn in their notes; floors are of real images."""
    for metric in metrics:
        if drawn_by and not metric.name.endswith("_floor"):
            metric = dataclasses.replace(metric, note=f"{metric.note}; drawn by {drawn_by}")
        yield metric


def _distances(
    generator: Generator,
    space: Space,
    split: str,
    real: np.ndarray,
    train: np.ndarray,
    generated: np.ndarray,
) -> Iterator[Metric]:
    """Yields every distance of the generated features to the real ones, and its floor."""
    n = min(len(real), len(train), len(generated))
    record = recorder(generator.card, split, n)
    floor = f"{space.note}; {n} train images, which the judge saw, in place of generated ones"
    measured, floors = (_compared(real[:n], rows[:n]) for rows in (generated, train))
    for name, value in measured.items():
        yield record(f"{name}_{space.name}", value, space.note)
        yield record(f"{name}_{space.name}_floor", floors[name], floor)


def _compared(real: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Returns every measure of one set of features against the real ones, by name."""
    distances = {"fd": frechet_distance(other, real), "kid": kernel_distance(other, real)}
    if min(len(real), len(other)) <= NEIGHBOURS:
        return distances
    return {**distances, **dataclasses.asdict(manifold_scores(real, other))}


def _memorised(
    generator: Generator, space: Space, split: str, found: Memorisation, held_out: int
) -> Iterator[Metric]:
    """Yields what tells of copies; n counts generated images, of the floor held-out ones.

    A judge saw the train images, so that in its features fresh images are not as chance has it, but
    as held-out ones are.
    """
    count = len(found.distance)
    record = recorder(generator.card, split, count)
    near = f"as near to a train image as {PERCENTILE:g}% of the test images"
    yield record(f"memorised_{space.name}", found.share, f"{space.note}; {near}")
    name, nearer = f"nearer_train_{space.name}", "nearer to a train image than to any test image"
    if not space.judged:
        chance = f"{found.expected:.3f} by chance, deviation {found.deviation:.3f}"
        yield record(name, found.nearer, f"{space.note}; {nearer}; {chance}")
        return
    yield record(name, found.nearer, f"{space.note}; {nearer}")
    of_real = recorder(generator.card, split, min(count, held_out))
    floor = f"{space.note}; each test image among the others in place of generated ones"
    yield of_real(f"{name}_floor", found.nearer_held_out, floor)


def _smoothness(generator: Generator) -> Iterator[Metric]:
    """Yields how evenly images change along the paths from seed 0 to 1, 2 to 3, …

    In pixels: a classifier's features jump wherever a path crosses from class to class.
    """
    # A path of a conditional generator keeps its label, whose change is no matter of latents.
    labels = [n % len(generator.labels) if generator.labels else None for n in range(PATHS)]
    paths = [
        flat_pixels(generator.interpolate(2 * n, 2 * n + 1, IMAGES_OF_A_PATH, label=label))
        for n, label in enumerate(labels)
    ]
    jumps = path_jumps(np.stack(paths))
    record = recorder(generator.card, NO_SPLIT, PATHS)
    of = f"pixels; largest of {IMAGES_OF_A_PATH - 1} steps over the median, paths between two seeds"
    yield record("jump", jumps.mean(), f"{of}: mean")
    yield record("jump_worst", jumps.max(), f"{of}: worst")
    yield record("smooth_paths", np.mean(jumps <= SMOOTH), f"{of}: share of {SMOOTH:g} or less")


def _accuracy_score(generator: Generator, spec: DataSpec, count: int) -> Metric:
    """Returns the classifier accuracy score of so many images."""
    recipe = score_recipe(spec)
    labels = np.arange(count) % len(generator.labels)
    images = np.concatenate(
        [
            generator.generate(part.stop - part.start, part.start, label=labels[part].tolist())
            for part in chunks(count)
        ]
    )
    scores = []
    for seed in range(recipe.seed, recipe.seed + SCORES):
        score, tested = classifier_accuracy_score(images, labels, recipe.override({"seed": seed}))
        scores.append(score)
    record = recorder(generator.card, data.get(spec.name).tests[0], tested)
    note = (
        f"{recipe.architecture}, {recipe.epochs} epochs on {count} generated images; mean of "
        f"{SCORES} seeds, deviation {np.std(scores, ddof=1):.4f}"
    )
    return record("classifier_accuracy_score", np.mean(scores), note)


def _probed(generator: Generator, split: str) -> Iterator[Metric]:
    """Yields what a linear classifier reads from a discriminator that is stored beside."""
    discriminator = generator.networks.get("discriminator")
    name = generator.card.data["name"]
    if discriminator is None or not has_maps(discriminator) or not data.get(name).labels:
        return
    found = probe(generator, PROBED)
    record = recorder(generator.card, split, int(found["tested"]))
    on = f"linear SVM on {found['examples']} train images"
    for kind, of in (
        ("", "the discriminator's features"),
        ("_untrained", "its features with fresh weights"),
        ("_pixels", "pixels"),
    ):
        yield record(f"probe_accuracy{kind}", found[f"accuracy{kind}"], f"{on}: {of}")


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
