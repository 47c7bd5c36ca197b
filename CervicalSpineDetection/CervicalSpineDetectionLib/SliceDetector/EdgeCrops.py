"""What the second look is shown of a box, and what its answer means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.Imaging.SagittalVolume import FineSlices
from CervicalSpineDetectionLib.SliceDetector.EdgeLayers import CHANNELS, COLUMNS, PICTURES, ROWS, STRIDES
from CervicalSpineDetectionLib.Spine.Arrays import Array

WINDOW = (-200.0, 1000.0)  # HU, as 0 and 1
AROUND_MM = 5.5  # that a crop shows at least of what is around its box
FINEST_MM = 0.5  # pixel of a crop
REACH_MM = 5.0  # no edge is moved further
NEAR_PIXELS = 8  # as far beside a box its edges are looked for


@dataclass(frozen=True)
class Crops:
    """Boxes as the network is shown them.

    :param pictures: float32, shape (n, CHANNELS, ROWS, COLUMNS), 0 to 1, but what lies beyond ``WINDOW``.
    :param boxes: shape (n, 4), pixel edges within the crops: left, top, right, bottom.
    :param pixels: shape (n,), mm of a crop's pixel.
    :param origins: shape (n, 2), column and row of a crop's upper left corner, mm from the middle of the volume's first
        pixel.
    """

    pictures: Array
    boxes: Array
    pixels: Array
    origins: Array


def cropsOf(slices: FineSlices, indices: Array, boxes: Array, others: Sequence[Array], isBody: Array,
            zoom: Array | float = 1.0, shift: Array | float = 0.0) -> Crops:
    """:param slices: that show the boxes. :param indices: shape (n,), each box's slice.
    :param boxes: shape (n, 4), mm, see ``Fusion.SliceBoxes``.
    :param others: n of shape (m, 4), other boxes of the same slice and kind.
    :param isBody: shape (n,), bool.
    :param zoom, shift: for training: how much larger the crops' pixels are, shape (n,), and how far to the side they
        lie, shape (n, 2), mm.
    """
    size = boxes[:, 2:] - boxes[:, :2]
    pixels = np.maximum(((size + 2 * AROUND_MM) / [COLUMNS, ROWS]).max(axis=1), FINEST_MM) * zoom
    origins = (boxes[:, :2] + boxes[:, 2:]) / 2 + shift - pixels[:, None] * [COLUMNS / 2, ROWS / 2]
    pictures = np.zeros((len(boxes), CHANNELS, ROWS, COLUMNS), np.float32)
    _show(pictures[:, :PICTURES], slices, indices, origins, pixels)
    inCrop = (boxes - np.tile(origins, 2)) / pixels[:, None]
    pictures[:, PICTURES] = covered(inCrop)
    for picture, beside, origin, pixel in zip(pictures, others, origins, pixels, strict=True):
        if len(beside):
            picture[PICTURES + 1] = covered((beside - np.tile(origin, 2)) / pixel).max(axis=0)
    pictures[:, PICTURES + 2] = isBody[:, None, None]
    return Crops(pictures, inCrop, pixels, origins)


def _show(pictures: Array, slices: FineSlices, indices: Array, origins: Array, pixels: Array) -> None:
    """Interpolate HU into the first channels, the own slice between its neighbours; beyond the edge pixels go on."""
    low, high = WINDOW
    count, rows, columns = slices.voxels.shape
    for picture, index, origin, pixel in zip(pictures, indices - slices.first, origins, pixels, strict=True):
        (left, across), (top, down) = (
            _places((offset + pixel * (np.arange(length) + 0.5)) / slices.pixelSize, available)
            for offset, length, available in zip(origin - slices.corner, (COLUMNS, ROWS), (columns, rows), strict=True))
        near = np.clip([index - 1, index, index + 1], 0, count - 1)
        part = slices.voxels[near, top[0] : top[-1] + 2, left[0] : left[-1] + 2]
        top, left, down = top - top[0], left - left[0], down[:, None]
        part = part[:, top] * (1 - down) + part[:, top + 1] * down
        part = part[:, :, left] * (1 - across) + part[:, :, left + 1] * across
        np.divide(part - low, high - low, out=picture)


def _places(positions: Array, available: int) -> tuple[Array, Array]:
    """The pixels before some positions, and how far behind them these lie, in pixels."""
    positions = np.clip(positions, 0, available - 1.001)
    first = positions.astype(int)
    return first, (positions - first).astype(np.float32)


def covered(boxes: Array) -> Array:
    """How much of each pixel of a crop lies in a box, shape (n, ROWS, COLUMNS), 0 to 1.

    :param boxes: shape (n, 4), pixel edges within the crop.
    """
    across, down = (np.clip(boxes[:, last, None] - np.arange(length), 0, 1)
                    - np.clip(boxes[:, first, None] - np.arange(length), 0, 1)
                    for first, last, length in ((0, 2, COLUMNS), (1, 3, ROWS)))
    return np.asarray(down[:, :, None] * across[:, None], np.float32)


def nearBoxes(boxes: Array) -> list[list[Array]]:
    """Which rows and columns the network looks at for a box's edges, see ``EdgeLayers.edgeMaps``.

    :param boxes: shape (n, 4), pixel edges within the crops.
    """
    near = []
    for axis, length in ((1, ROWS), (0, COLUMNS)):
        first, last = boxes[:, axis, None] - NEAR_PIXELS, boxes[:, axis + 2, None] + NEAR_PIXELS
        places = [stride * (np.arange(length // stride) + 0.5) for stride in STRIDES]
        near.append([np.expand_dims(((place > first) & (place < last)).astype(np.float32), (1, 2 if axis == 0 else 3))
                     for place in places])
    return near


def edgesFrom(columns: Array, rows: Array, crops: Crops) -> Array:
    """Edges from the logits of their places.

    :param columns, rows: see ``EdgeLayers.edgeMaps``.
    :return: shape (n, 4), mm as ``Crops.origins``.
    """
    found = np.empty((len(crops.boxes), 4))
    for edge, logits in enumerate((columns[:, 0, 0], rows[:, 0, :, 0], columns[:, 1, 0], rows[:, 1, :, 0])):
        places = STRIDES[0] * (np.arange(logits.shape[1]) + 0.5)
        distance = np.abs(places - crops.boxes[:, edge, None])
        # Where a box reaches out of its crop there is none within reach.
        reach = np.maximum(REACH_MM / crops.pixels, distance.min(axis=1))
        logits = np.where(distance <= reach[:, None], logits.astype(float), -np.inf)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        found[:, edge] = (shares * places).sum(axis=1) / shares.sum(axis=1)
    return np.tile(crops.origins, 2) + found * crops.pixels[:, None]
