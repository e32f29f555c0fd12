"""Distillation: students that learn from teachers, from each other or from themselves."""

from zoo.models.distillation.recipes import RECIPES
from zoo.registry import Method, register

_HERE = "zoo.models.distillation"

register(
    Method(
        "distillation",
        f"{_HERE}.distillation:Distillation",
        "A student of labels and of stored classifiers: responses, features, relations",
    ),
    Method(
        "adversarial_distillation",
        f"{_HERE}.adversarial:AdversarialDistillation",
        "The same, and a discriminator that tells the student's features from the teacher's",
    ),
    Method("mutual", f"{_HERE}.cohort:Mutual", "Classifiers that learn from each other"),
    Method(
        "online",
        f"{_HERE}.cohort:Online",
        "A student and its teachers, trained together from the beginning",
    ),
    Method(
        "self_distillation",
        f"{_HERE}.self_distillation:SelfDistillation",
        "A network that teaches classifiers on its own shallow stages",
    ),
    *RECIPES,
)
