"""Slices of a series as an even stack, or refused.

Readers that take the slice distance from a header field, or from the first two slices, silently give wrong geometry for
missing slices and tilted gantries. Here position and orientation of every slice count (DICOM PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.DicomHeader import DicomHeader
from CervicalSpineDetectionLib.Imaging.ImageChecks import DIRECTION_TOLERANCE
from CervicalSpineDetectionLib.Spine.Arrays import Array

MINIMUM_SLICES = 3
SAME_POSITION_MM = 0.01
# Headers hold positions rounded to 0.1 mm or better; what counts is that the error does not add up over the stack.
EVEN_TOLERANCE_MM = 0.1
EVEN_TOLERANCE = 0.01
# In-plane shift of a slice against a straight stack: below one pixel of a usual CT.
SHIFT_TOLERANCE_MM = 1.0
# CT gantries tilt by up to 30 degrees; beyond 45 something else is wrong.
MAXIMUM_TILT_DEGREES = 45
# Pictures of another size or orientation that a series may hold beside its CT: reference pictures.
MAXIMUM_OTHERS = 0.1
DIFFERENT = ("The slices of the DICOM series differ in size, pixel spacing or orientation; give a series of parallel "
             "slices.")


@dataclass(frozen=True)
class Stack:
    """Slices along their normal.

    :param slices: headers in order.
    :param spacing: mm. :param origin: LPS mm. :param direction: row-major, LPS.
    :param shift: shape (3,), in plane per mm along the normal, LPS; zero without gantry tilt.
    :param leftOut: how many pictures of another size or orientation the series held beside them.
    """

    slices: list[DicomHeader]
    spacing: list[float]
    origin: list[float]
    direction: list[float]
    shift: Array
    leftOut: int = 0


def stackOf(headers: Sequence[DicomHeader]) -> Stack:
    """Order slices along their normal.

    :param headers: of images that state their geometry.
    :raises InputError: they are no even stack.
    """
    # The same file may lie in the folder twice, e.g. after two exports.
    distinct = {(header.sopUid or header.path, header.position): header for header in headers}
    slices = list(distinct.values())
    parallel = _largestGrid(slices)
    others = len(slices) - len(parallel)
    if others > max(1, MAXIMUM_OTHERS * len(parallel)) or (others and len(parallel) < MINIMUM_SLICES):
        raise InputError(DIFFERENT)
    try:
        return _evenStack(parallel, others)
    except InputError:
        # One of the stack itself, turned.
        if others:
            raise InputError(DIFFERENT) from None
        raise


def _largestGrid(slices: Sequence[DicomHeader]) -> list[DicomHeader]:
    """Those that are alike in size, spacing and orientation, the most of them."""
    grids = np.array([_grid(header) for header in slices], float)
    keys = [tuple(row) for row in np.round(grids / DIRECTION_TOLERANCE).astype(np.int64).tolist()]
    reference = grids[keys.index(Counter(keys).most_common(1)[0][0])]
    return [header for header, grid in zip(slices, grids, strict=True)
            if np.abs(grid - reference).max() <= DIRECTION_TOLERANCE]


def _grid(header: DicomHeader) -> tuple[float, ...]:
    return (*(header.orientation or ()), *(header.spacing or ()), header.rows, header.columns)


def _evenStack(slices: list[DicomHeader], leftOut: int) -> Stack:
    grid = np.array(_grid(slices[0]), float)
    row, column = grid[:3], grid[3:6]
    normal = np.cross(row, column)
    lengths = [np.linalg.norm(axis) for axis in (row, column, normal)]
    if not np.allclose(lengths, 1, atol=DIRECTION_TOLERANCE) or grid[6:8].min() <= 0:
        raise InputError("The DICOM series has an impossible slice orientation or pixel spacing; export it again.")
    positions = np.array([header.position for header in slices], float)
    order = np.argsort(positions @ normal, kind="stable")
    slices, positions = [slices[i] for i in order], positions[order]
    depths = (positions - positions[0]) @ normal
    sliceSpacing = _evenSpacing(depths)
    _checkAcquisitions(slices)
    shift = _shift(positions, depths, normal)
    direction = np.column_stack([row / lengths[0], column / lengths[1], normal / lengths[2]])
    return Stack(slices, [grid[7], grid[6], sliceSpacing], positions[0].tolist(), direction.ravel().tolist(), shift,
                 leftOut)


def _evenSpacing(depths: Array) -> float:
    """:return: mm between slices. :raises InputError: not the same everywhere."""
    steps = np.diff(depths)
    doubled = np.count_nonzero(steps < SAME_POSITION_MM)
    if doubled:
        raise InputError(f"{doubled} slices of the DICOM series lie where another one lies; "
                         "export one scan (phase, reconstruction) alone.")
    spacing = float(depths[-1]) / len(steps)
    unevenness = np.abs(depths - np.arange(len(depths)) * spacing).max()
    if unevenness > max(EVEN_TOLERANCE_MM, EVEN_TOLERANCE * spacing):
        raise InputError(f"The slices of the DICOM series are {steps.min():.2f} to {steps.max():.2f} mm apart: "
                         "some are missing or the spacing changes; export the complete series with even spacing.")
    return spacing


def _checkAcquisitions(slices: Sequence[DicomHeader]) -> None:
    """Two passes of the scanner, the second between the slices of the first, are an even stack of a patient who moved.

    Passes one below the other are usual, and so is a number for each slice. Places of two frames of reference, or of
    two studies, say nothing of each other, however the slices lie.

    :raises InputError: slices of several acquisitions or times lie between each other, or don't belong together.
    """
    for what, numbers in (("acquisitions", [header.acquisition for header in slices]),
                          ("points of time", [header.timePoint for header in slices])):
        parts = sum(one != other for one, other in zip(numbers, numbers[1:], strict=False)) + 1
        if parts > len(set(numbers)) and _areFew(numbers):
            raise InputError(f"The DICOM series holds {len(set(numbers))} {what} whose slices lie between each other; "
                             "export one of them alone.")
    for what, numbers in (("frames of reference", [header.frameOfReference for header in slices]),
                          ("studies", [header.studyUid for header in slices])):
        count = len(set(numbers) - {""})
        if count > 1 and _areFew(numbers):
            raise InputError(f"The slices of the DICOM series belong to {count} {what}, so that their places can't be "
                             "compared; export one CT alone.")


def _areFew(numbers: Sequence[str]) -> bool:
    """Not one for each slice, which tells nothing."""
    return len(numbers) >= MINIMUM_SLICES * len(set(numbers))


def _shift(positions: Array, depths: Array, normal: Array) -> Array:
    """:return: of ``Stack``. :raises InputError: no gantry tilts like that."""
    shifts = positions - positions[0] - np.outer(depths, normal)
    if np.linalg.norm(shifts, axis=1).max() <= SHIFT_TOLERANCE_MM:
        return np.zeros(3)
    shift = np.asarray(shifts[-1] / depths[-1])
    angle = np.degrees(np.arctan(np.linalg.norm(shift)))
    if np.linalg.norm(shifts - np.outer(depths, shift), axis=1).max() > SHIFT_TOLERANCE_MM:
        raise InputError("The slices of the DICOM series are shifted against each other in plane, not evenly as by "
                         "a tilted gantry; export it again.")
    if angle > MAXIMUM_TILT_DEGREES:
        raise InputError(f"The slices of the DICOM series are shifted in plane as by a gantry tilted {angle:.1f} "
                         "degrees, which no gantry is; export it again.")
    return shift


def straightened(image: sitk.Image, shift: Array) -> sitk.Image:
    """A CT of a tilted gantry on a straight grid that holds all of it.

    :param image: its slices lie one exactly above the other, as if there were no tilt.
    :param shift: shape (3,), LPS mm in plane by which the slices really move per mm along their normal.
    """
    size, spacing, origin = (np.array(f()) for f in (image.GetSize, image.GetSpacing, image.GetOrigin))
    axes = np.reshape(image.GetDirection(), (3, 3))
    pixels = shift @ axes[:, :2] * spacing[2] * (size[2] - 1) / spacing[:2]
    before = np.ceil(np.maximum(-pixels, 0)).astype(int)
    size[:2] += before + np.ceil(np.maximum(pixels, 0)).astype(int)
    # Where a point of the straight grid lies among the slices as stored: back by the shift at its depth.
    toStored = sitk.AffineTransform(3)
    toStored.SetMatrix((np.eye(3) - np.outer(shift, axes[:, 2])).ravel().tolist())
    toStored.SetCenter(origin.tolist())
    origin = origin - axes[:, :2] @ (before * spacing[:2])
    # The lowest value is air, whether or not the rescale intercept is missing.
    air = float(sitk.GetArrayViewFromImage(image).min())
    return sitk.Resample(image, size.tolist(), toStored, sitk.sitkLinear, origin.tolist(), spacing.tolist(),
                         image.GetDirection(), air)
