"""Search spaces: functions from hyperparameters and a base recipe to the recipe of a trial.

Each family has one, and each method that is a matter of its own. Ranges lie around the base
recipe's values, which are the defaults, so that a space fits whatever the recipe is.
"""

from tuning.spaces import (
    adaptation,
    autoencoder,
    cnn,
    diffusion,
    distillation,
    gan,
    mlp,
    translation,
)
from tuning.spaces.catalogue import SPACES, Space, register, space_of

__all__ = [
    "SPACES",
    "Space",
    "adaptation",
    "autoencoder",
    "cnn",
    "diffusion",
    "distillation",
    "gan",
    "mlp",
    "register",
    "space_of",
    "translation",
]
