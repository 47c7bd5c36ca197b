"""Coronal slices lie where they should in the patient, whatever the CT's own axes are."""

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.Imaging.CoronalSlices import CORONAL, CORONAL_SPACING_MM, coronalGrid
from CervicalSpineDetectionLib.Imaging.Resampling import fineSlices, resampleSagittal, turnedImage

LOW, HIGH = np.array([12.0, -20.0, 30.0]), np.array([26.0, 4.0, 42.0])  # LPS mm, of a block
SOFT_HU, BONE_HU = 40.0, 900.0


def ctOfTheBlock(turn):
    image = sitk.Image([90, 80, 70], sitk.sitkFloat32)
    image.SetOrigin([-45.0, -50.0, -5.0])
    image += SOFT_HU
    places = np.stack(np.meshgrid(*(np.arange(n) for n in image.GetSize()), indexing="ij"), axis=-1) + image.GetOrigin()
    inside = ((places > LOW) & (places < HIGH)).all(axis=-1)
    block = sitk.GetImageFromArray(np.where(inside, BONE_HU, SOFT_HU).astype(np.float32).T)
    block.CopyInformation(image)
    return turn(block)


@pytest.mark.parametrize("turn", [
    lambda image: image, lambda image: sitk.Flip(sitk.PermuteAxes(image, [2, 0, 1]), [True, False, True])],
    ids=["as scanned", "axes exchanged"])
def test_aBlockIsSeenWhereItLies(turn):
    image = ctOfTheBlock(turn)
    volume = resampleSagittal(image)
    grid = coronalGrid(volume)
    corners = grid.fromLps(CORONAL.fromCt(np.array([LOW, HIGH]))) * grid.spacing
    (first, top, front), (last, bottom, back) = corners.min(axis=0), corners.max(axis=0)
    assert 0 < first < last < (len(grid.voxels) - 1) * CORONAL_SPACING_MM
    box = np.array([[front, top, back, bottom]])
    middle = np.array([round((first + last) / 2 / CORONAL_SPACING_MM)])
    slices = fineSlices(image, grid, middle, box, 0.5, 8.0, isCoronal=True)
    shown = slices.voxels[int(middle[0]) - slices.first]
    columns, rows = (slices.corner[axis] + slices.pixelSize * np.arange(shown.shape[1 - axis]) for axis in (0, 1))
    isBone = shown > (SOFT_HU + BONE_HU) / 2
    seen = [columns[isBone.any(axis=0)][[0, -1]], rows[isBone.any(axis=1)][[0, -1]]]
    assert np.array(seen) == pytest.approx(np.array([[front, back], [top, bottom]]), abs=1.0)


def oblique(image):
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.1, -0.05, 0.15)
    image = sitk.Image(image)
    image.SetDirection(turn.GetMatrix())
    return image


@pytest.mark.parametrize("turn", [lambda image: image, lambda image: sitk.Flip(image, [True, False, True]), oblique],
                         ids=["straight", "flipped", "oblique"])
def test_theyAreTheSagittalSlicesOfTheTurnedCt(turn):
    image = ctOfTheBlock(turn)
    grid = coronalGrid(resampleSagittal(image))
    index = np.argwhere(sitk.GetArrayViewFromImage(image) > SOFT_HU + 1).mean(axis=0)[::-1]
    middle = image.TransformContinuousIndexToPhysicalPoint(index.tolist())
    across, row, column = grid.fromLps(CORONAL.fromCt(np.array(middle))) * grid.spacing
    boxes = np.tile([column - 9, row - 9, column + 9, row + 9], (2, 1))
    asked = grid, np.array([across, across + 6]) // CORONAL_SPACING_MM, boxes, 0.7, 6.0
    found, wanted = fineSlices(image, *asked, isCoronal=True), fineSlices(turnedImage(image, CORONAL), *asked)
    assert found.voxels == pytest.approx(wanted.voxels, abs=0.01) and np.ptp(found.voxels) > 500
    assert (found.first, found.pixelSize) == (wanted.first, 0.7) and np.array_equal(found.corner, wanted.corner)


def test_theGridCoversTheVolume():
    volume = resampleSagittal(ctOfTheBlock(lambda image: image))
    grid = coronalGrid(volume)
    ends = CORONAL.fromCt(volume.toLps(np.array([np.zeros(3), np.array(volume.voxels.shape) - 1])))
    places = grid.fromLps(ends)
    assert places.min() >= -1e-6 and (places.max(axis=0) <= np.array(grid.voxels.shape) - 1 + 1e-6).all()
    assert grid.voxels.strides == (0, 0, 0)  # in no memory
