"""The second look's network in torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from CervicalSpineDetectionLib.SliceDetector.EdgeLayers import LAYERS, STEPPING, edgeMaps
from CervicalSpineDetectionLib.Spine.Arrays import Array

# Those of 3 x 3: their results are normalised while the network learns.
NORMALIZED = [name for name, shape in LAYERS.items() if shape[2:] == (3, 3)]


class EdgeModule(nn.Module):
    """See ``EdgeLayers.Calculus`` and ``EdgeLayers.edgeMaps``.

    :param weights: what ``weights`` gave, or None for a network that is to learn.
    """

    def __init__(self, weights: Mapping[str, Array] | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        for name, (out, channels, *kernel) in LAYERS.items():
            isNormalized = weights is None and name in NORMALIZED
            layer = nn.Conv2d(channels, out, (kernel[0], kernel[1]), 2 if name in STEPPING else 1,
                              (kernel[0] // 2, kernel[1] // 2), bias=not isNormalized)
            self.layers[name] = nn.Sequential(layer, nn.BatchNorm2d(out)) if isNormalized else nn.Sequential(layer)
        if weights is not None:
            self.load_state_dict({f"layers.{name.replace('.', '.0.')}": torch.from_numpy(array)
                                  for name, array in weights.items()})
            self.eval().requires_grad_(False)

    def weights(self) -> dict[str, torch.Tensor]:
        """What ``EdgeNetwork`` takes: the normalisation folded into the layers before it."""
        found = {}
        for name in LAYERS:
            layer: Any = self.layers[name]
            weight, bias = layer[0].weight.detach(), layer[0].bias
            for norm in layer[1:]:
                scale = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
                weight, bias = weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale
            found[f"{name}.weight"], found[f"{name}.bias"] = weight, bias.detach()
        return found

    def forward(self, crops: torch.Tensor,
                near: Sequence[Sequence[torch.Tensor]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """See ``EdgeLayers.edgeMaps``."""
        return edgeMaps(self, crops, near)

    def convolved(self, name: str, given: torch.Tensor, bent: bool = True) -> torch.Tensor:
        result: torch.Tensor = self.layers[name](given)
        return functional.relu(result) if bent else result

    def sum(self, one: torch.Tensor, other: torch.Tensor, bent: bool = True) -> torch.Tensor:
        return functional.relu(one + other) if bent else one + other

    def plus(self, given: torch.Tensor, number: float) -> torch.Tensor:
        return given + number

    def doubled(self, given: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(given, scale_factor=2.0, mode="nearest")

    def lengthened(self, given: torch.Tensor, axis: int) -> torch.Tensor:
        scales = (2.0, 1.0) if axis == 2 else (1.0, 2.0)
        return functional.interpolate(given, scale_factor=scales, mode="bilinear")

    def greatest(self, given: torch.Tensor, near: torch.Tensor, axis: int) -> torch.Tensor:
        return (given * near).amax(dim=axis, keepdim=True)

    def mean(self, given: torch.Tensor, near: torch.Tensor, axis: int) -> torch.Tensor:
        return (given * near).sum(dim=axis, keepdim=True) / near.sum(dim=axis, keepdim=True)

    def joined(self, *given: torch.Tensor) -> torch.Tensor:
        return torch.cat(given, dim=1)
