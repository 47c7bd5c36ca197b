"""What the detector learns: the boxes of vertebrae and vertebral bodies in one sagittal slice of a label map."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Detection.Anatomy import LEVELS
from CervicalSpineDetectionLib.Detection.Boxes3D import BODY_HALF_WIDTH_MM
from CervicalSpineDetectionLib.Detection.Detector import BODY_CLASS

MINIMUM_AREA_MM2 = 20
MINIMUM_BODY_AREA_MM2 = 60
# The axis' body is the part of its anterior column below the dens (about half of its height:
# Doherty and Heggeness 1995, Quantitative anatomy of the second cervical vertebra, Spine 20(5)).
AXIS_BODY_FRACTION = 0.52


def boxesInSlice(labels, sliceX, middles, pixelSize):
    """Boxes of one sagittal slice.

    :param labels: uint8, shape (rows, columns), 1 to 11 for C1 to T4; rows run down, columns run back.
    :param sliceX: LPS x of the slice in mm.
    :param middles: level code -> LPS x of the vertebra's middle in mm.
    :param pixelSize: mm.
    :return: list of (class, firstColumn, firstRow, lastColumn, lastRow), pixel edges; class 0 to 10 is the level,
        ``BODY_CLASS`` a vertebral body.
    """
    boxes = []
    for code in np.unique(labels[(labels > 0) & (labels <= len(LEVELS))]):
        mask = labels == code
        if mask.sum() * pixelSize**2 < MINIMUM_AREA_MM2:
            continue
        boxes.append((int(code) - 1, *_extent(mask)))
        if code > 1 and abs(sliceX - middles[code]) <= BODY_HALF_WIDTH_MM:
            body = _bodyExtent(mask, pixelSize)
            if body is not None:
                if code == 2:
                    body[1] = body[3] - AXIS_BODY_FRACTION * (body[3] - body[1])
                boxes.append((BODY_CLASS, *body))
    return boxes


def middlesOf(labels, xs):
    """Level code -> LPS x of the middle of each vertebra in a label volume.

    :param labels: shape (slices, rows, columns).
    :param xs: LPS x of each slice in mm.
    """
    counts = {int(code): (labels == code).sum(axis=(1, 2)) for code in np.unique(labels) if 0 < code <= len(LEVELS)}
    return {code: float(np.average(xs, weights=count)) for code, count in counts.items()}


def _extent(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def _bodyExtent(mask, pixelSize):
    """Extent of the anterior part where the canal parts it from the arch, else None."""
    components = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)), True))
    parts = [components == label for label in range(1, components.max() + 1)]
    parts = [part for part in parts if part.sum() * pixelSize**2 >= MINIMUM_AREA_MM2 / 2]
    if len(parts) < 2:
        return None
    parts.sort(key=lambda part: np.nonzero(part)[1].mean())
    body = _extent(parts[0])
    large = parts[0].sum() * pixelSize**2 >= MINIMUM_BODY_AREA_MM2
    return body if large and _extent(parts[1])[0] >= body[0] + 6 / pixelSize else None
