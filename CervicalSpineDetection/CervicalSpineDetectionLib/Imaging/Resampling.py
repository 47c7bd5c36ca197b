"""CT of any orientation -> the canonical sagittal grid along the patient's axes; the same voxels in another frame."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.AlongAxes import axesOf, interpolated
from CervicalSpineDetectionLib.Imaging.AveragedImage import AveragedImage
from CervicalSpineDetectionLib.Imaging.CoronalSlices import CORONAL
from CervicalSpineDetectionLib.Imaging.ImageChecks import checkGrid, checkValues
from CervicalSpineDetectionLib.Imaging.SagittalVolume import FineSlices, SagittalVolume
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Frame import Frame

OUTSIDE_HU = -1024  # where the CT has no data
# No mean of a few whole HU is equal to these, so that rounding never decides.
BODY_HU, BONE_HU = -299.9, 250.1
# A vertebra is at most about 90 mm wide; the rest is room for a neck out of the middle of the body.
SPINE_HALF_WIDTH_MM = 70
COARSE_SPACING_MM = 4.0
# Positions are known to about 1e-6 mm. What is this near to an edge must not change sides when it is rounded otherwise.
ROUNDING_MM = 1e-3
SAGITTAL_AXES = np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]])  # columns: LPS directions of columns, rows and slices


def resampleSagittal(image: sitk.Image, pixelSize: float = 1.0, sliceSpacing: float = 2.0) -> SagittalVolume:
    """Resample the part of a CT that can hold spine to the canonical sagittal grid.

    :param image: 3D scalar sitk image in HU, any spacing and direction.
    :param pixelSize: mm.
    :param sliceSpacing: mm.
    :return: SagittalVolume.
    :raises InputError: not a 3D scalar image of a CT's spacing and values, or no body in it.
    """
    checkGrid(image)
    checkValues(image)
    averaged = AveragedImage.towards(image, pixelSize)
    lower, upper = _spineRegion(averaged)
    spacing = np.array([sliceSpacing, pixelSize, pixelSize])
    steps = np.ceil((upper - lower - ROUNDING_MM) / spacing)
    origin = np.array([lower[0], lower[1], lower[2] + steps[2] * pixelSize])
    # One pass gives voxels and mask: beyond the image they are NaN.
    voxels = _resampled(averaged, steps[[0, 2, 1]] + 1, origin, pixelSize, sliceSpacing, np.nan)
    outside = np.isnan(voxels)
    voxels[outside] = OUTSIDE_HU
    inside = np.logical_not(outside, out=outside)
    return SagittalVolume(voxels, inside, origin, pixelSize, sliceSpacing)


def fineSlices(image: sitk.Image, volume: SagittalVolume, indices: Array, boxes: Array, pixelSize: float,
               margin: float, isCoronal: bool = False) -> FineSlices:
    """What a CT shows around some boxes, in their slices and the ones beside them.

    :param image: in HU, in the frame of the volume, which was made of it.
    :param indices: shape (n,), each box's slice; n > 0.
    :param boxes: shape (n, 4), (front, top, back, bottom) in mm, see ``Fusion.SliceBoxes``.
    :param pixelSize, margin: mm.
    :param isCoronal: the volume is a ``CoronalSlices.coronalGrid`` of such a one.
    """
    first, last = max(int(indices.min()) - 1, 0), min(int(indices.max()) + 1, len(volume.voxels) - 1)
    corner = boxes[:, :2].min(axis=0) - margin
    columns, rows = np.ceil((boxes[:, 2:].max(axis=0) + margin - corner) / pixelSize).astype(int) + 1
    origin = volume.offsetToLps(np.array([first * volume.sliceSpacing, corner[1], corner[0]]))
    sampled = _coronal if isCoronal else _resampled
    voxels = sampled(AveragedImage.towards(image, pixelSize), np.array([last - first + 1, rows, columns]), origin,
                     pixelSize, volume.sliceSpacing, np.nan)
    voxels[np.isnan(voxels)] = OUTSIDE_HU
    return FineSlices(voxels, first, corner, pixelSize)


def resampleLabels(labels: sitk.Image, volume: SagittalVolume) -> Array:
    """Labels (sitk, any grid) on the grid of a SagittalVolume, nearest neighbour; shape (slices, rows, columns)."""
    return _onGrid(labels, volume.voxels.shape, volume.origin, volume.pixelSize, volume.sliceSpacing, 0,
                   sitk.sitkNearestNeighbor, labels.GetPixelID())


def interpolatedLabels(labels: sitk.Image, volume: SagittalVolume) -> Array:
    """The same by linear interpolation: a label holds what is more than half its own, and so ends between voxels, as a
    vertebra does in a CT that is interpolated. The nearest voxel tells an end to half a voxel only.

    :param labels: uint8 sitk image.
    """
    found = np.zeros(volume.voxels.shape, np.uint8)
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.ComputePerimeterOff()
    shapes.Execute(labels)
    for code in shapes.GetLabels():
        box = np.array(shapes.GetBoundingBox(code))
        first = np.maximum(box[:3] - 1, 0)
        own = sitk.RegionOfInterest(labels, (np.minimum(box[:3] + box[3:] + 1, labels.GetSize()) - first).tolist(),
                                    first.tolist()) == code
        corners = volume.fromLps(np.array([own.TransformIndexToPhysicalPoint(
            np.where(bits, np.array(own.GetSize()) - 1, 0).tolist()) for bits in np.ndindex(2, 2, 2)]))
        low = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
        high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, found.shape)
        if (high > low).all():
            shares = _resampled(AveragedImage(sitk.Cast(own, sitk.sitkFloat32)), high - low, volume.toLps(low),
                                volume.pixelSize, volume.sliceSpacing, 0.0)
            found[tuple(map(slice, low, high))][shares > 0.5] = code
    return found


def _resampled(image: AveragedImage, shape: Array, origin: Array, pixelSize: float, sliceSpacing: float,
               default: float) -> Array:
    """HU of an image on the grid of a SagittalVolume, interpolated, float32.

    :param shape: (slices, rows, columns).
    """
    axes = axesOf(image.image)
    if axes is None:
        return _onGrid(image.whole, shape, origin, pixelSize, sliceSpacing, default, sitk.sitkLinear, sitk.sitkFloat32)
    slices, rows, columns = (np.arange(int(count)) for count in shape)
    places = (origin[0] + sliceSpacing * slices, origin[1] + pixelSize * columns, origin[2] - pixelSize * rows)
    return interpolated(image, axes, places, default)


def _coronal(image: AveragedImage, shape: Array, origin: Array, pixelSize: float, sliceSpacing: float,
             default: float) -> Array:
    """The same of a grid in the frame ``CORONAL`` of the image's; without turning it, which would copy all of it."""
    axes = axesOf(image.image)
    if axes is None:
        turned = AveragedImage(turnedImage(image.image, CORONAL), image.factors)
        return _resampled(turned, shape, origin, pixelSize, sliceSpacing, default)
    slices, rows, columns = (np.arange(int(count)) for count in shape)
    places = (-origin[1] - pixelSize * columns, origin[0] + sliceSpacing * slices, origin[2] - pixelSize * rows)
    return np.ascontiguousarray(interpolated(image, axes, places, default).transpose(2, 1, 0))


