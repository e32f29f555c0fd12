"""What samples of a diffusion model cost, and what more of it buys.

- Distance against the number of steps, for each sampler, with `ldm.fashion_mnist`.
- The same model over scales of guidance: distance, precision, recall, and how often the judge sees
  the class that was asked for.
- Diffusion in pixels beside diffusion in latents (Rombach et al. 2022, section 4.1): both recipes
  are trained, and after each epoch 20 steps are measured; the table has what training and sampling
  cost where both have reached the same distance. To the latents' training belongs that of the
  autoencoder.

Images are measured as `zoo evaluate` does, in the features of the data set's judge. Each point is
kept as it is done and trainings go on from their last epoch: the command given again goes on with
the rest. Times mean something on a machine that does nothing else.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

import zoo
from benchmarks.judges import judged, real_features
from benchmarks.measure import Row
from benchmarks.points import key_of, read_points, write_points
from benchmarks.trainings import begun_or_new, digest_of
from zoo import data, files, paths, registry, store
from zoo.diffusion import DiffusionGenerator
from zoo.evaluation.common import chunks
from zoo.metrics.frechet import frechet_distance
from zoo.metrics.manifold import manifold_scores
from zoo.pipelines import Classifier, make_pipeline
from zoo.recipe import Recipe
from zoo.runs import Run, resolved
from zoo.sampling import GUIDANCE
from zoo.training.publish import make_card
from zoo.training.run import fit_run

# The table has a column for each sampler and for each recipe that is trained.
SIDE_BY_SIDE = True
MODEL = "ldm.fashion_mnist"
SOURCE = "fashion_mnist"
STEPS = {
    "dpm_solver++": (5, 10, 20, 50),
    "ddim": (5, 10, 20, 50),
    "euler": (5, 10, 20, 50),
    "heun": (5, 10, 20, 50),
    "ddpm": (10, 20, 50, 100, 250),
}
SCALES = (0.0, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0)
SPACES = ("ddpm.fashion_mnist", MODEL)
PICTURE = Path(__file__).parents[1] / "docs" / "diffusion_steps.png"
_SAMPLER, _FEW = "dpm_solver++", 20
_COUNT, _COUNT_OF_EPOCH = 10_000, 2_000
_QUICK = {"data.limit": 256, "epochs": 2}


@dataclasses.dataclass(frozen=True)
class Point:
    """Images drawn in one way, as a line of the table of points.

    Args:
        model: `name@version`.
        sampler: Name of the sampler.
        steps: Its steps.
        guidance: Scale of the guidance.
        count: Images.
        fd: Fréchet distance to the test split.
        precision: Share of the images inside the manifold of the real ones.
        recall: The other way round.
        agreement: Share of the images in which the judge sees the class that was asked for.
        seconds: How long it took to draw them.
    """

    model: str
    sampler: str
    steps: int
    guidance: float
    count: int
    fd: float = 0.0
    precision: float = 0.0
    recall: float = 0.0
    agreement: float = 0.0
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Epoch:
    """An epoch of a training, as a line of its table.

    Args:
        recipe: The recipe's name.
        digest: Of all that it says, so that an epoch of another recipe is none of this one.
        epoch: Number of the epoch.
        seconds: Time of the training up to its end, measuring left out.
        parent_seconds: Time of the training of what it is built on.
        count: Images that were measured.
        fd: Their distance.
        drawing: Milliseconds an image.
    """

    recipe: str
    digest: str
    epoch: int
    seconds: float
    parent_seconds: float
    count: int
    fd: float
    drawing: float


def rows(quick: bool) -> list[Row]:
    """Distances by sampler and by guidance, then costs at equal distance."""
    folder = paths.home() / "benchmarks"
    name = "diffusion-quick" if quick else "diffusion"
    generator = zoo.load(MODEL)
    assert isinstance(generator, DiffusionGenerator)
    steps: Mapping[str, Sequence[int]] = dict.fromkeys(STEPS, (2, 4)) if quick else STEPS
    wanted = wanted_points(generator, steps, SCALES[:3] if quick else SCALES, 256 if quick else 0)
    measure = functools.partial(draw_and_measure, generator)
    points = measured(folder / f"{name}.csv", wanted, measure)
    picture = folder / f"{name}.png" if quick else PICTURE
    draw([point for point in points if point.guidance == GUIDANCE], picture)
    print(f"points in {folder / name}.csv, picture in {picture}", file=sys.stderr)
    recipes = [registry.recipes().get(one).override(_QUICK if quick else {}) for one in SPACES]
    epochs = [train(folder / f"{name}-epochs", recipe, 64 if quick else 0) for recipe in recipes]
    return [*summary(points), *at_equal_distance(epochs)]


def wanted_points(
    generator: DiffusionGenerator,
    steps: Mapping[str, Sequence[int]],
    scales: Sequence[float],
    count: int = 0,
) -> list[Point]:
    """Lists what is to be measured; 0 stands for as many images as a card's numbers are of."""
    model, count = f"{generator.card.name}@{generator.card.version}", count or _COUNT
    few = _FEW if _FEW in steps[_SAMPLER] else steps[_SAMPLER][-1]
    ways = [(sampler, n, GUIDANCE) for sampler, many in steps.items() for n in many]
    ways += [(_SAMPLER, few, scale) for scale in scales if scale != GUIDANCE]
    return [Point(model, *way, count) for way in ways]


