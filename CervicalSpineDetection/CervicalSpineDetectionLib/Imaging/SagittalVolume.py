"""CT volume -> canonical sagittal grid: any orientation in, patient axes out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError

AIR_HU = -1024
# No mean of a few whole HU is equal to these, so that rounding never decides.
BODY_HU, BONE_HU = -299.9, 250.1
# A vertebra is at most about 90 mm wide; the rest is room for a neck out of the middle of the body.
SPINE_HALF_WIDTH_MM = 70
COARSE_SPACING_MM = 4.0
# Positions are known to about 1e-6 mm. What is this near to an edge must not change sides when it is rounded otherwise.
ROUNDING_MM = 1e-3
SAGITTAL_AXES = np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]])  # columns: LPS directions of columns, rows and slices
MINIMUM_SIZE = 3
# Beyond these the header is wrong (e.g. metres or micrometres) rather than the scanner unusual.
SPACING_RANGE_MM = (0.05, 15.0)
MAXIMUM_ORIGIN_MM = 1e6
DIRECTION_TOLERANCE = 1e-3
NOT_FINITE = "The image holds values that are not finite numbers (NaN or infinite); replace them by -1024."
SHEARED = "The image axes are not at right angles (gantry tilt?); resample the CT to a straight grid."


@dataclass(frozen=True)
class SagittalVolume:
    """CT on sagittal slices along the patient axes.

    :param voxels: float32 HU, shape (slices, rows, columns); slices run to the patient's left (+x), rows run down
        (-z), columns run back (+y), so that a slice looks as radiologists show it: anterior left, superior up.
    :param inside: bool, same shape: True where the CT has data.
    :param origin: shape (3,), LPS mm of the centre of voxel [0, 0, 0].
    :param pixelSize: mm, of rows and columns.
    :param sliceSpacing: mm between slices.
    """

    voxels: np.ndarray
    inside: np.ndarray
    origin: np.ndarray
    pixelSize: float
    sliceSpacing: float

    def toLps(self, points):
        """Continuous (slice, row, column) indices, shape (..., 3), to LPS mm, shape (..., 3)."""
        points = np.asarray(points, float)
        offset = np.stack([
            points[..., 0] * self.sliceSpacing,
            points[..., 2] * self.pixelSize,
            -points[..., 1] * self.pixelSize,
        ], axis=-1)
        return self.origin + offset

    def fromLps(self, points):
        """LPS mm, shape (..., 3), to continuous (slice, row, column) indices, shape (..., 3)."""
        offset = np.asarray(points, float) - self.origin
        return np.stack([
            offset[..., 0] / self.sliceSpacing,
            -offset[..., 2] / self.pixelSize,
            offset[..., 1] / self.pixelSize,
        ], axis=-1)


def checkGrid(image):
    """:raises InputError: not a straight 3D grid of grey values with the spacing of a CT."""
    if image.GetDimension() != 3:
        raise InputError(f"The image has {image.GetDimension()} dimensions instead of 3; give one CT volume.")
    if image.GetNumberOfComponentsPerPixel() != 1 or "complex" in image.GetPixelIDTypeAsString():
        raise InputError("The image holds colours or vectors instead of grey values; give the original CT.")
    if min(image.GetSize()) < MINIMUM_SIZE:
        raise InputError(f"The image of {_times(image.GetSize())} voxels has too few slices; give the whole CT.")
    spacing = image.GetSpacing()
    if min(spacing) < SPACING_RANGE_MM[0] or max(spacing) > SPACING_RANGE_MM[1]:
        raise InputError(f"The voxel spacing of {_times(f'{s:.4g}' for s in spacing)} mm can't be that of a CT; "
                         "correct the header.")
    direction = np.reshape(image.GetDirection(), (3, 3))
    if not np.allclose(direction.T @ direction, np.eye(3), atol=DIRECTION_TOLERANCE):
        raise InputError(SHEARED)
    # Beyond, 32-bit coordinates of other programs lose tenths of a millimetre.
    if not np.all(np.abs(image.GetOrigin()) < MAXIMUM_ORIGIN_MM):
        raise InputError("The image lies kilometres away from the scanner's centre; correct the origin in the header.")


def checkValues(image):
    """:raises InputError: the values can't be those of a CT."""
    voxels = sitk.GetArrayViewFromImage(image)
    few = voxels[::4, ::4, ::4]
    # Whole numbers are finite; a few tell whether they differ.
    checked = few if voxels.dtype.kind in "iu" and few.min() < few.max() else voxels
    lowest, highest = checked.min(), checked.max()
    # The minimum is NaN where any voxel is.
    if not np.isfinite([lowest, highest]).all():
        raise InputError(NOT_FINITE)
    if lowest == highest:
        raise InputError(f"All voxels of the image have the value {lowest:g}; give a CT.")


def correctHuOffset(image):
    """Undo a missing rescale intercept: some scanners' files hold HU + 1024 with intercept 0.

    :param image: sitk image in supposed HU.
    :return: (image in HU, warning or None).
    """
    voxels = sitk.GetArrayViewFromImage(image)[::4, ::4, ::4]
    if voxels.min() < -200:
        return image, None
    # Soft tissue lies near 0 to 100 HU; with the offset it is the large group near 1024 to 1124.
    softTissue = np.mean((voxels > 924) & (voxels < 1174))
    air = np.mean(voxels < 200)
    if softTissue > 0.05 and air > 0.05:
        return sitk.Cast(image, sitk.sitkFloat32) - 1024.0, (
            "The image holds HU + 1024 (rescale intercept missing); 1024 was subtracted."
        )
    return image, "The image has no values below -200 HU, so it may not be a CT in HU; check the levels with care."


