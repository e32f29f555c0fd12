"""What a search is judged by: names, directions, and what each is measured on.

Nothing here reads a test split: what is measured sees a trial's training and validation examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zoo import data, registry
from zoo.errors import RecipeError, did_you_mean, nearest
from zoo.recipe import Recipe

if TYPE_CHECKING:
    import keras_tuner

DIRECTIONS = ("max", "min")
# Examples that are cut off for validation where a recipe has none, at most; and where distances of
# distributions are measured, which take a generated image for each.
_VALIDATION, _DISTANCES = 5000, 2000
# A recipe with fewer keeps them for its pictures.
_FOR_PICTURES = 64
_MEASURES = "tuning.measures"


@dataclasses.dataclass(frozen=True)
class Objective:
    """A number that a search makes as large or as small as it can.

    Args:
        name: As logs and tables call it, such as `val_accuracy`.
        direction: `max` or `min`; never guessed.
        split: What it is measured on: `validation`, or `model` for what a network costs.
        path: "module:function" that measures it; None where training logs it by itself.
        per_epoch: Whether it changes from epoch to epoch. What does not is measured once.
    """

    name: str
    direction: str
    split: str = "validation"
    path: str | None = None
    per_epoch: bool = True

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise ValueError(f"direction must be max or min, got {self.direction!r}")

    @property
    def measured(self) -> bool:
        """Whether `measure` gives it, and not the logs of training by themselves."""
        return self.path is not None

    def measure(self, game: Any, examples: Any, recipe: Recipe) -> float:
        """Measures a model, with averaged weights where these are kept.

        Args:
            game: The `MultiPlayerModel` that trains.
            examples: Has the arrays `training` and `validation` of this training.
            recipe: What is trained.

        Raises:
            ZooError: where the number cannot be had, with the reason.
        """
        assert self.path is not None, f"{self.name} is logged"
        return float(registry.load_object(self.path)(game, examples, recipe))

    def better(self, one: float, other: float) -> bool:
        """Returns whether one value is better than another."""
        return one > other if self.direction == "max" else one < other

    def keras_tuner(self) -> keras_tuner.Objective:
        """Returns it as KerasTuner has it, which knows name and direction alone."""
        import keras_tuner

        return keras_tuner.Objective(self.name, self.direction)

    def to_list(self) -> list[str]:
        """Returns `[name, direction, split]`."""
        return [self.name, self.direction, self.split]


def _measured(name: str, direction: str, function: str, **options: Any) -> Objective:
    return Objective(name, direction, path=f"{_MEASURES}:{function}", **options)


def _cost(name: str) -> Objective:
    return _measured(name, "min", name, split="model", per_epoch=False)


_ACCURACY, _LOSS = Objective("val_accuracy", "max"), Objective("val_loss", "min")
# The share of answers that are a teacher's; where no label is read, there is nothing else.
_AGREEMENT = Objective("val_agreement", "max")
_FD = _measured("val_fd", "min", "frechet")
_KID = _measured("val_kid", "min", "kernel")
_KID_PIXELS = _measured("val_kid_pixels", "min", "kernel_of_pixels")
_INFORMATION = _measured("val_target_information", "max", "target_information")
_SOURCE = _measured("val_source_accuracy", "max", "source_accuracy")
# What nobody has who needs adaptation. The name says so.
ORACLE_ACCURACY = "oracle_target_accuracy"
_ORACLE = _measured(ORACLE_ACCURACY, "max", ORACLE_ACCURACY)
_PARAMETERS, _FLOPS, _LATENCY = map(_cost, ("parameters", "flops", "latency_ms"))

_DISTANCES_OF = (_FD, _KID, _KID_PIXELS)
# By kind of training: what there is. The first leads where nothing is asked for.
_KNOWN: dict[str, tuple[Objective, ...]] = {
    "classification": (_ACCURACY, _LOSS, _PARAMETERS, _FLOPS, _LATENCY),
    "unlabelled distillation": (_AGREEMENT, _LOSS, _PARAMETERS, _FLOPS, _LATENCY),
    "adaptation": (_INFORMATION, _SOURCE, _ORACLE, _PARAMETERS, _FLOPS, _LATENCY),
    "adversarial generation": (*_DISTANCES_OF, _PARAMETERS, _FLOPS, _LATENCY),
    "translation": (*_DISTANCES_OF, _PARAMETERS),
    "diffusion": (_LOSS, *_DISTANCES_OF, _PARAMETERS),
    "variational generation": (_LOSS, *_DISTANCES_OF, _PARAMETERS),
    "reconstruction": (_LOSS, _PARAMETERS),
}
_BY_IMAGES = ("adversarial generation", "translation")
# Settings that change what a loss says, so that trials that differ in them have no common scale.
_CHANGE_THE_LOSS = (
    *(f"method.{one}" for one in ("beta", "binarise", "deviation", "loss", "loss_weight")),
    *(f"method.{one}" for one in ("samples", "sparsity")),
    *(f"network.{one}" for one in ("likelihood", "prediction", "schedule")),
)


def objectives_of(recipe: Recipe, names: Iterable[str] = ()) -> tuple[Objective, ...]:
    """Returns what a search of a recipe is judged by.

    Classifiers lead by `val_accuracy`; generative adversarial networks and translators by `val_fd`,
    the Fréchet distance of generated to validation images in the features of the data's judge, or
    where there is no judge by `val_kid_pixels`; what denoises or reconstructs by `val_loss`, whose
    noise and timesteps are the same in every evaluation; adaptation by `val_target_information`,
    which needs no label of the target. `parameters`, `flops` and `latency_ms` are what an answer
    costs.

    Args:
        recipe: What is searched around.
        names: The objectives; the first leads the search. None is the recipe's own.

    Raises:
        RecipeError: for a name that there is none of, a name that is there twice, or a judge that
            is not stored.
    """
    known = _known(recipe)
    by_name = {one.name: one for one in known}
    asked = list(names) or [known[0].name]
    for name in asked:
        if name not in by_name:
            near = did_you_mean(nearest(name, by_name))
            raise RecipeError(
                f"{recipe.name} cannot be judged by {name!r}{near}; there are {', '.join(by_name)}"
            )
        if asked.count(name) > 1:
            raise RecipeError(f"the objective {name} is named twice")
    chosen = tuple(by_name[name] for name in asked)
    if chosen[0].split == "model":
        raise RecipeError(
            f"{chosen[0].name} does not change as a model learns; name {known[0].name} first"
        )
    if {_FD, _KID} & set(chosen):
        from zoo.evaluation.common import require_judges

        require_judges(recipe)
    return chosen


def _known(recipe: Recipe) -> tuple[Objective, ...]:
    judged = has_judge(recipe)
    return tuple(one for one in _KNOWN[kind_of(recipe)] if judged or one not in (_FD, _KID))


def kind_of(recipe: Recipe) -> str:
    """Returns what kind of training a recipe is, as far as it is judged differently."""
    architecture = registry.architectures().get(recipe.architecture)
    networks = architecture.networks
    if recipe.data.name in data.PAIRS and isinstance(data.PAIRS.get(recipe.data.name), data.Shift):
        return "adaptation"
    if "g_ab" in networks:
        return "translation"
    if "generator" in networks:
        return "adversarial generation"
    if "denoiser" in networks:
        return "diffusion"
    if "decoder" in networks:
        return "reconstruction" if architecture.task != "generation" else "variational generation"
    unlabelled = recipe.method.get("alpha") == 0 and bool(recipe.parents)
    return "unlabelled distillation" if unlabelled else "classification"


def has_judge(recipe: Recipe) -> bool:
    """Returns whether every set of images that a recipe makes has a judge."""
    source = data.source(recipe.data.name)
    judged = source.domains.values() if isinstance(source, data.Pair) else [source]
    return all(one.judge for one in judged)


def require_one_scale(objective: Objective, paths: Iterable[str]) -> None:
    """Refuses a space over settings that change what the leading objective means.

    Raises:
        RecipeError: naming the setting.
    """
    if objective.name != _LOSS.name:
        return
    for path in paths:
        if path in _CHANGE_THE_LOSS:
            raise RecipeError(
                f"{path} changes what val_loss measures, so trials could not be compared by it; "
                "search another setting or name another objective"
            )


def search_recipe(recipe: Recipe, epochs: int | None = None) -> Recipe:
    """Returns a recipe as trials train it: for so many epochs, and with a validation split.

    Where a recipe has none, a fifth of the training images of each domain is cut off, 5,000 at
    most; 2,000 at most where generated images are held against them. What stops a single training
    early is taken out: which trials stop is the search's affair, and their values must be of equal
    epochs.

    Args:
        recipe: What is searched around.
        epochs: Most epochs of a trial; None for the recipe's.

    Raises:
        RecipeError: for an ensemble, whose members are searched one by one.
    """
    if recipe.ensemble:
        raise RecipeError(
            f"{recipe.name} is an ensemble; search its members' recipe, with --set ensemble={{}}"
        )
    settings: dict[str, Any] = {"epochs": recipe.epochs if epochs is None else epochs}
    by_images = kind_of(recipe) in _BY_IMAGES
    if recipe.data.validation < (_FOR_PICTURES if by_images else 1):
        most = _DISTANCES if by_images else _VALIDATION
        settings["data.validation"] = min(most, _training_images(recipe) // 5)
    if recipe.early_stopping:
        settings["early_stopping"] = {}
    return recipe.override(settings)


def _training_images(recipe: Recipe) -> int:
    """Returns the number of training images, of the smaller domain where there are two."""
    source = data.source(recipe.data.name)
    if isinstance(source, data.Pair):
        return min(data.training_count(domain) for domain in source.domains.values())
    return source.splits["train"]
