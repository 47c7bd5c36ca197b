"""Boxes as a label map on the CT's grid, and a first mask of the bone inside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Boxes import OrientedBox
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS, Level
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra

# Between muscle (about 60 HU) and bone; a voxel half of thin cortical bone and half of fat or muscle lies near 150 to
# 300, so that a threshold of solid bone would lose arches on coarse CTs.
THRESHOLD_RANGE_HU = (120.0, 250.0)
# Otsu's threshold is to part soft tissue from any bone, not marrow from cortex: fat and air, cortex and metal count as
# the ends of this range.
OTSU_RANGE_HU = (-50.0, 400.0)
CLOSING_MM = 1.5
BODY_RADIUS_MM = 15.0
SAME_GRID_MM = 0.05


def checkGrid(result: DetectionResult, image: sitk.Image) -> None:
    """:raises InputError: the result belongs to another CT."""
    stated = result.image
    same = list(stated.get("size", ())) == list(image.GetSize()) and all(
        np.allclose(stated.get(name, np.nan), getattr(image, f"Get{name.capitalize()}")(), atol=SAME_GRID_MM)
        for name in ("spacing", "origin", "direction"))
    if not same:
        raise InputError("The result was made from a CT of another grid (size, spacing, origin or orientation); "
                         "give the CT it was made from.")


def boxMap(vertebrae: Sequence[Vertebra], image: sitk.Image) -> sitk.Image:
    """Oriented boxes as labels.

    :param vertebrae: list of Vertebra, LPS mm.
    :param image: sitk image whose grid is used.
    :return: sitk uint8 image, 1 for C1 ... 7 for C7, 8 for T1 ...; where boxes overlap, the label of the box whose
        middle is nearer, measured in box sizes.
    """
    labels = np.zeros(image.GetSize()[::-1], np.uint8)
    for vertebra, region, inside in _ownParts(vertebrae, image):
        labels[region][inside] = Level(vertebra.level).code
    return _onGrid(labels, image)


def boneMask(vertebrae: Sequence[Vertebra], image: sitk.Image) -> sitk.Image:
    """Bone inside the oriented boxes: a first mask, to be corrected by hand.

    Threshold (Otsu 1979, within ``THRESHOLD_RANGE_HU``) per box, closed, cavities filled; of the pieces that reach the
    body the largest.

    :param vertebrae: list of Vertebra, LPS mm.
    :param image: sitk CT in HU.
    :return: sitk uint8 image as of ``boxMap``.
    """
    hu = sitk.GetArrayViewFromImage(image)
    labels = np.zeros(hu.shape, np.uint8)
    for vertebra, region, inside in _ownParts(vertebrae, image):
        if inside.any():
            labels[region][_boneOf(vertebra, hu[region], inside, region, image)] = Level(vertebra.level).code
    return _onGrid(labels, image)


def numberedAsTotalSegmentator(labels: sitk.Image) -> sitk.Image:
    """Labels of ``boxMap`` or ``boneMask`` with the numbers of TotalSegmentator's task "total"."""
    numbers = np.zeros(256, np.uint8)
    for level in SPINE_LEVELS:
        numbers[level.code] = level.totalSegmentatorCode
    return _onGrid(numbers[sitk.GetArrayViewFromImage(labels)], labels)


def _boneOf(vertebra: Vertebra, hu: Array, inside: Array, region: tuple[slice, ...], image: sitk.Image) -> Array:
    """Bool array of the bone of one vertebra in a region."""
    dense = inside & (hu > _threshold(hu[inside]))
    mask = sitk.GetImageFromArray(dense.astype(np.uint8))
    mask.SetSpacing(image.GetSpacing())
    radius = [int(CLOSING_MM / spacing) for spacing in image.GetSpacing()]
    # Padded, or what touches the region's edge would be closed towards it.
    margin = [r + 1 for r in radius]
    mask = sitk.BinaryMorphologicalClosing(sitk.ConstantPad(mask, margin, margin), radius)
    mask = sitk.Crop(sitk.BinaryFillhole(mask), margin, margin)
    filled = (sitk.GetArrayFromImage(mask) > 0) & inside
    pieces = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(filled.astype(np.uint8)), True))
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    voxels = np.argwhere(filled)
    near = np.linalg.norm(_points(voxels, region, image) - vertebra.centre, axis=-1) <= BODY_RADIUS_MM
    reaching = np.unique(pieces[filled][near])
    candidates = reaching if len(reaching) else np.arange(len(sizes))
    return (pieces == candidates[np.argmax(sizes[candidates])]) & filled


