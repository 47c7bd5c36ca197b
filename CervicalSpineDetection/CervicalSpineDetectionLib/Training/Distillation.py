"""Weights as the teacher of a network with other activations: it learns to say of each view what they say.

That takes no labels, and it comes to name vertebrae as they do, right or wrong, sure or not (Hinton, Vinyals and Dean,
"Distilling the Knowledge in a Neural Network", 2015).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SliceDetector.Detector import CLASS_NAMES
from CervicalSpineDetectionLib.SliceDetector.OnnxGraph import BINS
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import detectionModel, replaceActivations
from CervicalSpineDetectionLib.SliceDetector.Weights import loadWeights
from CervicalSpineDetectionLib.Training.Schedule import mixedPrecision

GOING_OVER_PART = 0.15  # of the training, in which SiLU becomes ReLU
FEATURES_WEIGHT = 0.5  # of the maps that the head is given, against boxes and classes
LEAST_VARIANCE = 1e-3  # of a channel of these maps


class Teacher:
    """See ``PoolTraining.Loss``.

    :param weights: safetensors file with all classes.
    :raises InputError: they lack some.
    """

    PARTS = "class, box and feature"

    def __init__(self, weights: str | Path, device: torch.device) -> None:
        card, state = loadWeights(weights)
        if card["classes"] != list(CLASS_NAMES):
            raise InputError(f"{weights} can't teach: they were trained for other classes.")
        network = detectionModel(card["architecture"], len(CLASS_NAMES))
        network.load_state_dict(state)
        self._network = network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
        # Asks the head for what it gives before boxes are made of it.
        self._network.model[-1].training = True

    def __call__(self, predictions: dict[str, Any],
                 targets: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """:param targets: with the views as "img"."""
        views = targets["img"]
        with torch.no_grad(), mixedPrecision(views.device):
            known = self._network(views)
        scores = known["scores"].float().sigmoid()
        # What shows nothing has no box; the others count by how clear they are.
        clear = scores.amax(dim=1)
        count = clear.sum().clamp(min=1)
        classes = (functional.binary_cross_entropy_with_logits(predictions["scores"], scores, reduction="sum")
                   - functional.binary_cross_entropy(scores, scores, reduction="sum")) / count
        own, others = (one["boxes"].float().unflatten(1, (4, BINS)).log_softmax(2) for one in (predictions, known))
        boxes = ((others.exp() * (others - own)).sum(2).mean(1) * clear).sum() / count
        features = torch.stack([_distance(one.float(), other.float()) for one, other in zip(
            predictions["feats"], known["feats"], strict=True)]).mean()
        parts = dict(zip(("class", "box", "features"), (classes, boxes, features), strict=True))
        return (classes + boxes + FEATURES_WEIGHT * features) * len(views), parts


def _distance(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of maps, shape (n, channels, rows, columns), as parts of the other's variance."""
    variance = other.var(dim=(0, 2, 3)) + LEAST_VARIANCE
    return ((one - other).square().mean(dim=(0, 2, 3)) / variance).mean()


class GoingOver(torch.nn.Module):
    """SiLU that becomes ReLU: one for all layers, as ultralytics' layers share one."""

    def __init__(self) -> None:
        super().__init__()
        self._part = 0.0

    @classmethod
    def begin(cls, network: torch.nn.Module) -> GoingOver:
        """:param network: in whose place of ReLU it stands from now on; one that keeps SiLU has none."""
        activation = cls()
        replaceActivations(network, torch.nn.ReLU, lambda: activation)
        return activation

    def goOn(self, part: float) -> None:
        """:param part: of the training that is over, 0 to 1."""
        self._part = min(part / GOING_OVER_PART, 1.0)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """:param given: any shape."""
        bent = functional.relu(given)
        return bent if self._part >= 1 else torch.lerp(functional.silu(given), bent, self._part)
