"""Terms of a student's loss that compare inner layers, and the projectors that some need."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import layers, ops

from zoo.errors import did_you_mean, nearest
from zoo.losses.features import attention_transfer, fsp, hint
from zoo.losses.relations import rkd_angle, rkd_distance, similarity_preserving
from zoo.registry import Catalogue

Shapes = Mapping[str, tuple[int, ...]]
_FIELDS = ("name", "student", "teacher", "weight")


@dataclasses.dataclass(frozen=True)
class Kind:
    """A way to compare layers.

    Args:
        loss: (teacher, student) to one loss for each example or one for the batch; of pairs of
            layers both are pairs.
        count: Layers of each side.
        maps: Whether the layers must be maps.
        projected: Whether the student's layers get as many channels as the teacher's.
    """

    loss: Callable[[Any, Any], Any]
    count: int = 1
    maps: bool = False
    projected: bool = False


KINDS: Catalogue[Kind] = Catalogue("term of distillation")
KINDS.add("hint", Kind(hint, projected=True))
KINDS.add("attention", Kind(attention_transfer, maps=True))
KINDS.add("fsp", Kind(fsp, count=2, maps=True, projected=True))
KINDS.add("rkd_distance", Kind(rkd_distance))
KINDS.add("rkd_angle", Kind(rkd_angle))
KINDS.add("similarity", Kind(similarity_preserving))


@dataclasses.dataclass(frozen=True)
class Term:
    """One term: how two networks' layers are compared, which ones, and how much it counts."""

    name: str
    student: tuple[str, ...]
    teacher: tuple[str, ...]
    weight: float

    @property
    def kind(self) -> Kind:
        """How the layers are compared."""
        return KINDS.get(self.name)


def parse_terms(terms: Sequence[Mapping[str, Any]]) -> tuple[Term, ...]:
    """Reads a method's `terms`.

    Args:
        terms: Such as `[{"name": "hint", "student": "stage2", "teacher": "stage3", "weight": 5}]`.
            Without `teacher` it is the layer of the same name; the weight is 1 if not set. `fsp`
            compares flows between two layers: `"student": ["stage1", "stage2"]`.

    Raises:
        ValueError: for what is not of this form.
        UnknownModelError: for an unknown name, with near ones.
    """
    return tuple(_parsed(term) for term in terms)


def _parsed(term: Mapping[str, Any]) -> Term:
    if not isinstance(term, Mapping) or not {"name", "student"} <= set(term):
        raise ValueError(f"a term needs a name and a student's layer, got {term!r}")
    for field in term:
        if field not in _FIELDS:
            raise ValueError(f"a term has no {field!r}{did_you_mean(nearest(str(field), _FIELDS))}")
    kind = KINDS.get(term["name"])
    sides: list[tuple[str, ...]] = []
    for side in (term["student"], term.get("teacher", term["student"])):
        names = (side,) if isinstance(side, str) else tuple(side)
        if len(names) != kind.count:
            needed = "one layer" if kind.count == 1 else f"{kind.count} layers"
            raise ValueError(f"{term['name']} compares {needed} of each network, got {side!r}")
        sides.append(names)
    weight = term.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight > 0:
        raise ValueError(f"the weight of {term['name']} must be above 0, got {weight!r}")
    return Term(term["name"], sides[0], sides[1], float(weight))


def layers_of(terms: Sequence[Term], side: str) -> tuple[str, ...]:
    """Returns the names of the layers that terms look at, each once.

    Args:
        terms: The terms.
        side: `student` or `teacher`.
    """
    return tuple(dict.fromkeys(name for term in terms for name in getattr(term, side)))


def projected_pairs(terms: Sequence[Term]) -> list[tuple[str, str]]:
    """Returns the layers of student and teacher that must be of one width, each pair once."""
    pairs = [
        pair
        for term in terms
        if term.kind.projected
        for pair in zip(term.student, term.teacher, strict=True)
    ]
    return list(dict.fromkeys(pairs))


def require_comparable(terms: Sequence[Term], student: Shapes, teacher: Shapes) -> None:
    """Raises `ValueError` for terms whose layers cannot be compared.

    Args:
        terms: The terms.
        student: Shapes of its layers, without the batch.
        teacher: Likewise.
    """
    for term in terms:
        for own, other in zip(term.student, term.teacher, strict=True):
            one, two = student[own], teacher[other]
            shapes = f"the student's {own} is {one}, the teacher's {other} {two}"
            if term.kind.maps and not len(one) == len(two) == 3:
                raise ValueError(f"{term.name} compares maps (height, width, channels); {shapes}")
            known = len(one) in (1, 3) and len(two) in (1, 3)
            if not known or (term.kind.projected and len(one) != len(two)):
                raise ValueError(
                    f"{term.name} compares maps with maps, vectors with vectors; {shapes}"
                )


def build_projectors(
    pairs: Sequence[tuple[str, str]], student: Shapes, teacher: Shapes
) -> keras.Model | None:
    """Builds what brings a student's layers to a teacher's widths, where these differ.

    Of maps it is a 1x1 convolution, of vectors a dense layer (Romero et al. 2015, section 2.2).
    They learn with the student and are not published.

    Args:
        pairs: Names of a student's layer and of a teacher's.
        student: Shapes of the student's layers, without the batch.
        teacher: Likewise.

    Returns:
        A model from `{projector_key(pair): layer}` to the same keys; None where no pair needs one.
    """
    inputs, outputs = {}, {}
    for own, other in pairs:
        shape, width = student[own], teacher[other][-1]
        if shape[-1] == width:
            continue
        key = projector_key(own, other)
        inputs[key] = keras.Input(shape, name=key)
        project = layers.Conv2D(width, 1) if len(shape) == 3 else layers.Dense(width)
        outputs[key] = project(inputs[key])
    return keras.Model(inputs, outputs, name="projectors") if inputs else None


def projector_key(own: str, other: str) -> str:
    """Returns what the projector of a student's layer to a teacher's is called."""
    return f"{own}_to_{other}"


def term_losses(
    terms: Sequence[Term],
    student: Mapping[str, Any],
    teacher: Mapping[str, Any],
    projected: Mapping[str, Any],
) -> Any:
    """Returns the weighted sum of all terms, a scalar; 0.0 where there are none.

    Args:
        terms: The terms.
        student: Outputs of its layers by name.
        teacher: Likewise.
        projected: Those of the student's layers that have a projector, by its key.
    """
    total = 0.0
    for term in terms:
        own = tuple(
            projected.get(projector_key(name, other), student[name])
            if term.kind.projected
            else student[name]
            for name, other in zip(term.student, term.teacher, strict=True)
        )
        theirs = tuple(teacher[name] for name in term.teacher)
        pair = (theirs, own) if term.kind.count > 1 else (theirs[0], own[0])
        total += term.weight * ops.mean(term.kind.loss(*pair))
    return total
