"""A recipe: all that is needed to train a model again, as data."""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from zoo.errors import RecipeError, did_you_mean, nearest
from zoo.parents import check_parents
from zoo.transfer import check_transfer

BACKENDS = ("tensorflow", "jax")
PRECISIONS = ("float32", "mixed_bfloat16", "onednn_bfloat16")
ENSEMBLES = ("bagging", "samme")
NAME = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+(-[a-z0-9_]+)*")


@dataclasses.dataclass(frozen=True)
class DataSpec:
    """Which examples a recipe learns from.

    Args:
        name: Name of a data set or, for translation, of a pair of domains, for adaptation of a
            shift between two, as `zoo data list` shows them. Of these the numbers below are those
            of each domain.
        validation: Examples cut from the train split for validation, 0 for none.
        limit: Use only this many training examples, for quick tries; None for all.
        classes: Learn these classes only, named 0, 1, … in this order; None for all.
        per_class: Train on so many examples of each class; those of a smaller number are among
            those of a larger one. None for all. Of a shift it is how many images of the target come
            with labels, and None for none.
        repeat: Passes over the training examples in an epoch; for sets so small that a pass is a
            few steps.
        without: Leave the examples of these labels out of training, though the model has their
            classes and is tested on them; for a student that knows them from its teacher alone.
            None leaves none out.
        images: Train on the images of this other data set, without their labels, in place of the
            set's own; for a student that learns from a teacher alone. None for the set's own.
    """

    name: str
    validation: int = 0
    limit: int | None = None
    classes: list[int] | None = None
    per_class: int | None = None
    repeat: int = 1
    without: list[int] | None = None
    images: str | None = None


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a model is made. Printed, overridden, stored on the card, and trained by the engine.

    A dictionary that names a part has the form `{"name": part, option: value, …}`.

    Args:
        name: `<architecture>.<dataset>[-<method>]`.
        architecture: A registered architecture.
        data: The data and its split.
        network: Options of the architecture's builders.
        method: The training method and its options.
        augmentation: Keras preprocessing layers by class name, applied in order to a batch of
            images with values 0 to 255 on the training side only.
        optimizer: A Keras optimizer by class name with its options.
        schedule: A learning-rate schedule over the whole run; `{}` for a constant rate.
        players: Overrides of `optimizer` for single players.
        ema: Decay of the moving average kept of a network's weights, by network. Where there is
            one, it is what evaluation uses and the store keeps.
        batch_size: Examples in one step.
        epochs: Passes over the training examples, or `data.repeat` passes each.
        seed: Decides initial weights, order, augmentation and noise.
        steps_per_execution: Steps run in one call of the compiled function; None leaves it to
            the backend and the device.
        backend: The Keras backend, `tensorflow` or `jax`; None for the one in use.
        precision: `float32`; `mixed_bfloat16` to compute in bfloat16 with float32 weights; or
            `onednn_bfloat16`, where TensorFlow chooses the operations that do so, for processors
            with bfloat16 instructions; JAX then computes in float32.
        early_stopping: When to stop before the last epoch, as `{"monitor": "val_loss", "patience":
            10}`: after so many epochs without a better value. What is stored is the best epoch.
            `{}` trains to the last and stores that.
        transfer: The stored model to begin from and what of it learns, as
            `{"from": "resnet20.cifar10", "policy": "hybrid", "stage": "stage2", "rate": 0.1}`;
            `zoo.transfer.transferred` says what there is. `{}` for fresh weights.
        parents: Stored models whose networks are a fixed part of this one, by the part they play,
            as `{"autoencoder": {"model": "kl_autoencoder.fashion_mnist"}}`. Nothing of them learns.
        ensemble: How several such models become one, as `{"name": "bagging", "members": 5}`;
            `zoo.training.ensembles` says what there is. `{}` for a single model.
        lineage: Where the recipe came from, such as a search; empty for a registered one.
    """

    name: str
    architecture: str
    data: DataSpec
    network: dict[str, Any] = dataclasses.field(default_factory=dict)
    method: dict[str, Any] = dataclasses.field(default_factory=dict)
    augmentation: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    optimizer: dict[str, Any] = dataclasses.field(
        default_factory=lambda: {"name": "Adam", "learning_rate": 1e-3}
    )
    schedule: dict[str, Any] = dataclasses.field(default_factory=dict)
    players: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    ema: dict[str, float] = dataclasses.field(default_factory=dict)
    batch_size: int = 128
    epochs: int = 10
    seed: int = 1
    steps_per_execution: int | None = None
    backend: str | None = None
    precision: str = "float32"
    early_stopping: dict[str, Any] = dataclasses.field(default_factory=dict)
    transfer: dict[str, Any] = dataclasses.field(default_factory=dict)
    parents: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    ensemble: dict[str, Any] = dataclasses.field(default_factory=dict)
    lineage: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_types(self)
        if not NAME.fullmatch(self.name):
            raise RecipeError(
                f"recipe name {self.name!r} is not of the form architecture.dataset[-method], "
                "in lower-case letters, digits and underscores"
            )
        made_of = f"{self.architecture}.{self.data.name}"
        if self.name != made_of and not self.name.startswith(f"{made_of}-"):
            raise RecipeError(
                f"the name of a recipe for {self.architecture} on {self.data.name} is {made_of} or "
                f"begins with {made_of}-, got {self.name!r}"
            )
        for field in ("batch_size", "epochs", "steps_per_execution"):
            value = getattr(self, field)
            if value is not None and value < 1:
                raise RecipeError(f"{field} must be at least 1, got {value}")
        for field, known in (("backend", BACKENDS), ("precision", PRECISIONS)):
            value = getattr(self, field)
            if value is not None and value not in known:
                raise RecipeError(f"{field} must be {' or '.join(known)}, got {value!r}")
        if self.data.validation < 0:
            raise RecipeError(f"data.validation must be 0 or more, got {self.data.validation}")
        for field in ("limit", "per_class", "repeat"):
            value = getattr(self.data, field)
            if value is not None and value < 1:
                raise RecipeError(f"data.{field} must be at least 1, got {value}")
        classes = self.data.classes
        if classes is not None and not (
            all(type(one) is int and one >= 0 for one in classes)
            and len(set(classes)) == len(classes) > 1
        ):
            raise RecipeError(f"data.classes must be two or more different labels, got {classes}")
        left_out = self.data.without
        if left_out is not None and not all(type(one) is int and one >= 0 for one in left_out):
            raise RecipeError(f"data.without must be labels, got {left_out}")
        if self.data.images is not None:
            for field in ("classes", "per_class", "without"):
                if getattr(self.data, field) is not None:
                    raise RecipeError(f"data.{field} is for labelled images, data.images has none")
            if self.data.images == self.data.name:
                raise RecipeError("data.images must be another set than data.name")
        if not 0 <= self.seed < 2**32:
            raise RecipeError(f"seed must be 0 to 2^32 - 1, got {self.seed}")
        for network, decay in self.ema.items():
            if not 0 <= decay < 1:
                raise RecipeError(f"ema.{network} must be in [0, 1), got {decay}")
        for part in self.augmentation:
            if not isinstance(part, dict) or "name" not in part:
                raise RecipeError(f'augmentation needs {{"name": …}} dictionaries, got {part!r}')
        _check_early_stopping(self)
        check_transfer(self.transfer)
        check_parents(self.parents)
        _check_ensemble(self.ensemble)

    def to_dict(self) -> dict[str, Any]:
        """Returns the recipe as plain data that `from_dict` reads back."""
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recipe:
        """Builds a recipe from plain data; unknown fields and wrong types raise `RecipeError`."""
        return _build(cls, data, "")

    def override(self, settings: Iterable[str] | Mapping[str, Any]) -> Recipe:
        """Returns a copy with some values replaced.

        Args:
            settings: Dotted paths to values, as a mapping or as strings "path=value" where the
                value is JSON or, failing that, text: `epochs=3`, `optimizer.learning_rate=1e-3`,
                `augmentation=[]`.

        Raises:
            RecipeError: for a path that is not in a recipe or a value of the wrong type.
        """
        pairs = settings.items() if isinstance(settings, Mapping) else map(parse_setting, settings)
        data = self.to_dict()
        for path, value in pairs:
            _assign(data, path, value)
        return Recipe.from_dict(data)


def _check_early_stopping(recipe: Recipe) -> None:
    stopping = recipe.early_stopping
    if not stopping:
        return
    if set(stopping) != {"monitor", "patience"}:
        raise RecipeError(
            f"early_stopping needs monitor and patience and nothing else, got {', '.join(stopping)}"
        )
    monitor, patience = stopping["monitor"], stopping["patience"]
    if not re.fullmatch(r"val_(\w+_)?(loss|accuracy)", str(monitor)):
        raise RecipeError(
            "early_stopping.monitor is a loss or an accuracy of the validation split, such as "
            f"val_loss, got {monitor!r}"
        )
    if type(patience) is not int or patience < 1:
        raise RecipeError(f"early_stopping.patience must be at least 1, got {patience!r}")
    if not recipe.data.validation:
        raise RecipeError("early_stopping needs a validation split; set data.validation")


def _check_ensemble(ensemble: dict[str, Any]) -> None:
    if not ensemble:
        return
    members = ensemble.get("members")
    if (
        set(ensemble) != {"name", "members"}
        or ensemble["name"] not in ENSEMBLES
        or type(members) is not int
        or members < 2
    ):
        raise RecipeError(
            f"ensemble needs a name, {' or '.join(ENSEMBLES)}, and a number of members, 2 or more; "
            f"got {ensemble!r}"
        )


def parse_setting(setting: str) -> tuple[str, Any]:
    """Splits "path=value"; the value is JSON or, failing that, text."""
    path, equals, text = setting.partition("=")
    if not equals or not path:
        raise RecipeError(f"a setting has the form path=value, got {setting!r}")
    try:
        return path, json.loads(text)
    except json.JSONDecodeError:
        return path, text


def _assign(data: dict[str, Any], path: str, value: Any) -> None:
    """Sets data[a][b] for the path "a.b"; options of parts may be new, fields may not."""
    *parents, last = path.split(".")
    here: Any = data
    for depth, key in enumerate(parents):
        free = depth > 0 and parents[0] != "data"
        if isinstance(here, list) and key.isdigit() and int(key) < len(here):
            here = here[int(key)]
        elif isinstance(here, dict) and (key in here or free):
            here = here.setdefault(key, {})
        else:
            raise RecipeError(_unknown(path, key, here))
    if isinstance(here, list) and last.isdigit() and int(last) < len(here):
        here[int(last)] = value
    elif not isinstance(here, dict) or (last not in here and (not parents or parents == ["data"])):
        raise RecipeError(_unknown(path, last, here))
    else:
        here[last] = value


def _unknown(path: str, key: str, here: Any) -> str:
    near = did_you_mean(nearest(key, here)) if isinstance(here, dict) else ""
    return f"a recipe has no {path!r}{near}"


def _build(cls: type, data: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise RecipeError(f"{where.rstrip('.') or 'a recipe'} must be a dictionary, got {data!r}")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in data:
        if key not in fields:
            raise RecipeError(_unknown(f"{where}{key}", str(key), fields))
    missing = [
        name
        for name, field in fields.items()
        if name not in data
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise RecipeError(f"a recipe needs {where}{missing[0]}")
    values = dict(data)
    if cls is Recipe:
        values["data"] = _build(DataSpec, data["data"], "data.")
    return cls(**values)


def _check_types(recipe: Recipe) -> None:
    """Checks each field against its annotation."""
    for part, where in ((recipe, ""), (recipe.data, "data.")):
        hints = typing.get_type_hints(type(part))
        for field in dataclasses.fields(part):
            value, hint = getattr(part, field.name), hints[field.name]
            if not _fits(value, hint):
                raise RecipeError(f"{where}{field.name} must be {_name_of(hint)}, got {value!r}")


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(hint, types.UnionType):
        return any(_fits(value, arm) for arm in typing.get_args(hint))
    kind = typing.get_origin(hint) or hint
    if kind is Any or (kind is float and type(value) is int):
        return True
    if kind is dict and type(value) is dict:
        return all(_fits(item, typing.get_args(hint)[1]) for item in value.values())
    return type(value) is kind


def _name_of(hint: Any) -> str:
    if isinstance(hint, types.UnionType):
        return " or ".join(_name_of(arm) for arm in typing.get_args(hint))
    if hint is type(None):
        return "null"
    kind = typing.get_origin(hint) or hint
    inner = typing.get_args(hint)[1:] if kind is dict else ()
    return kind.__name__ + "".join(f" of {_name_of(i)}" for i in inner if i is not Any)
