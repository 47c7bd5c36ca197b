"""NIfTI, NRRD and MetaImage: exact, or refused with the reason."""

import gzip

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Files.ReadImage import readImage, readImageWithWarnings

FORMATS = ("ct.nii", "ct.nii.gz", "ct.nrrd", "ct.mha", "ct.mhd")
C, S = np.cos(0.3), np.sin(0.3)
DIRECTIONS = {
    "oblique": [[C, -S, 0], [S, C, 0], [0, 0, 1]],
    "leftHanded": [[1, 0, 0], [0, 1, 0], [0, 0, -1]],
    "sagittalSlices": [[0, 0, 1], [1, 0, 0], [0, -1, 0]],
}


def madeImage(direction=None, voxels=None):
    if voxels is None:
        voxels = np.random.default_rng(1).integers(-1000, 2000, (6, 7, 8)).astype(np.int16)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.7, 0.9, 2.5))
    image.SetOrigin((-31.5, 12.25, 400.0))
    if direction is not None:
        image.SetDirection(np.ravel(direction).astype(float))
    return image


def write(path, image):
    sitk.WriteImage(image, str(path))
    return path


def refusal(path):
    with pytest.raises(InputError) as error:
        readImage(path)
    return str(error.value)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", FORMATS)
def test_voxelsAndGeometrySurvive(tmp_path, name, direction):
    image = madeImage(DIRECTIONS[direction])

    read = readImageWithWarnings(write(tmp_path / name, image))

    np.testing.assert_array_equal(sitk.GetArrayFromImage(read.image), sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(read.image.GetSpacing(), image.GetSpacing(), rtol=1e-6)
    np.testing.assert_allclose(read.image.GetOrigin(), image.GetOrigin(), rtol=1e-6)
    np.testing.assert_allclose(read.image.GetDirection(), image.GetDirection(), atol=1e-6)
    assert read.warnings == []


@pytest.mark.parametrize("kept", [0.002, 0.5, 0.98])
@pytest.mark.parametrize("name", FORMATS[:4])
def test_fileCutShortIsRefused(tmp_path, name, kept):
    path = write(tmp_path / name, madeImage())
    data = path.read_bytes()
    path.write_bytes(data[:int(kept * len(data))])

    assert "incomplete" in refusal(path)


def test_gzippedNiftiOfACutNiftiIsRefused(tmp_path):
    data = write(tmp_path / "ct.nii", madeImage()).read_bytes()
    path = tmp_path / "ct.nii.gz"
    path.write_bytes(gzip.compress(data[:-100]))

    assert "incomplete" in refusal(path)


def test_gzippedNiftiWithAChangedByteIsRefused(tmp_path):
    path = write(tmp_path / "ct.nii.gz", madeImage())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)

    assert "damaged" in refusal(path)


def test_missingDataFileOfAHeaderIsRefused(tmp_path):
    path = write(tmp_path / "ct.mhd", madeImage())
    (tmp_path / "ct.raw").unlink()

    assert "damaged or incomplete" in refusal(path)


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nrrd", "ct.mha"])
def test_textWithAnImagesNameIsRefused(tmp_path, name):
    (tmp_path / name).write_text("not an image\n")

    assert "damaged or incomplete" in refusal(tmp_path / name)


def test_otherFilesAreRefused(tmp_path):
    (tmp_path / "report.pdf").write_bytes(b"%PDF")

    assert "no image that can be read" in refusal(tmp_path / "report.pdf")


def test_pathThatIsNotThereIsRefused(tmp_path):
    assert "No such file" in refusal(tmp_path / "ct.nii.gz")


