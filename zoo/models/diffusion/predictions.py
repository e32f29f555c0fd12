"""What a denoiser predicts: the noise, the image, or the velocity between the two.

With x = alpha x0 + sigma noise and alpha^2 + sigma^2 = 1 each of the three follows from any other
(Salimans and Ho 2022, appendix D):

    v = alpha noise - sigma x0,    x0 = alpha x - sigma v,    noise = alpha v + sigma x

The functions use arithmetic operators alone: their arguments may be arrays or tensors, `alpha` and
`sigma` numbers or what broadcasts with the images.
"""

from __future__ import annotations

from typing import Any

from zoo.errors import InvalidInputError, did_you_mean, nearest
from zoo.models.diffusion.schedules import NoiseSchedule

PREDICTIONS = ("epsilon", "v", "sample")


def require_prediction(prediction: str, schedule: NoiseSchedule) -> None:
    """Refuses what cannot be sampled from.

    Raises:
        InvalidInputError: for an unknown prediction; and for `epsilon` where the schedule ends with
            nothing but noise, whose last image would be a division by zero.
    """
    if prediction not in PREDICTIONS:
        near = did_you_mean(nearest(str(prediction), PREDICTIONS))
        raise InvalidInputError(
            f"prediction must be {', '.join(PREDICTIONS)}, got {prediction!r}{near}"
        )
    if prediction == "epsilon" and schedule.zero_terminal_snr:
        raise InvalidInputError(
            "prediction epsilon says nothing where zero_terminal_snr leaves only noise: the image "
            "is (x - sigma epsilon) / alpha, and alpha is 0; choose prediction v or sample"
        )


def target(prediction: str, x0: Any, noise: Any, alpha: Any, sigma: Any) -> Any:
    """Returns what the denoiser shall answer to alpha x0 + sigma noise."""
    if prediction == "epsilon":
        return noise
    return x0 if prediction == "sample" else alpha * noise - sigma * x0


def denoised(prediction: str, output: Any, x: Any, alpha: Any, sigma: Any) -> Any:
    """Returns the image that an answer stands for; for `epsilon` alpha must not be 0."""
    if prediction == "epsilon":
        return (x - sigma * output) / alpha
    return output if prediction == "sample" else alpha * x - sigma * output
