"""How a training by steps goes on: its learning rate, and the average of its weights."""

from __future__ import annotations

import math

import torch

from CervicalSpineDetectionLib.SliceDetector.Precision import fastestPrecision

FINAL_RATE = 0.01  # of the learning rate


def setRate(optimizer: torch.optim.Optimizer, rate: float, step: int, part: float, warmUpSteps: int) -> None:
    """Rising over the first steps, then falling along a cosine.

    :param rate: the highest. :param part: of the training, 0 to 1.
    """
    falling = FINAL_RATE + (1 - FINAL_RATE) * (1 + math.cos(math.pi * min(part, 1.0))) / 2
    for group in optimizer.param_groups:
        group["lr"] = rate * falling * min(1.0, (step + 1) / warmUpSteps)


def mixedPrecision(device: torch.device) -> torch.autocast:
    """To compute in bfloat16 where that is faster, with the weights in single precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=fastestPrecision(device) != "single")


@torch.no_grad()
def follow(average: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
    """Exponential moving average of weights and statistics. :param decay: how much of the average stays, 0 to 1."""
    own, new = average.state_dict(), network.state_dict()
    floating = [name for name, tensor in own.items() if tensor.is_floating_point()]
    torch._foreach_lerp_([own[name] for name in floating], [new[name] for name in floating], 1 - decay)
    for name in own.keys() - set(floating):
        own[name].copy_(new[name])
