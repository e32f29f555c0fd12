"""The U-Net of `zoo.models.diffusion` in PyTorch, sampled with diffusers' scheduler.

It is the other side of `benchmarks/diffusers.py`.
"""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Any

import torch
from diffusers import DPMSolverMultistepScheduler
from torch import nn
from torch.nn import functional

from benchmarks.diffusers import report
from zoo.sampling import GUIDANCE


def norm(channels: int, affine: bool = True) -> nn.GroupNorm:
    """Group normalization with four channels a group or more, and 32 groups at most."""
    groups = next(g for g in (32, 16, 8, 4, 2, 1) if channels % g == 0 and channels >= 4 * g)
    return nn.GroupNorm(groups, channels, affine=affine)


class Attention(nn.Module):
    """Self-attention beside a shortcut."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm, self.heads = norm(channels), heads
        self.inward = nn.Linear(channels, 3 * channels, bias=False)
        self.outward = nn.Linear(channels, channels, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, c, h, w = x.shape
        parts = self.inward(self.norm(x).flatten(2).transpose(1, 2))
        q, k, v = parts.view(n, h * w, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(q, k, v)
        found = self.outward(found.transpose(1, 2).reshape(n, h * w, c))
        return x + found.transpose(1, 2).reshape(n, c, h, w)


class Block(nn.Module):
    """A residual block, scaled and shifted by time and class, with attention if it has heads."""

    def __init__(self, inputs: int, channels: int, condition: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([norm(inputs), norm(channels, affine=False)])
        self.first = nn.Conv2d(inputs, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.factors = nn.Linear(condition, 2 * channels)
        self.shortcut = nn.Conv2d(inputs, channels, 1) if inputs != channels else nn.Identity()
        self.attention = Attention(channels, heads) if heads else nn.Identity()

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        y = self.first(functional.silu(self.norms[0](x)))
        scale, shift = self.factors(condition)[:, :, None, None].chunk(2, dim=1)
        y = self.second(functional.silu(self.norms[1](y) * (1 + scale) + shift))
        return self.attention(self.shortcut(x) + y)


class Larger(nn.Module):
    """Doubles the sides, cuts off what is too much, and convolves."""

    def __init__(self, inputs: int, channels: int, side: int) -> None:
        super().__init__()
        self.convolution, self.side = nn.Conv2d(inputs, channels, 3, padding=1), side

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.interpolate(x, scale_factor=2)
        return self.convolution(x[:, :, : self.side, : self.side])


class UNet(nn.Module):
    """As `zoo.models.diffusion.unet.denoiser` builds it for square images."""

    def __init__(self, size: dict[str, Any]) -> None:
        super().__init__()
        side, _, channels = size["shape"]
        width, blocks = size["width"], size["blocks"]
        self.width, condition = width, 4 * width
        self.time = nn.Sequential(
            nn.Linear(width, condition), nn.SiLU(), nn.Linear(condition, condition)
        )
        self.classes = nn.Linear(size["classes"], condition, bias=False)

        def heads(at: int) -> int:
            return size["heads"] if at in size["attention"] else 0

        self.first = nn.Conv2d(channels, width, 3, padding=1)
        kept, now = [(width, side)], width
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, multiplier in enumerate(size["multipliers"]):
            if level:
                self.down.append(nn.Conv2d(now, now, 3, 2, 1))
                side = (side + 1) // 2
                kept.append((now, side))
            for _ in range(blocks):
                self.down.append(Block(now, width * multiplier, condition, heads(side)))
                now = width * multiplier
                kept.append((now, side))
        self.middle = nn.ModuleList(
            [Block(now, now, condition, size["heads"]), Block(now, now, condition, 0)]
        )
        for multiplier in reversed(size["multipliers"]):
            wanted = width * multiplier
            if side != kept[-1][1]:
                side = kept[-1][1]
                self.up.append(Larger(now, wanted, side))
                now = wanted
            for _ in range(blocks + 1):
                self.up.append(Block(now + kept.pop()[0], wanted, condition, heads(side)))
                now = wanted
        self.last = nn.Sequential(norm(now), nn.SiLU(), nn.Conv2d(now, channels, 3, padding=1))

    def forward(self, x: torch.Tensor, time: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        half = self.width // 2
        powers = torch.arange(half, dtype=torch.float32) / half
        angles = time.float()[:, None] * torch.exp(-math.log(10_000.0) * powers)
        condition = self.time(torch.cat([angles.cos(), angles.sin()], dim=1))
        condition = functional.silu(condition + self.classes(label))
        x = self.first(x)
        kept = [x]
        for layer in self.down:
            x = layer(x, condition) if isinstance(layer, Block) else layer(x)
            kept.append(x)
        for block in self.middle:
            x = block(x, condition)
        for layer in self.up:
            if isinstance(layer, Larger):
                x = layer(x)
            else:
                x = layer(torch.cat([x, kept.pop()], dim=1), condition)
        return self.last(x)


def main(side: str, size: dict[str, Any], repeats: int) -> None:
    layout = torch.channels_last if "channels last" in side else torch.contiguous_format
    network = UNet(size).eval().to(memory_format=layout)
    scheduler = DPMSolverMultistepScheduler(
        beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction"
    )
    height, width, channels = size["shape"]

    @torch.inference_mode()
    def draw(n: int, steps: int) -> torch.Tensor:
        x = torch.randn(n, channels, height, width).to(memory_format=layout)
        wanted = functional.one_hot(torch.arange(n) % size["classes"], size["classes"]).float()
        label = torch.cat([wanted, torch.zeros_like(wanted)])
        scheduler.set_timesteps(steps)
        for time_now in scheduler.timesteps:
            answer = network(torch.cat([x, x]), time_now.expand(2 * n), label)
            one, other = answer.chunk(2)
            guided = other + GUIDANCE * (one - other)
            x = scheduler.step(guided, time_now, x).prev_sample
        return x

    parameters = sum(weight.numel() for weight in network.parameters())
    report(draw, parameters, repeats, time.perf_counter())


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]))
