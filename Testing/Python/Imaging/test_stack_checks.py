"""Slices that are missing from a stack are told by how abruptly the body changes."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from CervicalSpineDetectionLib.Imaging.StackChecks import abruptChange


def body(slices=40, side=48):
    """Tissues that change along the slices, and air around."""
    random = np.random.default_rng(5)
    tissue = ndimage.gaussian_filter(random.normal(0, 1, (slices, side, side)), 4)
    voxels = 200 * tissue / tissue.std() + random.normal(0, 10, tissue.shape)
    y, x = np.mgrid[:side, :side] - side / 2
    voxels[:, np.hypot(x, y) > 0.4 * side] = -1000
    return voxels.astype(np.int16)


def changeIn(voxels, *ends):
    return abruptChange(sitk.GetImageFromArray(voxels), *ends)


@pytest.mark.shows("Mended", "slices missing in a stacked file",
                   "where they are among the vertebrae, a note tells between which slices, and no name is certain")
@pytest.mark.parametrize("count", [5, 8])
@pytest.mark.parametrize("first", [12, 20])
def test_whereSlicesAreMissingIsTold(first, count):
    assert changeIn(np.delete(body(), np.arange(first, first + count), axis=0)) == first - 1


def test_aGapIsFoundThoughTheBodyChangesMoreElsewhere():
    voxels = np.delete(body(60), np.arange(15, 19), axis=0)
    voxels[40:] = np.roll(voxels[40:], 12, axis=1)
    assert changeIn(voxels) == 39
    assert changeIn(voxels, 8.0, 30.0) == changeIn(voxels, 14.4, 14.6) == 14
    assert changeIn(voxels, 20.0, 30.0) is None


def test_aWholeStackIsEven():
    assert changeIn(body()) is None


def test_aChangeAtTheEndIsNoGap():
    voxels = body()
    voxels[-2:] = np.roll(voxels[-2:], 9, axis=1)
    assert changeIn(voxels) is None


def test_aMaskThatChangesIsNoGap():
    voxels = body()
    voxels[20:, 10:30] = -1024
    assert changeIn(voxels) is None


def test_largeSlicesAreLookedAtSparsely():
    voxels = np.repeat(np.repeat(body(side=64), 5, axis=1), 5, axis=2)
    assert changeIn(np.delete(voxels, np.arange(15, 23), axis=0)) == 14 and changeIn(voxels) is None


@pytest.mark.parametrize("slices", [1, 2, 5])
def test_fewSlicesTellNothing(slices):
    assert changeIn(body()[:slices]) is None


def test_thickSlicesTellNothing():
    image = sitk.GetImageFromArray(np.delete(body(), np.arange(12, 20), axis=0))
    image.SetSpacing([0.5, 0.5, 3.0])
    assert abruptChange(image) == 11
    image.SetSpacing([0.5, 0.5, 7.5])
    assert abruptChange(image) is None
