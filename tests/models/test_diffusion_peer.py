"""Samplers beside the schedulers of diffusers, step by step; skipped where it is not installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoo.models.diffusion.samplers import sampler_of
from zoo.models.diffusion.schedules import NoiseSchedule

diffusers = pytest.importorskip("diffusers")
torch = pytest.importorskip("torch")

PEERS = {
    "ddpm": "DDPMScheduler",
    "ddim": "DDIMScheduler",
    "euler": "EulerDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "dpm_solver++": "DPMSolverMultistepScheduler",
}
# Those that work with y = x / alpha.
SCALED = ("euler", "heun")
CLIPPED = ("ddpm", "ddim", "heun")
SHAPE = (2, 3, 8, 8)
PREDICTIONS = {"epsilon": "epsilon", "v": "v_prediction", "sample": "sample"}
SPACINGS = {
    "ddpm": ("leading", "trailing", "linspace"),
    # There a step always ends T // n timesteps below, whatever comes next.
    "ddim": ("leading", "trailing"),
    "euler": ("leading", "trailing", "linspace"),
    "heun": ("leading", "trailing", "linspace"),
    "dpm_solver++": ("leading", "trailing", "linspace"),
}
CASES = [(name, spacing) for name, spacings in SPACINGS.items() for spacing in spacings]


def network(x: Any, timestep: float) -> Any:
    return np.tanh(x) * (0.2 + 0.7 * timestep / 1000) + 0.1 * np.cos(timestep)


def peer_of(name: str, spacing: str, prediction: str, clip: bool) -> Any:
    options: dict[str, Any] = {
        "beta_start": 1e-4,
        "beta_end": 0.02,
        "beta_schedule": "linear",
        "prediction_type": PREDICTIONS[prediction],
        "timestep_spacing": spacing,
    }
    if name in CLIPPED:
        options["clip_sample"] = clip
    return getattr(diffusers, PEERS[name])(**options)


def peer_step(
    peer: Any, name: str, index: int, timestep: Any, x: Any, eta: float, noise: Any
) -> Any:
    """One step of the peer from x to x, both as this project has them; torch has float32 alone."""
    alphas = [1.0, 1.0]
    if name in SCALED:
        alphas = [float(1 / np.sqrt(1 + float(s) ** 2)) for s in peer.sigmas[index : index + 2]]
    sample = torch.from_numpy((x / alphas[0]).astype("float32"))
    seen = peer.scale_model_input(sample, timestep).numpy()
    output = torch.from_numpy(network(seen, float(timestep)).astype("float32"))
    extra: dict[str, Any] = {}
    if name == "ddim":
        extra = {
            "eta": eta,
            "variance_noise": torch.from_numpy(noise),
            # The noise in x follows from the clipped estimate.
            "use_clipped_model_output": True,
        }
    if name == "ddpm":
        extra = {"generator": torch.Generator().manual_seed(index)}
    return peer.step(output, timestep, sample, **extra).prev_sample.numpy() * alphas[1]


def drawn(index: int) -> Any:
    """The noise that the peer draws in a step."""
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(index)).numpy()


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize(("name", "spacing"), CASES)
@pytest.mark.parametrize(("eta", "clip", "steps"), [(0.0, True, 10), (0.7, False, 20)])
def test_every_step_is_the_peers(
    name: str, spacing: str, prediction: str, eta: float, clip: bool, steps: int
) -> None:
    clip = clip and name in CLIPPED
    peer = peer_of(name, spacing, prediction, clip)
    peer.set_timesteps(steps)
    config: dict[str, Any] = {"name": name, "spacing": spacing, "clip": clip}
    if name == "ddim":
        config["eta"] = eta
    sampler = sampler_of(config, NoiseSchedule(), prediction)
    sampler.set_timesteps(steps)
    np.testing.assert_allclose(peer.timesteps.numpy(), sampler.timesteps, rtol=1e-5, atol=1e-3)
    ours = theirs = drawn(1000)
    for index, timestep in enumerate(sampler.timesteps):
        noise = drawn(index)
        ours = sampler.step(network(ours, timestep), index, ours, noise)
        theirs = peer_step(peer, name, index, peer.timesteps[index], theirs, eta, noise)
        scale = max(1.0, np.abs(ours).max())
        np.testing.assert_allclose(theirs / scale, ours / scale, atol=2e-3)


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize(
    ("name", "peer"),
    [("linear", "linear"), ("scaled_linear", "scaled_linear"), ("cosine", "squaredcos_cap_v2")],
)
def test_schedules_are_the_peers(name: str, peer: str, zero: bool) -> None:
    schedule = NoiseSchedule(name, zero_terminal_snr=zero)
    betas = {"beta_start": schedule.beta_start, "beta_end": schedule.beta_end}
    known = {key: value for key, value in betas.items() if value is not None}
    other = diffusers.DDIMScheduler(beta_schedule=peer, rescale_betas_zero_snr=zero, **known)
    np.testing.assert_allclose(other.alphas_cumprod, schedule.alphas_cumprod, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("timestep", [0, 10, 500, 999])
def test_noise_is_added_as_the_peer_does(timestep: int) -> None:
    images, noise = drawn(0), drawn(1)
    peer = diffusers.DDPMScheduler()
    theirs = peer.add_noise(
        torch.from_numpy(images), torch.from_numpy(noise), torch.tensor([timestep] * 2)
    )
    np.testing.assert_allclose(
        theirs.numpy(), NoiseSchedule().add_noise(images, noise, timestep), atol=1e-5
    )
