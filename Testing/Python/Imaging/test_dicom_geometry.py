"""DICOM series whose slices lie oddly: tilted, shifted, missing, twice, of several series."""

import numpy as np
import pytest
import SimpleITK as sitk
from dicomSeries import COLUMNS, ORIGIN, ROWS, SLICES, SPACING, STRAIGHT, refusal, writeSeries

from CervicalSpineDetectionLib.Imaging.ReadImage import readImage, readImageWithWarnings


def test_twoCtSeriesInAFolderAreListedAndRefused(tmp_path):
    folder = writeSeries(tmp_path / "ct")
    writeSeries(folder, names=[f"other{k}" for k in range(SLICES)])

    message = refusal(folder)

    assert "2 CT series" in message and "000.dcm" in message and "other0" in message


@pytest.mark.parametrize("missing", [1, 3, SLICES - 2])
def test_missingSliceIsRefused(tmp_path, missing):
    folder = writeSeries(tmp_path / "ct")
    (folder / f"{missing:03d}.dcm").unlink()

    assert "3.00 to 6.00 mm apart" in refusal(folder)


def test_spacingThatChangesIsRefused(tmp_path):
    heights = [0, 1, 2, 3, 5, 7, 9]
    folder = writeSeries(tmp_path / "ct", positions=[ORIGIN + [0, 0, z] for z in heights])

    assert "1.00 to 2.00 mm apart" in refusal(folder)


def test_positionsRoundedToATenthOfAMillimetreAreEven(tmp_path):
    heights = np.round(0.625 * np.arange(SLICES), 1)

    image = readImage(writeSeries(tmp_path / "ct", positions=[ORIGIN + [0, 0, z] for z in heights]))

    assert image.GetSpacing()[2] == pytest.approx(0.625, abs=0.02)


def test_twoPhasesAtTheSamePositionsAreRefused(tmp_path):
    positions = [ORIGIN + [0, 0, 3.0 * (k // 2)] for k in range(2 * SLICES)]

    assert f"{SLICES} slices of the DICOM series lie where another one lies" in refusal(
        writeSeries(tmp_path / "ct", positions=positions))


def test_copyOfASliceCountsOnce(tmp_path):
    folder = writeSeries(tmp_path / "ct")
    (folder / "copy.dcm").write_bytes((folder / "002.dcm").read_bytes())

    assert readImage(folder).GetSize() == (COLUMNS, ROWS, SLICES)


def ramp(points):
    """Stored values that grow evenly through space, so that linear interpolation is exact; points in LPS mm."""
    return np.asarray(points) @ [3.0, 5.0, 7.0] + 4000


def pixelPositions(position, axes=STRAIGHT):
    """LPS mm of the pixels of a slice, shape (rows, columns, 3)."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    return position + columns[..., None] * SPACING[0] * axes[0] + rows[..., None] * SPACING[1] * axes[1]


@pytest.mark.parametrize("axes", [STRAIGHT, [[0, 0.8, -0.6], [0, -0.6, -0.8], [-1, 0, 0]]], ids=["axial", "oblique"])
@pytest.mark.parametrize("degrees", [-30, 15])
@pytest.mark.parametrize("intercept", [-1024, 0])
def test_tiltedGantryIsReadAsAStraightGrid(tmp_path, degrees, axes, intercept):
    axes = np.asarray(axes, float)
    step = 3.0 * (axes[2] + np.tan(np.radians(degrees)) * (axes[1] + 0.2 * axes[0]))
    positions = [ORIGIN + k * step for k in range(SLICES)]

    def paint(k, dataset):
        dataset.PixelData = np.round(ramp(pixelPositions(positions[k], axes))).astype(np.uint16).tobytes()

    read = readImageWithWarnings(
        writeSeries(tmp_path / "ct", positions, axes, change=paint, RescaleIntercept=intercept))

    assert len(read.warnings) == 1 and "tilted" in read.warnings[0]
    np.testing.assert_allclose(np.reshape(read.image.GetDirection(), (3, 3)), axes.T, atol=1e-6)
    for position in positions:
        for point in pixelPositions(position, axes)[1:-1, 1:-1].reshape(-1, 3):
            value = read.image.EvaluateAtContinuousIndex(read.image.TransformPhysicalPointToContinuousIndex(point))
            assert value == pytest.approx(ramp(point) + intercept, abs=1.5)
    # All of the CT is kept; what is beside it is air.
    lowest = ramp(np.concatenate([pixelPositions(p, axes).reshape(-1, 3) for p in positions])).min() + intercept
    assert sitk.GetArrayViewFromImage(read.image).min() == pytest.approx(lowest, abs=1)


def test_slicesShiftedUnevenlyInPlaneAreRefused(tmp_path):
    shifts = [0, 2, 0, 2, 0, 2, 0]

    assert "not evenly" in refusal(writeSeries(
        tmp_path / "ct", positions=[ORIGIN + [0, shift, 3.0 * k] for k, shift in enumerate(shifts)]))


def test_tiltThatNoGantryHasIsRefused(tmp_path):
    positions = [ORIGIN + [0, 6.0 * k, 3.0 * k] for k in range(SLICES)]

    assert "63.4 degrees" in refusal(writeSeries(tmp_path / "ct", positions))


def test_obliqueStackThatIsStraightIsNotTakenForATilt(tmp_path):
    c, s = np.cos(np.radians(15)), np.sin(np.radians(15))

    image = readImage(writeSeries(tmp_path / "ct", axes=np.array([[1, 0, 0], [0, c, s], [0, -s, c]])))

    assert image.GetSize() == (COLUMNS, ROWS, SLICES)


def test_slicesOfDifferentOrientationAreRefused(tmp_path):
    def turnOne(k, dataset):
        if k == 4:
            dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]

    assert "differ in size, pixel spacing or orientation" in refusal(writeSeries(tmp_path / "ct", change=turnOne))


def test_singleSliceIsRefused(tmp_path):
    assert "only 1 slice;" in refusal(writeSeries(tmp_path / "ct", positions=[ORIGIN]))