def resampleSagittal(image, pixelSize=1.0, sliceSpacing=2.0):
    """Resample the part of a CT that can hold spine to the canonical sagittal grid.

    :param image: 3D scalar sitk image in HU, any spacing and direction.
    :param pixelSize: mm.
    :param sliceSpacing: mm.
    :return: SagittalVolume.
    :raises InputError: not a 3D scalar image of a CT's spacing and values, or no body in it.
    """
    checkGrid(image)
    checkValues(image)
    image = _shrink(image, pixelSize)
    lower, upper = _spineRegion(image)
    spacing = np.array([sliceSpacing, pixelSize, pixelSize])
    steps = np.ceil((upper - lower - ROUNDING_MM) / spacing)
    origin = np.array([lower[0], lower[1], lower[2] + steps[2] * pixelSize])
    # One pass gives voxels and mask: beyond the image they are NaN.
    voxels = sitk.GetArrayFromImage(_resampleSlices(image, steps[[0, 2, 1]] + 1, origin, pixelSize, sliceSpacing,
                                                    np.nan, sitk.sitkLinear, sitk.sitkFloat32))
    inside = ~np.isnan(voxels)
    voxels[~inside] = AIR_HU
    return SagittalVolume(voxels, inside, origin, pixelSize, sliceSpacing)


def resampleLabels(labels, volume):
    """Labels (sitk, any grid) on the grid of a SagittalVolume, nearest neighbour; shape (slices, rows, columns)."""
    return sitk.GetArrayFromImage(_resampleSlices(
        labels, volume.voxels.shape, volume.origin, volume.pixelSize, volume.sliceSpacing, 0,
        sitk.sitkNearestNeighbor, labels.GetPixelID()))


def _resampleSlices(image, shape, origin, pixelSize, sliceSpacing, default, interpolator, pixelType):
    """The grid of a SagittalVolume as sitk image. :param shape: (slices, rows, columns)."""
    return sitk.Resample(
        image, [int(n) for n in shape[::-1]], sitk.Transform(), interpolator, [float(o) for o in origin],
        [float(pixelSize), float(pixelSize), float(sliceSpacing)], SAGITTAL_AXES.ravel().tolist(), default, pixelType)


def _shrink(image, pixelSize):
    """Average whole voxels down towards the target pixel size, so that fine CTs keep no aliased noise.

    In the image's own type: whole HU do, and a copy of the whole CT in floating point would take the longest of all.
    """
    factors = [max(1, int(pixelSize / spacing + 1e-3)) for spacing in image.GetSpacing()]
    factors = [min(factor, size) for factor, size in zip(factors, image.GetSize(), strict=True)]
    return sitk.BinShrink(image, factors) if max(factors) > 1 else image


def _spineRegion(image):
    """Lower and upper LPS corners (each shape (3,)) of the part of the body that can hold spine."""
    corners = [
        image.TransformContinuousIndexToPhysicalPoint([(size - 0.5) if bit else -0.5 for size, bit in zip(
            image.GetSize(), bits, strict=True)])
        for bits in np.ndindex(2, 2, 2)
    ]
    # Half a coarse voxel inwards: sample points lie at voxel centres.
    lower, upper = np.min(corners, axis=0), np.max(corners, axis=0)
    size = np.maximum(np.floor((upper - lower + ROUNDING_MM) / COARSE_SPACING_MM), 1)
    start = (lower + upper) / 2 - (size - 1) / 2 * COARSE_SPACING_MM
    coarseImage = sitk.Resample(image, [int(n) for n in size], sitk.Transform(), sitk.sitkLinear, start.tolist(),
                                [COARSE_SPACING_MM] * 3, np.eye(3).ravel().tolist(), AIR_HU, sitk.sitkFloat32)
    # RelabelComponent sorts by size: 1 is the largest, which is the body.
    components = sitk.RelabelComponent(sitk.ConnectedComponent(coarseImage > BODY_HU))
    body = (sitk.GetArrayFromImage(components) == 1).T
    coarse = sitk.GetArrayFromImage(coarseImage).T
    if not body.any():
        raise InputError("The image shows no body (nothing above -300 HU); load a CT of the neck.")
    extents = [np.flatnonzero(body.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
    first = np.maximum(start + [(e[0] - 1) * COARSE_SPACING_MM for e in extents], lower + ROUNDING_MM)
    last = np.minimum(start + [(e[-1] + 1) * COARSE_SPACING_MM for e in extents], upper - ROUNDING_MM)
    bone = np.nonzero(body & (coarse > BONE_HU))[0]
    if len(bone):
        middle = start[0] + np.median(bone) * COARSE_SPACING_MM
        first[0] = max(first[0], middle - SPINE_HALF_WIDTH_MM)
        last[0] = min(last[0], middle + SPINE_HALF_WIDTH_MM)
    return first, last


def _times(numbers):
    return " x ".join(str(number) for number in numbers)
