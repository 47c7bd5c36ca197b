"""Less work for a processor, with the same boxes.

Of hundreds of places that the network's head gives a box for, a tenth or none show a vertebra. Which ones they are its
scores tell, so that boxes are computed for these alone. And its first layer, which looks at three channels and skips
every other place, is faster on twelve channels of a quarter of the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from CervicalSpineDetectionLib.SliceDetector.BoxSelection import LEAST_LOGIT
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import replaceActivations
from CervicalSpineDetectionLib.Spine.Arrays import Array

# How far the box of a place looks around it, in places: two convolutions of 3 x 3.
REACH = 2


BRIGHTEST = 255.0


def tuneForProcessor(network: Any) -> Any:
    """Change a network so that it takes ``blocksOf`` and gives predictions of shape (n, 4 + classes, places).

    :param network: ultralytics' YOLOv5, fused, changed in place.
    :return: the same.
    """
    head = network.model[-1]
    steps = head.dfl.conv.weight.detach().float().reshape(1, 1, -1, 1)
    strides = [float(stride) for stride in head.stride]

    def forward(maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        parts = [_seen(one, boxes, scores, steps, stride)
                 for one, boxes, scores, stride in zip(maps, head.cv2, head.cv3, strides, strict=True)]
        return [torch.cat(parts, dim=2)]

    head.forward = forward
    network.model[0].conv = _onBlocks(network.model[0].conv)
    # Training needs what these overwrite.
    for kind in (torch.nn.SiLU, torch.nn.ReLU):
        replaceActivations(network, kind, partial(kind, inplace=True))
    return network


def blocksOf(pictures: Array) -> torch.Tensor:
    """Blocks of 2 x 2 pixels as channels, as ``torch.pixel_unshuffle`` has them, several times faster.

    :param pictures: uint8, shape (n, 3, rows, columns), even numbers.
    :return: uint8, shape (n, 12, rows / 2, columns / 2), channels last in memory.
    """
    count, channels, rows, columns = pictures.shape
    pairs = np.ascontiguousarray(pictures).view(np.uint16)
    blocks = np.empty((count, rows // 2, columns // 2, 2 * channels), np.uint16)
    for channel in range(channels):
        for row in range(2):
            blocks[..., 2 * channel + row] = pairs[:, channel, row::2]
    return torch.from_numpy(blocks.view(np.uint8)).permute(0, 3, 1, 2)


def _onBlocks(first: torch.nn.Conv2d) -> torch.nn.Conv2d:
    """YOLOv5's first convolution, 6 x 6 with a stride of 2, as one of 3 x 3 that looks at ``blocksOf``, 0 to 255."""
    weight = torch.nn.functional.pixel_unshuffle(first.weight.detach().float() / BRIGHTEST, 2)
    out, channels, rows, columns = weight.shape
    same = torch.nn.Conv2d(channels, out, (rows, columns), padding=(rows // 2, columns // 2))
    same.weight.data, same.bias = weight, first.bias
    return same.to(first.weight.dtype).to(memory_format=torch.channels_last).requires_grad_(False)


def _seen(features: torch.Tensor, boxHead: Any, scoreHead: Any, steps: torch.Tensor, stride: float) -> torch.Tensor:
    """Predictions of one scale, shape (n, 4 + classes, places), as ultralytics' head gives them.

    :param features: shape (n, channels, rows, columns). :param steps: distances that the head weighs.
    :param stride: pixels.
    """
    logits = scoreHead(features)
    rows, columns = torch.nonzero((logits.amax(dim=1) > LEAST_LOGIT).any(dim=0), as_tuple=True)
    scores = logits[:, :, rows, columns].float().sigmoid()
    if not len(rows):
        return torch.cat([scores.new_zeros(len(scores), 4, 0), scores], dim=1)
    top, left = (max(int(one.min()) - REACH, 0) for one in (rows, columns))
    bottom, right = (int(one.max()) + REACH + 1 for one in (rows, columns))
    edges = boxHead(features[:, :, top:bottom, left:right])[:, :, rows - top, columns - left].float()
    shares = edges.reshape(len(edges), 4, -1, len(rows)).softmax(dim=2)
    # To the left, top, right and bottom, in strides, from the middle of each place.
    distances = (shares * steps).sum(dim=2)
    middle = torch.stack([columns, rows]) + 0.5
    first, last = middle - distances[:, :2], middle + distances[:, 2:]
    return torch.cat([(first + last) / 2 * stride, (last - first) * stride, scores], dim=1)
