"""Vertebrae of a label map: centres, bounds, completeness."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import find_objects

from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Boxes import Bounds
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, SPINE_LEVELS
from CervicalSpineDetectionLib.Spine.Morphometry import BODY_HALF_WIDTH_MM
from CervicalSpineDetectionLib.Spine.OrientedBoxes import orientedBoxes
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra
from CervicalSpineDetectionLib.Truth.SliceBoxes import boxesInSlice, middlesOf

# A sliver of a vertebra at the edge of the field of view is not one a reader would name.
MINIMUM_PART = 0.35


def vertebraeOf(labels: sitk.Image, wholeLabels: sitk.Image | None = None) -> list[Vertebra]:
    """Ground truth of a label image.

    :param labels: sitk image, identity direction, codes as in ``Levels.SPINE_LEVELS``.
    :param wholeLabels: the same before the field of view was cut, to tell which vertebrae are complete.
    :return: list of Vertebra from C1 to T4 in cranio-caudal order; what lies below has no place in results.
    """
    voxels = sitk.GetArrayViewFromImage(labels)
    counts = np.bincount(voxels.ravel(), minlength=256)
    extents = find_objects(voxels, max_label=len(LEVELS))
    whole = np.bincount(sitk.GetArrayViewFromImage(wholeLabels or labels).ravel(), minlength=256)
    spacing, origin = np.array(labels.GetSpacing()), np.array(labels.GetOrigin())
    # Of the whole vertebra: what a cut leaves of the atlas has another middle.
    centres = vertebraCentres(wholeLabels or labels)
    found = []
    for code in range(1, len(LEVELS) + 1):
        extent, count = extents[code - 1], int(counts[code])
        level = LEVELS[code - 1]
        if count and count >= MINIMUM_PART * whole[code] and level in centres:
            first, last = (np.array(ends)[::-1] for ends in zip(*((s.start, s.stop - 1) for s in extent), strict=True))
            bounds = Bounds(origin + (first - 0.5) * spacing, origin + (last + 0.5) * spacing)
            found.append((level, centres[level], bounds, count == int(whole[code])))
    boxes = orientedBoxes([level for level, *_ in found], [centre for _, centre, *_ in found],
                          [bounds for _, _, bounds, _ in found])
    return [
        Vertebra(level, 1.0, centre, bounds, box, complete=complete)
        for (level, centre, bounds, complete), box in zip(found, boxes, strict=True)
    ]


def vertebraCentres(labels: sitk.Image) -> dict[str, Array]:
    """Centre of each vertebral body of a label image (C1: between the arches; C2: body below the dens).

    :param labels: sitk image, identity direction, codes as in ``Levels.SPINE_LEVELS``.
    :return: level -> shape (3,) LPS mm.
    """
    voxels = sitk.GetArrayFromImage(labels)[::-1].transpose(2, 0, 1)
    spacing = np.array(labels.GetSpacing())
    origin = np.array(labels.GetOrigin())
    top = origin[2] + (voxels.shape[1] - 1) * spacing[2]
    xs = origin[0] + np.arange(len(voxels)) * spacing[0]
    middles = middlesOf(voxels, xs, spacing[1])
    found = {code: [] for code in middles}
    for code, middle in middles.items():
        for index in np.flatnonzero(abs(xs - middle) <= BODY_HALF_WIDTH_MM):
            mask = np.where(voxels[index] == code, code, 0)
            boxes = boxesInSlice(mask, xs[index], middles, spacing[1])
            wanted = [box for box in boxes if box[0] == (BODY_CLASS if code > 1 else 0)]
            found[code] += [[box[1] + box[3] - 1, box[2] + box[4] - 1] for box in wanted]
    centres: dict[str, Array] = {}
    for code, doubled in found.items():
        if doubled:
            column, row = np.median(doubled, axis=0) / 2
            centres[SPINE_LEVELS[code - 1]] = np.array(
                [middles[code], origin[1] + column * spacing[1], top - row * spacing[2]]
            )
    return centres
