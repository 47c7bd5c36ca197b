"""Interpolation axis by axis gives what SimpleITK's gives."""

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.Imaging.AlongAxes import axesOf, interpolated
from CervicalSpineDetectionLib.Imaging.AveragedImage import AveragedImage

SIZE = (11, 8, 9)


def noise(direction, spacing, pixelType=np.int16):
    voxels = np.random.default_rng(3).integers(-1000, 2000, SIZE[::-1]).astype(pixelType)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(spacing)
    image.SetDirection(np.ravel(direction).tolist())
    image.SetOrigin((-30.0, 20.0, 7.0))
    return image


def bySimpleItk(image, positions):
    """Shape (x, z, y), as ``interpolated``."""
    resampled = sitk.Resample(
        image, [len(one) for one in positions], sitk.Transform(), sitk.sitkLinear, [float(one[0]) for one in positions],
        [float(abs(one[1] - one[0])) for one in positions],
        np.diag([np.sign(one[1] - one[0]) for one in positions]).ravel().tolist(), np.nan, sitk.sitkFloat32)
    return sitk.GetArrayFromImage(resampled).transpose(2, 0, 1)


@pytest.mark.parametrize("direction", [
    np.eye(3), np.diag([-1, -1, 1]), np.diag([1, 1, -1]), np.eye(3)[[2, 0, 1]], np.eye(3)[[1, 0, 2]],
    -np.eye(3)[[2, 1, 0]],
], ids=["LPS", "RAS", "left-handed", "permuted", "swapped", "reversed"])
@pytest.mark.parametrize("spacing", [(3.9, 3.9, 2.5), (0.3, 0.4, 0.2), (0.5, 3.0, 1.0)],
                         ids=["coarse", "fine", "mixed"])
def test_voxelsAreThoseOfSimpleItkInsideAndOutside(direction, spacing):
    image = noise(direction, spacing)
    ends = [np.array(bits) * (np.array(SIZE) - 1) for bits in np.ndindex(2, 2, 2)]
    corners = np.array([image.TransformIndexToPhysicalPoint(end.tolist()) for end in ends])
    lower, upper = corners.min(axis=0) - 2.03, corners.max(axis=0) + 2.57  # beyond the image on all sides
    x, y, z = (np.arange(low, high, 0.83) for low, high in zip(lower, upper, strict=True))
    positions = (x, y, z[::-1])

    found = interpolated(AveragedImage(image), axesOf(image), positions, np.nan)
    expected = bySimpleItk(image, positions)

    assert found.dtype == np.float32
    assert np.isnan(expected).any() and not np.isnan(expected).all()
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_onePositionAndOneSliceWillDo():
    image = noise(np.eye(3), (2.0, 2.0, 2.0))[:, :, 3:4]
    place = [np.array([one]) for one in image.TransformIndexToPhysicalPoint((4, 5, 0))]

    assert interpolated(AveragedImage(image), axesOf(image), place, np.nan).item() == image[4, 5, 0]


def test_nothingButTheDefaultWhereTheImageIsNot():
    image = noise(np.eye(3), (2.0, 2.0, 2.0))

    places = np.arange(500.0, 504), np.arange(3.0), np.arange(5.0)

    assert (interpolated(AveragedImage(image), axesOf(image), places, -1024.0) == np.full((4, 5, 3), -1024.0)).all()


def test_turnedAxesAreNone():
    transform = sitk.Euler3DTransform()
    transform.SetRotation(0, 0, 1e-4)

    assert axesOf(noise(np.reshape(transform.GetMatrix(), (3, 3)), (1.0, 1.0, 1.0))) is None
