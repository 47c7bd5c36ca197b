"""What the second look is shown of a box, and what its answer means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.Imaging.SagittalVolume import FineSlices
from CervicalSpineDetectionLib.SliceDetector.EdgeLayers import (
    CHANNELS,
    MOST_COLUMNS,
    MOST_ROWS,
    PICTURES,
    STEP,
    STRIDES,
)
from CervicalSpineDetectionLib.Spine.Arrays import Array

WINDOW = (-200.0, 1000.0)  # HU, as 0 and 1
AROUND_MM = 7.0  # that a crop shows at least of what is around its box
# A crop's pixels are this part of the CT's smallest voxel length, but no finer and no coarser than these. Chosen.
FINEST_MM, VOXEL_PART, COARSEST_MM = 0.5, 0.3, 1.0
REACH_MM = 7.0  # no edge is moved further
NEAR_PIXELS = 8  # as far beside a box its edges are looked for


@dataclass(frozen=True)
class Crops:
    """Boxes as the network is shown them.

    :param pictures: float32, shape (n, CHANNELS, rows, columns), 0 to 1, but what lies beyond ``WINDOW``.
    :param boxes: shape (n, 4), pixel edges within the crops: left, top, right, bottom.
    :param pixels: shape (n,), mm of a crop's pixel.
    :param origins: shape (n, 2), column and row of a crop's upper left corner, mm from the middle of the volume's first
        pixel.
    """

    pictures: Array
    boxes: Array
    pixels: Array
    origins: Array


def pixelFor(spacing: Sequence[float]) -> float:
    """Of the crops of a CT, mm. :param spacing: of its voxels, mm."""
    return float(np.clip(VOXEL_PART * min(spacing), FINEST_MM, COARSEST_MM))


def shapesFor(boxes: Array, pixelSize: Array | float) -> Array:
    """Rows and columns of crops that show enough around their boxes, shape (n, 2); of some that are too large for
    the network's crops, the largest there are.

    :param boxes: shape (n, 4), mm. :param pixelSize: mm, one for all or shape (n,).
    """
    needed = (boxes[:, [3, 2]] - boxes[:, [1, 0]] + 2 * AROUND_MM) / np.reshape(pixelSize, (-1, 1))
    return np.asarray(np.minimum(np.ceil(needed / STEP).astype(int) * STEP, [MOST_ROWS, MOST_COLUMNS]))


def bySize(shapes: Array, batch: int) -> list[Array]:
    """Batches of crops that need nearly as many pixels: rows of ``shapes``, see ``shapesFor``."""
    order = np.argsort(shapes.prod(axis=1), kind="stable")
    return [order[start : start + batch] for start in range(0, len(order), batch)]


def cropsOf(slices: FineSlices, indices: Array, boxes: Array, others: Sequence[Array], isBody: Array,
            shape: Array, zoom: Array | float = 1.0, shift: Array | float = 0.0) -> Crops:
    """:param slices: that show the boxes. :param indices: shape (n,), each box's slice.
    :param boxes: shape (n, 4), mm, see ``Fusion.SliceBoxes``.
    :param others: n of shape (m, 4), other boxes of the same slice and kind.
    :param isBody: shape (n,), bool. :param shape: (2,), rows and columns of the crops, see ``shapesFor``.
    :param zoom, shift: for training: how much larger the crops' pixels are, shape (n,), and how far to the side they
        lie, shape (n, 2), mm.
    """
    size = boxes[:, 2:] - boxes[:, :2]
    rows, columns = shape
    pixels = np.maximum(((size + 2 * AROUND_MM) / [columns, rows]).max(axis=1), slices.pixelSize * zoom)
    origins = (boxes[:, :2] + boxes[:, 2:]) / 2 + shift - pixels[:, None] * [columns / 2, rows / 2]
    pictures = np.zeros((len(boxes), CHANNELS, rows, columns), np.float32)
    _show(pictures[:, :PICTURES], slices, indices, origins, pixels)
    inCrop = (boxes - np.tile(origins, 2)) / pixels[:, None]
    pictures[:, PICTURES] = covered(inCrop, shape)
    owners = np.repeat(np.arange(len(boxes)), [len(beside) for beside in others])
    besides = (np.concatenate([np.zeros((0, 4)), *others]) - np.tile(origins, 2)[owners]) / pixels[owners, None]
    shown = ((besides[:, :2] < [columns, rows]) & (besides[:, 2:] > 0)).all(axis=1)
    for owner, across, down in zip(owners[shown], *coverings(besides[shown], shape), strict=True):
        picture = pictures[owner, PICTURES + 1]
        np.maximum(picture, down[:, None] * across, out=picture)
    pictures[:, PICTURES + 2] = isBody[:, None, None]
    return Crops(pictures, inCrop, pixels, origins)


def _show(pictures: Array, slices: FineSlices, indices: Array, origins: Array, pixels: Array) -> None:
    """Interpolate HU into the first channels, the own slice between its neighbours; beyond the edge pixels go on."""
    low, high = WINDOW
    count, *sizes = slices.voxels.shape
    near = np.clip(indices[:, None] - slices.first + [-1, 0, 1], 0, count - 1)
    (tops, downs), (lefts, acrosses) = (
        _places((origins[:, [axis]] - slices.corner[axis] + pixels[:, None] * (np.arange(length) + 0.5))
                / slices.pixelSize, available)
        for axis, length, available in zip((1, 0), pictures.shape[2:], sizes, strict=True))
    for picture, own, top, down, left, across in zip(pictures, near, tops, downs[..., None], lefts, acrosses,
                                                     strict=True):
        part = slices.voxels[own, top[0] : top[-1] + 2, left[0] : left[-1] + 2]
        top, left = top - top[0], left - left[0]
        part = part.take(top, 1) * (1 - down) + part.take(top + 1, 1) * down
        part = part[:, :, left] * (1 - across) + part[:, :, left + 1] * across
        np.divide(part - low, high - low, out=picture)


def _places(positions: Array, available: int) -> tuple[Array, Array]:
    """The pixels before some positions, and how far behind them these lie, in pixels, both shaped as they are."""
    positions = np.clip(positions, 0, available - 1.001)
    first = positions.astype(int)
    return first, (positions - first).astype(np.float32)


def covered(boxes: Array, shape: Array) -> Array:
    """How much of each pixel of a crop lies in a box, shape (n, rows, columns), 0 to 1.

    :param boxes: shape (n, 4), pixel edges within the crop. :param shape: (2,), rows and columns.
    """
    across, down = coverings(boxes, shape)
    return down[:, :, None] * across[:, None]


def coverings(boxes: Array, shape: Array) -> tuple[Array, Array]:
    """The same of columns, shape (n, columns), and of rows, shape (n, rows), float32."""
    across, down = ((np.clip(boxes[:, last, None] - np.arange(length), 0, 1)
                     - np.clip(boxes[:, first, None] - np.arange(length), 0, 1)).astype(np.float32)
                    for first, last, length in ((0, 2, shape[1]), (1, 3, shape[0])))
    return across, down


def nearBoxes(crops: Crops) -> list[list[Array]]:
    """Which rows and columns the network looks at for a box's edges, see ``EdgeLayers.edgeMaps``."""
    near = []
    for axis, length in zip((1, 0), crops.pictures.shape[2:], strict=True):
        first, last = crops.boxes[:, axis, None] - NEAR_PIXELS, crops.boxes[:, axis + 2, None] + NEAR_PIXELS
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
