"""ResNet-20 in PyTorch as its users would write it: the other side of `benchmarks/resnet.py`."""

from __future__ import annotations

import sys
import time

import torch
from torch import nn
from torch.nn import functional

from benchmarks.resnet import BATCH, examples, report


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut padded with zeros (He et al. 2016, option A)."""

    def __init__(self, inputs: int, filters: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, filters, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(filters), nn.BatchNorm2d(filters)])
        self.stride, self.added = stride, filters - inputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.norms[0](self.first(x)))
        y = self.norms[1](self.second(y))
        if self.added:
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))
        return functional.relu(x + y)


def resnet20() -> nn.Module:
    """Returns the network, pixels less their mean to logits."""
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    for stage in range(3):
        for block in range(3):
            first = stage > 0 and block == 0
            layers.append(Block(16 << (stage - first), 16 << stage, 2 if first else 1))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def main(side: str, steps: int) -> None:
    network = resnet20().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        network.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    images, labels = (torch.from_numpy(array) for array in examples(steps))
    seconds = []
    for step in range(steps):
        began = time.perf_counter()
        chosen = slice(step * BATCH, (step + 1) * BATCH)
        batch = (images[chosen].float() - 127.5) / 127.5
        batch = batch.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled="bfloat16" in side):
            loss = functional.cross_entropy(network(batch), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        seconds.append(time.perf_counter() - began)
    report(seconds[3:])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
