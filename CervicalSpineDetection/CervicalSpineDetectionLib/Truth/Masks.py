"""Label files: read, renumbered to the codes of ``Levels.SPINE_LEVELS``, checked against their CT."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ImageFile import readImageFile
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS

# 1-7: C1-C7, 8-19: T1-T12, 20-25: L1-L6, 26: sacrum, 27: coccyx, 28: T13 (README of github.com/anjany/verse).
VERSE_NUMBERS = {number: number if number <= len(SPINE_LEVELS) else 0 for number in range(1, 29)}
# Bone, even osteoporotic and at 1 mm, is denser than this on average over a whole vertebra; soft tissue is not.
MINIMUM_MEAN_HU = 80
# Mirrored labels that fit the CT better by this much are the right ones.
MIRROR_HU = 20


def readMask(path: Path) -> sitk.Image:
    """:return: 3D sitk image. :raises InputError: missing, damaged, or no 3D image."""
    if not path.is_file():
        raise InputError(f"The label file {path} is missing; get the complete data set.")
    try:
        return readImageFile(path)[0]
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"The label file {path} can't be read ({reason}); download it again.") from error


def renumbered(mask: sitk.Image, numbers: Mapping[int, int]) -> sitk.Image:
    """Labels as codes of ``Levels.SPINE_LEVELS``.

    :param mask: sitk image of whole numbers.
    :param numbers: number in the mask -> code, 0 for what is known but none of these levels.
    :return: sitk uint8 image.
    :raises InputError: a number that is not in ``numbers``.
    """
    voxels = sitk.GetArrayViewFromImage(mask)
    present = np.unique(voxels)
    unknown = [number for number in present if number != 0 and number not in numbers]
    if unknown:
        listed = ", ".join(f"{number:g}" for number in unknown[:5])
        raise InputError(f"The labels hold {listed}, which the data set's numbering does not have; check the format.")
    codes = np.zeros(voxels.shape, np.uint8)
    for number in present[present != 0]:
        if numbers[int(number)]:
            codes[voxels == number] = numbers[int(number)]
    labels = sitk.GetImageFromArray(codes)
    labels.CopyInformation(mask)
    return labels


def checkLevels(labels: sitk.Image) -> None:
    """Refuse labels whose names can't be right.

    :param labels: sitk uint8 image, codes of ``Levels.SPINE_LEVELS``.
    :raises InputError: no level, one missing between others, or not from head to foot.
    """
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.ComputePerimeterOff()
    shapes.Execute(labels)
    codes = sorted(shapes.GetLabels())
    if not codes:
        raise InputError(f"No vertebra from {SPINE_LEVELS[0]} to {SPINE_LEVELS[-1]} is labelled.")
    checkOrder({code: shapes.GetCentroid(code)[2] for code in codes}, "labelled",
               "the labels are upside down or misnamed")


def checkOrder(heights: Mapping[int, float], marked: str, reason: str, where: str = "") -> None:
    """Refuse levels with a gap, or that don't follow each other from head to foot.

    :param heights: code -> LPS z in mm.
    :param marked: what was done to the levels. :param reason: why they may be in another order.
    :param where: what the sentence begins with.
    :raises InputError: see above.
    """
    codes = sorted(heights)
    for upper, lower in zip(codes, codes[1:], strict=False):
        if lower != upper + 1:
            raise InputError(f"{where}{SPINE_LEVELS[upper]} is not {marked}, but its neighbours are.")
        if heights[upper] <= heights[lower]:
            raise InputError(f"{where}{SPINE_LEVELS[upper - 1]} lies below {SPINE_LEVELS[lower - 1]}: {reason}.")


def placedOn(ct: sitk.Image, labels: sitk.Image, headersAgree: bool) -> tuple[sitk.Image, list[str]]:
    """The labels where they belong in the CT.

    :param ct: sitk image in HU.
    :param labels: sitk uint8 image.
    :param headersAgree: False: the labels' header may be wrong, their axes are those of the CT.
    :return: (labels on a grid along LPS axes, list of notes).
    :raises InputError: they don't fit, by size, by place, or because they don't lie on bone.
    """
    ct, labels = sitk.DICOMOrient(ct, "LPS"), sitk.DICOMOrient(labels, "LPS")
    if ct.GetSize() != labels.GetSize():
        raise InputError(f"The labels have {_times(labels.GetSize())} voxels, the CT {_times(ct.GetSize())} (both "
                         "along left, posterior, superior).")
    notes = []
    distance = _distance(ct, labels)
    if distance > max(labels.GetSpacing()) / 2:
        if headersAgree:
            raise InputError(f"The labels' header places them {distance:.1f} mm from the CT.")
        labels.CopyInformation(ct)
        notes.append(f"The labels' header places them {distance:.1f} mm off; their voxels were put on those of the CT.")
    _checkOnBone(sitk.GetArrayViewFromImage(ct), sitk.GetArrayViewFromImage(labels) > 0)
    return labels, notes


def _distance(ct: sitk.Image, labels: sitk.Image) -> float:
    """Largest distance between the same corner of both, mm."""
    corners = [[(size - 1) * bit for size, bit in zip(ct.GetSize(), bits, strict=True)] for bits in np.ndindex(2, 2, 2)]
    places = [np.array([image.TransformIndexToPhysicalPoint(corner) for corner in corners]) for image in (ct, labels)]
    return np.linalg.norm(places[0] - places[1], axis=1).max()


def _checkOnBone(hu: Array, mask: Array) -> None:
    own = hu[mask].mean()
    # Left and right can't be told apart so: a neck is its own mirror image.
    for axis, name in ((0, "upside down"), (1, "back to front")):
        if hu[np.flip(mask, axis)].mean() > own + MIRROR_HU:
            raise InputError(f"The labels fit the CT better {name}; their orientation is wrong.")
    if own < MINIMUM_MEAN_HU:
        raise InputError(f"The labels don't lie on bone ({own:.0f} HU on average); they belong to another CT or grid.")


def _times(numbers: Iterable[Any]) -> str:
    return " x ".join(map(str, numbers))
