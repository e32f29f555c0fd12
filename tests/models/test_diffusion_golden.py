"""Samplers against steps of the schedulers of diffusers, written down.

`test_diffusion_peer.py` makes the same comparison in many more cases where diffusers is installed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoo.models.diffusion.samplers import sampler_of
from zoo.models.diffusion.schedules import NoiseSchedule

# Of diffusers 0.42.1 with torch 2.13.0: linear betas, v-prediction, four trailing steps, clipped
# estimates where the scheduler clips. For each call of the network its timestep, and x after it.
STEPS: dict[str, tuple[tuple[float, tuple[float, ...]], ...]] = {
    "ddpm": (
        (999.0, (1.405358, -0.327999, -2.136648, 0.67642)),
        (749.0, (0.732594, 0.237899, -0.200957, 0.60231)),
        (499.0, (0.379506, -0.082395, -0.163844, -0.699087)),
        (249.0, (0.228549, 0.008936, -0.029323, -0.30283)),
    ),
    "ddim": (
        (999.0, (-1.461204, -0.483068, 0.472764, 1.4509)),
        (749.0, (-1.284081, -0.403843, 0.383185, 1.262407)),
        (499.0, (-0.830984, -0.20012, 0.274521, 0.901223)),
        (249.0, (-0.378377, -0.046522, 0.176936, 0.514672)),
    ),
    "euler": (
        (999.0, (-1.461204, -0.483068, 0.472764, 1.450899)),
        (749.0, (-1.28408, -0.403843, 0.383185, 1.262406)),
        (499.0, (-0.830983, -0.20012, 0.274521, 0.901222)),
        (249.0, (-0.378376, -0.046522, 0.176936, 0.514672)),
    ),
    "heun": (
        (999.0, (-1.461204, -0.483068, 0.472764, 1.450899)),
        (749.0, (-1.500352, -0.49308, 0.518545, 1.524755)),
        (749.0, (-1.32104, -0.412307, 0.421927, 1.332162)),
        (499.0, (-1.530755, -0.469538, 0.610329, 1.668542)),
        (499.0, (-1.029797, -0.241916, 0.421754, 1.230652)),
        (249.0, (-1.623932, -0.475974, 0.686566, 1.850521)),
        (249.0, (-0.889368, -0.182825, 0.390549, 1.0)),
    ),
    "dpm_solver++": (
        (999.0, (-1.461204, -0.483068, 0.472764, 1.4509)),
        (749.0, (-1.297752, -0.407339, 0.399173, 1.288199)),
        (499.0, (-0.917089, -0.222329, 0.349303, 1.041994)),
        (249.0, (-0.429476, -0.057114, 0.213532, 0.600629)),
    ),
}
CLIPPED = ("ddpm", "ddim", "heun")
# What the stochastic one drew.
NOISE = (
    (1.540996, -0.293429, -2.178789, 0.568431),
    (0.661352, 0.266924, 0.061677, 0.621317),
    (0.392297, -0.223564, -0.3195, -1.205037),
    (0.803276, 0.174833, 0.088978, -0.613718),
)


def network(x: Any, timestep: float) -> Any:
    return np.tanh(x) * (0.2 + 0.7 * timestep / 1000) + 0.1 * np.cos(timestep)


@pytest.mark.parametrize("name", STEPS)
def test_steps_are_those_of_diffusers(name: str) -> None:
    config = {"name": name, "spacing": "trailing", "clip": name in CLIPPED}
    sampler = sampler_of(config, NoiseSchedule(), "v")
    sampler.set_timesteps(4)
    timesteps, expected = zip(*STEPS[name], strict=True)
    np.testing.assert_allclose(sampler.timesteps, timesteps, atol=1e-3)
    x = np.linspace(-1.5, 1.5, 4)
    for index, timestep in enumerate(sampler.timesteps):
        noise = np.array(NOISE[min(index, 3)])
        x = sampler.step(network(x, timestep), index, x, noise)
        np.testing.assert_allclose(x, expected[index], atol=2e-3)