@pytest.mark.parametrize(("voxels", "reason"), [
    (np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32), "2 dimensions"),
    (np.random.default_rng(0).normal(size=(1, 5, 6)).astype(np.float32), "too few slices"),
    (np.full((5, 6, 7), -1024, np.int16), "value -1024"),
    (np.where(np.arange(210).reshape(5, 6, 7) == 99, np.nan, 1.0).astype(np.float32), "not finite"),
    (np.where(np.arange(210).reshape(5, 6, 7) == 99, np.inf, 1.0).astype(np.float32), "not finite"),
    (np.where(np.arange(210).reshape(5, 6, 7) == 99, -np.inf, 1.0).astype(np.float32), "not finite"),
])
def test_imagesThatCanBeNoCtVolumeAreRefused(tmp_path, voxels, reason):
    assert reason in refusal(write(tmp_path / "ct.mha", sitk.GetImageFromArray(voxels)))


def test_colourImageIsRefused(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 255, (5, 6, 7, 3)).astype(np.uint8)

    assert "colours or vectors" in refusal(write(tmp_path / "ct.nrrd", sitk.GetImageFromArray(voxels, isVector=True)))


def test_timeSeriesIsRefused(tmp_path):
    image = madeImage()

    assert "4 dimensions" in refusal(write(tmp_path / "ct.nii.gz", sitk.JoinSeries([image, image])))


def test_fourthAxisOfOneEntryIsDropped(tmp_path):
    image = madeImage(DIRECTIONS["oblique"])

    read = readImage(write(tmp_path / "ct.mha", sitk.JoinSeries([image])))

    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(read.GetDirection(), image.GetDirection(), atol=1e-6)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_spacingInOtherUnitsIsRefused(tmp_path, scale):
    image = madeImage()
    image.SetSpacing([scale * spacing for spacing in image.GetSpacing()])

    assert "voxel spacing" in refusal(write(tmp_path / "ct.mha", image))


def nrrd(path, *lines):
    """A raw NRRD of 8 x 7 x 6 voxels with these header lines."""
    header = ["NRRD0004", "type: short", "dimension: 3", "sizes: 8 7 6", "encoding: raw", "endian: little", *lines]
    path.write_bytes(("\n".join(header) + "\n\n").encode() + sitk.GetArrayFromImage(madeImage()).tobytes())
    return path


def test_shearedGridIsRefused(tmp_path):
    path = nrrd(tmp_path / "ct.nrrd", "space: left-posterior-superior", "space origin: (0,0,0)",
                "space directions: (1,0,0) (0,1,0) (0,0.8,3)")

    assert "not at right angles" in refusal(path)


def test_nrrdInRasIsTurnedToLps(tmp_path):
    path = nrrd(tmp_path / "ct.nrrd", "space: right-anterior-superior", "space origin: (10,20,30)",
                "space directions: (1,0,0) (0,1,0) (0,0,3)")

    image = readImage(path)

    assert image.GetOrigin() == (-10, -20, 30)
    np.testing.assert_allclose(np.reshape(image.GetDirection(), (3, 3)), np.diag([-1, -1, 1]))


def test_nrrdWithoutPatientAxesIsReadWithAWarning(tmp_path):
    read = readImageWithWarnings(nrrd(tmp_path / "ct.nrrd", "spacings: 1 1 3"))

    assert read.image.GetSpacing() == (1, 1, 3)
    assert len(read.warnings) == 1 and "how the image lies in the patient" in read.warnings[0]


def test_niftiWithoutPatientAxesIsReadWithAWarning(tmp_path):
    path = write(tmp_path / "ct.nii", madeImage())
    data = bytearray(path.read_bytes())
    data[252:256] = bytes(4)  # qform_code and sform_code
    path.write_bytes(data)

    warnings = readImageWithWarnings(path).warnings

    assert len(warnings) == 1 and "how the image lies in the patient" in warnings[0]


def test_dicomAndNiftiOfTheSameRealCtLieAlike(sharedData):
    folder = sharedData / "slicer_cthead"

    dicom, nifti = readImage(folder / "dicom"), readImage(folder / "cthead_HUminus1024.nii.gz")

    np.testing.assert_allclose(dicom.GetSpacing(), nifti.GetSpacing(), rtol=1e-6)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(dicom) - 1024, sitk.GetArrayFromImage(nifti))
