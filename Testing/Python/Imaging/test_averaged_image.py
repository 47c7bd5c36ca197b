"""Means of neighbouring voxels are those of SimpleITK, though they are computed slice by slice."""

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.Imaging.AlongAxes import axesOf, interpolated
from CervicalSpineDetectionLib.Imaging.AveragedImage import AveragedImage

SIZE = (17, 14, 13)
FACTORS = [(1, 1, 1), (2, 1, 1), (1, 2, 3), (3, 2, 2), (5, 4, 3)]


def noise(pixelType):
    kind = np.dtype(pixelType)
    values = np.random.default_rng(1).normal(0, 100, SIZE[::-1])
    values = np.abs(values) if kind.kind == "u" else values
    image = sitk.GetImageFromArray(values.clip(-120, 120).astype(kind))
    image.SetSpacing((0.3, 0.4, 0.2))
    image.SetOrigin((3.0, 4.0, 5.0))
    image.SetDirection(np.eye(3)[[1, 2, 0]].ravel().tolist())
    return image


@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("pixelType", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"])
def test_voxelsAndPlaceAreThoseOfSimpleItk(pixelType, factors):
    image = noise(pixelType)
    expected = sitk.BinShrink(image, factors)
    voxels = sitk.GetArrayFromImage(expected)

    averaged = AveragedImage(image, factors)
    found = averaged.planes([slice(0, size) for size in voxels.shape]).all()

    assert found.dtype == voxels.dtype
    np.testing.assert_allclose(found, voxels, rtol=1e-6, atol=1e-5)
    assert tuple(averaged.size) == expected.GetSize()
    np.testing.assert_allclose(averaged.spacing, expected.GetSpacing())
    np.testing.assert_allclose(averaged.origin, expected.GetOrigin())


def test_aPartIsThatPartOfTheWhole():
    averaged = AveragedImage(noise("int16"), (2, 3, 4))
    seen = (slice(1, 3), slice(0, 2), slice(3, 7))

    np.testing.assert_array_equal(averaged.planes(seen).all(), sitk.GetArrayFromImage(averaged.whole)[seen])


def test_asManyVoxelsAsFitIntoAPixelAreOneButNoMoreThanThereAre():
    image = noise("int16")[:, :, :3]

    assert AveragedImage.towards(image, 0.9).factors == (3, 2, 3)


@pytest.mark.parametrize("factors", FACTORS)
def test_interpolationIsThatOfTheAveragedImage(factors):
    averaged = AveragedImage(noise("int16"), factors)
    corners = averaged.corners
    lower, upper = corners.min(axis=0) - 1, corners.max(axis=0) + 1
    places = tuple(np.arange(low, high, 0.7) for low, high in zip(lower, upper, strict=True))

    found = interpolated(averaged, axesOf(averaged.image), places, np.nan)
    expected = interpolated(AveragedImage(averaged.whole), axesOf(averaged.image), places, np.nan)

    assert np.isfinite(expected).any() and np.isnan(expected).any()
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_noWholeAveragedImageIsMadeWhereAxesAreThePatients(monkeypatch):
    averaged = AveragedImage(noise("int16"), (2, 2, 2))
    monkeypatch.setattr(sitk, "BinShrink", None)

    interpolated(averaged, axesOf(averaged.image), (np.arange(3.0), np.arange(3.0), np.arange(3.0)), np.nan)
