"""What the detector learns: the boxes of vertebrae and vertebral bodies in one sagittal slice of a label map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from scipy.ndimage import label

from CervicalSpineDetectionLib.SliceDetector.Detector import BELOW_CLASS, BODY_CLASS
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS
from CervicalSpineDetectionLib.Spine.Morphometry import BODY_HALF_WIDTH_MM

MINIMUM_AREA_MM2 = 20
MINIMUM_BODY_AREA_MM2 = 60
MINIMUM_ARCH_AREA_MM2 = 20  # the atlas' anterior arch
# The canal is about 15 mm deep, the foramina of the transverse processes 5 mm.
MINIMUM_CANAL_MM = 7
MAXIMUM_RUN_GAP_MM = 4
# The axis' body is the part of its anterior column below the dens (about half of its height:
# Doherty and Heggeness 1995, Quantitative anatomy of the second cervical vertebra, Spine 20(5)).
AXIS_BODY_FRACTION = 0.52
# Pixels that touch at a corner are of one piece.
WITH_DIAGONALS = np.ones((3, 3), int)

SliceBox: TypeAlias = tuple[int, float, float, float, float]  # class, first column and row, last column and row, edges


def boxesInSlice(labels: Array, sliceX: float, middles: Mapping[int, float], pixelSize: float,
                 minimumArea: float = MINIMUM_AREA_MM2) -> list[SliceBox]:
    """Boxes of one sagittal slice.

    :param labels: uint8, shape (rows, columns), codes as in ``Levels.SPINE_LEVELS``; rows run down, columns run back.
    :param sliceX: LPS x of the slice in mm.
    :param middles: level code -> LPS x of the canal's middle in mm, see ``middlesOf``.
    :param pixelSize: mm.
    :param minimumArea: mm2; of a vertebra of which the slice shows less nobody would draw a box.
    :return: list of (class, firstColumn, firstRow, lastColumn, lastRow), pixel edges; classes as in
        ``Detector.CLASS_NAMES``: the level or ``BELOW_CLASS``, and ``BODY_CLASS`` for a vertebral body, or the anterior
        arch of the atlas, which stands where its body would be.
    """
    boxes = []
    for code in np.unique(labels[(labels > 0) & (labels <= len(SPINE_LEVELS))]):
        mask = labels == code
        if mask.sum() * pixelSize**2 < minimumArea:
            continue
        left, top, right, bottom = _extent(mask)
        boxes.append((min(int(code) - 1, BELOW_CLASS), left, top, right, bottom))
        if abs(sliceX - middles[code]) <= BODY_HALF_WIDTH_MM:
            body = _bodyExtent(mask[top:bottom, left:right], pixelSize, _minimumBodyArea(code))
            if body is not None:
                body = [body[0] + left, body[1] + top, body[2] + left, body[3] + top]
                if code == 2:
                    body[1] = body[3] - AXIS_BODY_FRACTION * (body[3] - body[1])
                boxes.append((BODY_CLASS, *body))
    return boxes


def middlesOf(labels: Array, xs: Array, pixelSize: float) -> dict[int, float]:
    """Level code -> LPS x of the middle of each vertebra's canal (of its voxels, where no slice shows the canal).

    In a turned neck the body lies to the side of the vertebra's middle; the canal is beside it.

    :param labels: shape (slices, rows, columns).
    :param xs: LPS x of each slice in mm.
    :param pixelSize: mm.
    """
    middles = {}
    for code in np.unique(labels[(labels > 0) & (labels <= len(SPINE_LEVELS))]):
        mask = labels == code
        counts = mask.sum(axis=(1, 2))
        used = np.flatnonzero(counts)
        rows, columns = np.flatnonzero(mask.any(axis=(0, 2))), np.flatnonzero(mask.any(axis=(0, 1)))
        cut = mask[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        canal = [index for index in used if _isCanal(cut[index], pixelSize, _minimumBodyArea(code))]
        # The foramina of the transverse processes can part them too: the canal is the longest run.
        runs = np.split(canal, np.flatnonzero(np.diff(xs[canal]) > MAXIMUM_RUN_GAP_MM) + 1) if canal else []
        middles[int(code)] = float(np.mean(xs[max(runs, key=len)]) if runs else np.average(xs, weights=counts))
    return middles


def _extent(mask: Array) -> list[Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def _minimumBodyArea(code: int) -> float:
    return MINIMUM_BODY_AREA_MM2 if code > 1 else MINIMUM_ARCH_AREA_MM2


def _isCanal(mask: Array, pixelSize: float, minimumArea: float) -> bool:
    parts = _partsFrontToBack(mask, pixelSize)
    if len(parts) < 2 or parts[0].sum() * pixelSize**2 < minimumArea:
        return False
    front, back = (np.argwhere(part) for part in parts[:2])
    # The nearest points, for a canal seen slantwise is as wide.
    gap = np.sqrt(((front[:, None] - back[None]) ** 2).sum(axis=-1).min()) * pixelSize
    return gap >= MINIMUM_CANAL_MM


def _bodyExtent(mask: Array, pixelSize: float, minimumArea: float) -> list[Any] | None:
    """Extent of the anterior part where the canal parts it from the arch, else None."""
    parts = _partsFrontToBack(mask, pixelSize)
    if len(parts) < 2:
        return None
    body = _extent(parts[0])
    large = parts[0].sum() * pixelSize**2 >= minimumArea
    return body if large and _extent(parts[1])[0] >= body[0] + 6 / pixelSize else None


def _partsFrontToBack(mask: Array, pixelSize: float) -> list[Array]:
    """Masks of the pieces that are more than specks."""
    components, count = label(mask, WITH_DIAGONALS)
    parts = [components == number for number in range(1, count + 1)]
    parts = [part for part in parts if part.sum() * pixelSize**2 >= MINIMUM_AREA_MM2 / 2]
    return sorted(parts, key=lambda part: np.nonzero(part)[1].mean())