def measured(
    table: Path, wanted: Sequence[Point], measure: Callable[[Point], Point]
) -> list[Point]:
    """Returns the wanted points: those in the table as they are, the others measured and added."""
    done = {key_of(point): point for point in read_points(table, Point)}
    for number, point in enumerate(wanted, 1):
        if key_of(point) in done:
            continue
        done[key_of(point)] = point = measure(point)
        write_points(table, done.values())
        what = f"{point.sampler}, {point.steps} steps, guidance {point.guidance:g}"
        said = f"fd {point.fd:.4g} ({point.seconds:.0f} s)"
        print(f"{number}/{len(wanted)} {what}: {said}", file=sys.stderr)
    return [done[key_of(point)] for point in wanted]


def draw_and_measure(generator: DiffusionGenerator, point: Point) -> Point:
    """Draws a point's images, classes in turn, and measures them."""
    asked = generator.with_sampling(
        sampler=point.sampler, num_inference_steps=point.steps, guidance_scale=point.guidance
    )
    images, seconds = drawn(asked, point.count)
    features, real = judged(SOURCE).of(images), real_features(SOURCE, point.count)
    manifolds = manifold_scores(real, features)
    seen = _judge().scores(images).argmax(axis=1)
    agreement = np.mean(seen == np.arange(point.count) % len(generator.labels))
    return dataclasses.replace(
        point,
        fd=round(frechet_distance(features, real), 6),
        precision=round(manifolds.precision, 5),
        recall=round(manifolds.recall, 5),
        agreement=round(float(agreement), 5),
        seconds=round(seconds, 1),
    )


@functools.cache
def _judge() -> Classifier:
    judge = zoo.load(str(data.get(SOURCE).judge))
    assert isinstance(judge, Classifier)
    return judge


def drawn(generator: DiffusionGenerator, count: int) -> tuple[np.ndarray, float]:
    """Returns the images of the seeds 0 to count - 1 and the seconds they took."""
    # What is compiled at the first call is no cost of an image.
    generator.generate(min(count, 8))
    began = time.perf_counter()
    parts = [generator.generate(part.stop - part.start, part.start) for part in chunks(count)]
    return np.concatenate(parts), time.perf_counter() - began


class _AfterEpoch(keras.callbacks.Callback):
    """Measures images of the averaged weights after each epoch, off the training's clock."""

    def __init__(self, run: Run, table: Path, parent_seconds: float, count: int) -> None:
        super().__init__()
        self.run, self.table = run, table
        self.parent_seconds, self.count = parent_seconds, count

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        generator = _generator_of(self.run, self.model)
        images, seconds = drawn(generator, self.count)
        fd = frechet_distance(judged(SOURCE).of(images), real_features(SOURCE, self.count))
        done = Epoch(
            self.run.recipe.name,
            digest_of(self.run.recipe),
            epoch + 1,
            round(sum(one["seconds"] for one in self.run.history), 1),
            self.parent_seconds,
            self.count,
            round(fd, 6),
            round(1000 * seconds / self.count, 3),
        )
        others = [one for one in read_points(self.table, Epoch) if _place(one) != _place(done)]
        write_points(self.table, [*others, done])
        print(f"{done.recipe}, epoch {done.epoch}: fd {done.fd:.4g}", file=sys.stderr)