def _onGrid(image: sitk.Image, shape: Array | tuple[int, ...], origin: Array, pixelSize: float, sliceSpacing: float,
            default: float, interpolator: int, pixelType: int) -> Array:
    """The same by SimpleITK, for any axes and interpolator.

    Computed across the slices first, as axial slices lie in memory: straight into sagittal slices it takes four times
    as long, as every voxel is fetched from another place.
    """
    slices, rows, columns = (int(count) for count in shape)
    axial = sitk.Resample(
        image, [slices, columns, rows], sitk.Transform(), interpolator, [float(o) for o in origin],
        [float(sliceSpacing), float(pixelSize), float(pixelSize)], SAGITTAL_AXES[:, [2, 0, 1]].ravel().tolist(),
        default, pixelType)
    return np.ascontiguousarray(sitk.GetArrayViewFromImage(axial).transpose(2, 0, 1))


def _spineRegion(image: AveragedImage) -> tuple[Array, Array]:
    """Lower and upper LPS corners (each shape (3,)) of the part of the body that can hold spine."""
    corners = image.corners
    # Half a coarse voxel inwards: sample points lie at voxel centres.
    lower, upper = np.min(corners, axis=0), np.max(corners, axis=0)
    size = np.maximum(np.floor((upper - lower + ROUNDING_MM) / COARSE_SPACING_MM), 1)
    start = (lower + upper) / 2 - (size - 1) / 2 * COARSE_SPACING_MM
    top = start + [0, 0, (size[2] - 1) * COARSE_SPACING_MM]
    # Rows run down.
    coarse = _resampled(image, size[[0, 2, 1]], top, COARSE_SPACING_MM, COARSE_SPACING_MM, OUTSIDE_HU)
    components = sitk.GetArrayFromImage(sitk.ConnectedComponent(
        sitk.GetImageFromArray((coarse > BODY_HU).astype(np.uint8))))
    sizes = np.bincount(components.ravel())[1:]
    if not len(sizes):
        raise InputError("The image shows no body (nothing above -300 HU); load a CT of the neck.")
    body = components == 1 + sizes.argmax()
    bone = np.repeat(np.arange(len(body)), (body & (coarse > BONE_HU)).sum(axis=(1, 2)))
    body = body.transpose(0, 2, 1)[..., ::-1]
    extents = [np.flatnonzero(body.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
    first = np.maximum(start + [(e[0] - 1) * COARSE_SPACING_MM for e in extents], lower + ROUNDING_MM)
    last = np.minimum(start + [(e[-1] + 1) * COARSE_SPACING_MM for e in extents], upper - ROUNDING_MM)
    if len(bone):
        middle = start[0] + np.median(bone) * COARSE_SPACING_MM
        first[0] = max(first[0], middle - SPINE_HALF_WIDTH_MM)
        last[0] = min(last[0], middle + SPINE_HALF_WIDTH_MM)
    return first, last


def middleOf(image: sitk.Image) -> Array:
    """LPS mm, shape (3,)."""
    return np.array(image.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in image.GetSize()]))


def turnedImage(image: sitk.Image, frame: Frame) -> sitk.Image:
    """The image with the header that it has in a frame; no voxel changes."""
    if frame.isCt:
        return image
    turned = sitk.Image(image)
    turned.SetDirection((frame.axes @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    turned.SetOrigin(frame.fromCt(np.array(image.GetOrigin())).tolist())
    return turned