def _threshold(hu: Array) -> float:
    values = np.clip(hu, *OTSU_RANGE_HU).astype(np.float32)
    if values.min() == values.max():
        return THRESHOLD_RANGE_HU[0]
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(sitk.GetImageFromArray(values[None]))
    return float(np.clip(otsu.GetThreshold(), *THRESHOLD_RANGE_HU))


def _ownParts(vertebrae: Sequence[Vertebra], image: sitk.Image) -> Iterator[tuple[Vertebra, tuple[slice, ...], Array]]:
    """Yield (vertebra, region as slices, bool array of it: voxels in its box and nearer to it than to others)."""
    vertebrae = list(vertebrae)
    for own, vertebra in enumerate(vertebrae):
        region = _region(vertebra.orientedBox, image)
        inside = _insideOf(vertebra.orientedBox, region, image)
        points = _points(np.argwhere(inside), region, image)
        distance = np.linalg.norm(_inBox(vertebra.orientedBox, points), axis=-1)
        mine = np.ones(len(points), bool)
        for other in vertebrae[:own] + vertebrae[own + 1:]:
            theirs = _inBox(other.orientedBox, points)
            mine &= (np.abs(theirs).max(axis=-1) > 1) | (distance < np.linalg.norm(theirs, axis=-1))
        inside[inside] = mine
        yield vertebra, region, inside


def _inBox(box: OrientedBox, points: Array) -> Array:
    """Points in half sizes of a box, along its axes: -1 and 1 are its faces."""
    return (points - box.centre) @ box.axes.T / (box.size / 2)


def _insideOf(box: OrientedBox, region: tuple[slice, ...], image: sitk.Image) -> Array:
    """Bool array of a region's voxels whose centres lie in a box."""
    # An affine function of the index: no array of points, which fine CTs would make gigabytes.
    start, *ends = _inBox(box, _points(np.vstack([np.zeros(3), np.eye(3)]), region, image))
    inside = np.ones([part.stop - part.start for part in region], bool)
    z, y, x = np.ogrid[tuple(slice(0, length) for length in inside.shape)]
    for axis in range(3):
        alongZ, alongY, alongX = (end[axis] - start[axis] for end in ends)
        inside &= np.abs(start[axis] + alongZ * z + alongY * y + alongX * x) <= 1
    return inside


def _region(box: OrientedBox, image: sitk.Image) -> tuple[slice, ...]:
    """Slices (z, y, x) of the voxels around a box."""
    corners = box.centre + (np.array(list(np.ndindex(2, 2, 2))) - 0.5) * box.size @ box.axes
    indices = np.array([image.TransformPhysicalPointToContinuousIndex(corner) for corner in corners.tolist()])
    first = np.clip(np.floor(indices.min(axis=0)).astype(int), 0, image.GetSize())
    last = np.clip(np.ceil(indices.max(axis=0)).astype(int) + 1, 0, image.GetSize())
    return tuple(slice(a, b) for a, b in zip(first[::-1], last[::-1], strict=True))


def _points(indices: Array, region: tuple[slice, ...], image: sitk.Image) -> Array:
    """LPS mm of voxels of a region, indices (z, y, x), shape (n, 3)."""
    indices = indices + [part.start for part in region]
    return image.GetOrigin() + (indices[:, ::-1] * image.GetSpacing()) @ np.reshape(image.GetDirection(), (3, 3)).T


def _onGrid(labels: Array, image: sitk.Image) -> sitk.Image:
    result = sitk.GetImageFromArray(labels)
    result.CopyInformation(image)
    return result