def _place(one: Epoch) -> tuple[str, str, int, int]:
    return one.recipe, one.digest, one.epoch, one.count


def _generator_of(run: Run, model: Any) -> DiffusionGenerator:
    """Returns the pipeline of what a run has learned so far."""
    networks = model.published_networks()
    card = make_card(run, networks)
    generator = make_pipeline(card, networks)
    assert isinstance(generator, DiffusionGenerator)
    return generator.with_sampling(num_inference_steps=_FEW)


def train(folder: Path, recipe: Recipe, count: int = 0) -> list[Epoch]:
    """Trains a recipe, or goes on with it, and returns its epochs; for 0 images take the usual."""
    keras.backend.clear_session()
    count = count or _COUNT_OF_EPOCH
    recipe = resolved(recipe)
    table = folder / f"{recipe.name}.csv"

    def known() -> list[Epoch]:
        found = [one for one in read_points(table, Epoch) if one.count == count]
        found = [one for one in found if one.digest == digest_of(recipe)]
        return sorted(found, key=lambda one: one.epoch)

    if len(known()) < recipe.epochs:
        runs = folder / recipe.name
        run = begun_or_new(recipe, runs)
        cards = [store.read_card(parent["model"]) for parent in recipe.parents.values()]
        before = float(sum(card.training.get("seconds", 0) for card in cards))
        fit_run(run, verbose=0, callbacks=[_AfterEpoch(run, table, before, count)])
    return known()


def summary(points: Iterable[Point]) -> list[Row]:
    """Rows of the distance by sampler and steps, and of all measures by guidance."""
    found = []
    points = list(points)
    for point in sorted(points, key=lambda one: one.steps):
        if point.guidance == GUIDANCE:
            found.append(Row(f"FD, {point.steps} steps", point.sampler, point.fd, "", 0.0))
    few = {point.steps for point in points if point.guidance != GUIDANCE}
    swept = [point for point in points if point.sampler == _SAMPLER and point.steps in few]
    for point in sorted(swept, key=lambda one: one.guidance):
        for measure in ("fd", "precision", "recall", "agreement"):
            what = f"guidance {point.guidance:g}, {point.steps} steps: {measure}"
            found.append(Row(what, point.sampler, getattr(point, measure), "", 0.0))
    return found


def at_equal_distance(trainings: Sequence[Sequence[Epoch]]) -> list[Row]:
    """Rows of what each training cost until it was as good as the worse of them became.

    What a model is built on is counted as well, in full.
    """
    if not all(trainings):
        return []
    goal = max(min(epoch.fd for epoch in epochs) for epochs in trainings)
    found = []
    for epochs in trainings:
        first = next(epoch for epoch in epochs if epoch.fd <= goal)
        minutes = (first.seconds + first.parent_seconds) / 60
        for what, value, unit in (
            (f"training until FD {goal:.3g}", minutes, "min"),
            ("of it what it is built on", first.parent_seconds / 60, "min"),
            (f"an image of {_FEW} steps", first.drawing, "ms"),
            ("FD at the end", epochs[-1].fd, ""),
        ):
            found.append(Row(what, first.recipe, value, unit, 0.0))
    return found


def draw(points: Sequence[Point], path: Path) -> None:
    """Draws the distance against the steps, a line for each sampler, on logarithmic axes."""
    # The object interface draws without a window system and keeps no global state.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    axes = figure.subplots()
    for sampler in dict.fromkeys(point.sampler for point in points):
        own = sorted((p for p in points if p.sampler == sampler), key=lambda one: one.steps)
        axes.plot([p.steps for p in own], [p.fd for p in own], "o-", markersize=4, label=sampler)
    places = sorted({point.steps for point in points})
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(places, [str(place) for place in places])
    axes.minorticks_off()
    axes.set_xlabel("steps; Heun's method calls the network twice in one")
    axes.set_ylabel("Fréchet distance to the test split")
    axes.grid(alpha=0.3)
    axes.legend()
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
