"""Random windows of training pictures: where a vertebra stands in a picture is to say nothing about its name.

CTs begin and end anywhere along the spine, and small fields of view cut its front or back. A detector that learns from
whole necks only learns that the topmost vertebra is C1.

Pictures are uint8 of shape (rows, columns, 3); boxes are (class, firstColumn, firstRow, lastColumn, lastRow) in pixel
edges; outside of a field of view pictures are black.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Truth.SliceBoxes import SliceBox

if TYPE_CHECKING:
    import torch

MINIMUM_SHARE = 0.35  # of a box's area; what is cut to less is no longer a vertebra that can be named
MINIMUM_EXTENT = 3  # pixels
FEWEST_LEVELS = 2
WHOLE_HEIGHT_PART = 0.2  # of the windows are not cut above and below
FRONT_CUT_PART, BACK_CUT_PART = 0.4, 0.25
# Where these cuts lie, as parts of the spine's depth behind its front, and its back: from just before the spine to
# behind the bodies, where only arches are left.
FRONT_CUT, BACK_CUT = (-0.5, 0.5), (-0.5, 0.3)
FLUSH_PART = 0.5  # of the windows touch the picture's edge, as a CT's own edge does; one draw for rows and columns each
SHOWN_PLACE = (0.1, 0.9)  # of the middle of some vertebra in a picture that is too small for the window

Number = TypeVar("Number", float, "torch.Tensor")  # of one picture, or of a batch on its device


def windowHeight(least: Number, most: Number, share: Number) -> Number:
    """Rows of a window, evenly on a logarithmic scale between two limits. :param share: drawn, 0 to 1."""
    return least * (most / least) ** share


def windowTop(top: Number, bottom: Number, height: Number, share: Number) -> Number:
    """First row of a window that holds some of a spine, and may stand out above and below. :param share: drawn."""
    return top - height / 2 + share * (bottom - top)


def between(limits: tuple[float, float], share: Number) -> Number:
    """:param share: drawn, 0 to 1."""
    low, high = limits
    return low + (high - low) * share


def randomView(picture: Array, boxes: Sequence[SliceBox], size: int,
               random: np.random.Generator) -> tuple[Array, list[SliceBox]]:
    """A random window of a picture, placed at random in a square picture of its own.

    :param size: pixels, of the new picture.
    :return: (picture of shape (size, size, 3), boxes).
    """
    window = randomWindow(picture.shape[:2], boxes, random)
    return placed(picture, boxes, window, size, random)


def randomWindow(shape: tuple[int, ...], boxes: Sequence[SliceBox],
                 random: np.random.Generator) -> tuple[int, int, int, int]:
    """A field of view: two vertebrae to all of them, from anywhere on, its edges through anything.

    :param shape: (rows, columns) of the picture.
    :param boxes: those of the picture; without any the whole picture is the window.
    :return: (firstColumn, firstRow, lastColumn, lastRow), whole pixels.
    """
    rows, columns = shape
    if not boxes:
        return 0, 0, columns, rows
    corners = np.array([box[1:] for box in boxes], float)
    left, top = corners[:, :2].min(axis=0)
    right, bottom = corners[:, 2:].max(axis=0)
    firstRow, lastRow = 0.0, float(rows)
    if random.random() >= WHOLE_HEIGHT_PART:
        least = FEWEST_LEVELS * np.median(corners[:, 3] - corners[:, 1])
        height = windowHeight(least, max(bottom - top, least) + least / 2, random.random())
        firstRow = windowTop(top, bottom, height, random.random())
        lastRow = firstRow + height
    firstColumn, lastColumn = 0.0, float(columns)
    depth = right - left
    if random.random() < FRONT_CUT_PART:
        firstColumn = left + depth * between(FRONT_CUT, random.random())
    if random.random() < BACK_CUT_PART:
        lastColumn = right + depth * between(BACK_CUT, random.random())
    window = np.clip(np.rint([firstColumn, firstRow, lastColumn, lastRow]), 0, [columns, rows, columns, rows])
    first, top, last, bottom = window.astype(int).tolist()
    return first, top, last, bottom


def placed(picture: Array, boxes: Sequence[SliceBox], window: tuple[int, int, int, int], size: int,
           random: np.random.Generator) -> tuple[Array, list[SliceBox]]:
    """A window of a picture in a square picture of its own, anywhere in it; what is too large for it is cut.

    :param window: (firstColumn, firstRow, lastColumn, lastRow), whole pixels.
    :param size: pixels, of the new picture.
    :return: (picture of shape (size, size, 3), boxes).
    """
    first, last = np.array(window[1::-1]), np.array(window[:1:-1])  # row, column
    corners = np.array([box[1:] for box in boxes], float).reshape(-1, 4)
    corner = []
    for axis in range(2):
        room = size - (last[axis] - first[axis])
        if room >= 0:
            flush = random.random() < FLUSH_PART
            shift = random.choice([0, room]) if flush else random.integers(0, room + 1)
        else:
            shift = -_partShown(corners[:, [1 - axis, 3 - axis]] - first[axis], -room, size, random)
        corner.append(first[axis] - shift)
    result = np.zeros((size, size, 3), np.uint8)
    start = np.maximum(first, corner)
    end = np.minimum(last, np.array(corner) + size)
    if (end > start).all():
        a, b = start - corner, end - corner
        result[a[0] : b[0], a[1] : b[1]] = picture[start[0] : end[0], start[1] : end[1]]
    return result, cutBoxes(boxes, (*start[::-1], *end[::-1]), corner[::-1])


def _partShown(intervals: Array, most: int, size: int, random: np.random.Generator) -> int:
    """First pixel, 0 to ``most``, of a part of ``size`` pixels that shows the middle of a random one of the intervals.

    :param intervals: shape (n, 2).
    """
    if not len(intervals):
        return int(random.integers(0, most + 1))
    middle = random.choice(intervals.mean(axis=1))
    return int(np.clip(middle - between(SHOWN_PLACE, random.random()) * size, 0, most))


def cutBoxes(boxes: Sequence[SliceBox], window: Sequence[float], corner: Sequence[float] = (0, 0)) -> list[SliceBox]:
    """Boxes of what a window shows.

    :param window: (firstColumn, firstRow, lastColumn, lastRow).
    :param corner: (column, row) of the picture that is the first pixel of the new one.
    :return: list of boxes in pixel edges of the new picture.
    """
    low, high = np.array([*window[:2]] * 2, float), np.array([*window[2:]] * 2, float)
    kept = []
    for kind, *edges in boxes:
        whole = np.array(edges, float)
        cut = np.clip(whole, low, high)
        extent, full = cut[2:] - cut[:2], whole[2:] - whole[:2]
        if (extent >= MINIMUM_EXTENT).all() and extent.prod() >= MINIMUM_SHARE * full.prod():
            kept.append((kind, *(cut - [*corner, *corner]).tolist()))
    return kept
