"""Measures a pipeline on the test splits. Nothing else reads them."""

from zoo.evaluation.classification import costs
from zoo.evaluation.common import Evaluation, agrees
from zoo.evaluation.tasks import evaluate, measure

__all__ = ["Evaluation", "agrees", "costs", "evaluate", "measure"]
