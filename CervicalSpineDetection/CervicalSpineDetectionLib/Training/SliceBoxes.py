"""Label volume -> what the detector learns: 2D boxes per sagittal slice, and the centres of the vertebral bodies."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Detection.Anatomy import LEVELS

BODY_CLASS = len(LEVELS)
CLASS_NAMES = (*LEVELS, "body")
MINIMUM_AREA_MM2 = 20
MINIMUM_BODY_AREA_MM2 = 60
# Slices this near to the vertebra's middle cross the canal, which parts the body from the arch.
BODY_HALF_WIDTH_MM = 8
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


def vertebraCentres(labels):
    """Centre of each vertebral body of a label image (C1: between the arches; C2: body below the dens).

    :param labels: sitk image, identity direction, 1 to 11 for C1 to T4.
    :return: level -> shape (3,) LPS mm.
    """
    voxels = sitk.GetArrayFromImage(labels)[::-1].transpose(2, 0, 1)
    spacing = np.array(labels.GetSpacing())
    origin = np.array(labels.GetOrigin())
    top = origin[2] + (voxels.shape[1] - 1) * spacing[2]
    xs = origin[0] + np.arange(len(voxels)) * spacing[0]
    middles = middlesOf(voxels, xs)
    found = {code: [] for code in middles}
    for code, middle in middles.items():
        for index in np.flatnonzero(abs(xs - middle) <= BODY_HALF_WIDTH_MM):
            mask = np.where(voxels[index] == code, code, 0)
            boxes = boxesInSlice(mask, xs[index], middles, spacing[1])
            wanted = [box for box in boxes if (box[0] == BODY_CLASS) == (code > 1)]
            found[code] += [[box[1] + box[3] - 1, box[2] + box[4] - 1] for box in wanted]
    centres = {}
    for code, doubled in found.items():
        if doubled:
            column, row = np.median(doubled, axis=0) / 2
            centres[LEVELS[code - 1]] = np.array(
                [middles[code], origin[1] + column * spacing[1], top - row * spacing[2]]
            )
    return centres


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
