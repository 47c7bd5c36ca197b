"""NIfTI, NRRD and MetaImage: exact, or refused with the reason."""

import gzip
import zlib

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging import VoxelData
from CervicalSpineDetectionLib.Imaging.NiftiHeader import NIFTI_1
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage, readImageWithWarnings

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


@pytest.fixture(params=["isal", "zlib"])
def unpacker(request, monkeypatch):
    """Each of those that may unpack; isal is in the extra "slicer"."""
    if request.param == "zlib":
        monkeypatch.setattr(VoxelData, "unpacker", zlib)
    elif VoxelData.unpacker is zlib:
        pytest.skip("needs isal")


def test_packedVoxelsAreThoseThatWerePacked(tmp_path, unpacker):
    image = madeImage(voxels=np.random.default_rng(2).integers(-1000, 2000, (60, 70, 80)).astype(np.int16))
    for name in ("ct.nii.gz", "ct.nrrd", "ct.mha"):
        sitk.WriteImage(image, str(tmp_path / name), True)
        assert np.array_equal(sitk.GetArrayViewFromImage(readImage(tmp_path / name)), sitk.GetArrayViewFromImage(image))
    members = tmp_path / "members.nii.gz"
    data = gzip.decompress((tmp_path / "ct.nii.gz").read_bytes())
    members.write_bytes(gzip.compress(data[:4000]) + gzip.compress(data[4000:]) + bytes(100))
    assert np.array_equal(sitk.GetArrayViewFromImage(readImage(members)), sitk.GetArrayViewFromImage(image))


@pytest.mark.parametrize("place", [0.5, 0.9999])  # the data, and their checksum
def test_gzippedNiftiWithAChangedByteIsRefused(tmp_path, place, unpacker):
    path = write(tmp_path / "ct.nii.gz", madeImage())
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 0xFF
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

    assert "colors or vectors" in refusal(write(tmp_path / "ct.nrrd", sitk.GetImageFromArray(voxels, isVector=True)))


@pytest.mark.parametrize("pixelType", [np.uint8, np.int8])
def test_eightBitPictureIsRefused(tmp_path, pixelType):
    voxels = np.random.default_rng(0).integers(0, 120, (5, 6, 7)).astype(pixelType)

    assert "8-bit" in refusal(write(tmp_path / "ct.nrrd", sitk.GetImageFromArray(voxels)))


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


@pytest.mark.parametrize("space", ["scanner-xyz", "3D-right-handed"])
def test_nrrdInAxesOfTheScannerIsReadWithAWarning(tmp_path, space):
    path = nrrd(tmp_path / "ct.nrrd", f"space: {space}", "space directions: (1,0,0) (0,1,0) (0,0,3)")

    assert "how the image lies in the patient" in readImageWithWarnings(path).warnings[0]


def test_nrrdWithoutSpacingIsRefused(tmp_path):
    assert "does not state its voxel spacing" in refusal(nrrd(tmp_path / "ct.nrrd"))


def changedHeader(path, field):
    """A MetaImage file without a line of its header."""
    write(path, madeImage(DIRECTIONS["oblique"]))
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith(field)))
    return path


def test_metaImageWithoutSpacingIsRefused(tmp_path):
    assert "does not state its voxel spacing" in refusal(changedHeader(tmp_path / "ct.mhd", "ElementSpacing"))


@pytest.mark.parametrize("number", ["-3", "0", "11", "x"])
def test_metaImageWithANumberOfAxesThatCrashesItsReaderIsRefused(tmp_path, number):
    path = write(tmp_path / "ct.mhd", madeImage())
    path.write_text(path.read_text().replace("NDims = 3", f"NDims = {number}"))

    assert "damaged" in refusal(path)


def test_metaImageWithoutPatientAxesIsReadWithAWarning(tmp_path):
    read = readImageWithWarnings(changedHeader(tmp_path / "ct.mhd", "TransformMatrix"))

    assert len(read.warnings) == 1 and "how the image lies in the patient" in read.warnings[0]


@pytest.mark.parametrize("name", [b"\x92\xff", b"a\0b"])
def test_compressedMetaImageWithoutAUsableDataFileIsRefused(tmp_path, name):
    path = tmp_path / "ct.mhd"
    sitk.WriteImage(madeImage(), str(path), useCompression=True)
    path.write_bytes(path.read_bytes().replace(b"ct.zraw", name))

    assert "does not lie beside it" in refusal(path) or "its data file is not beside it" in refusal(path)


@pytest.mark.parametrize(("name", "data"), [("ct.mha", "ct.mha"), ("ct.mhd", "ct.zraw"), ("ct.nrrd", "ct.nrrd")])
@pytest.mark.parametrize("harm", ["none", "changed byte", "cut"])
def test_compressedFilesAreReadUnlessHarmed(tmp_path, name, data, harm):
    image = madeImage()
    sitk.WriteImage(image, str(tmp_path / name), useCompression=True)
    content = bytearray((tmp_path / data).read_bytes())
    if harm == "none":
        np.testing.assert_array_equal(
            sitk.GetArrayFromImage(readImage(tmp_path / name)), sitk.GetArrayFromImage(image))
        return
    if harm == "cut":
        del content[-40:]
    else:
        content[-200] ^= 0xFF
    (tmp_path / data).write_bytes(content)

    message = refusal(tmp_path / name)
    assert "damaged" in message or "incomplete" in message


def nifti(path, direction=None, **fields):
    """A NIfTI file of ``madeImage`` with changed header fields, named as in ``NIFTI_1``."""
    write(path, madeImage(direction))
    data = bytearray(path.read_bytes())
    header = np.frombuffer(data, NIFTI_1, count=1)
    for field, value in fields.items():
        header[field] = value
    path.write_bytes(data)
    return path


def test_niftiWithoutPatientAxesIsReadWithAWarning(tmp_path):
    warnings = readImageWithWarnings(nifti(tmp_path / "ct.nii", qform_code=0, sform_code=0)).warnings

    assert len(warnings) == 1 and "how the image lies in the patient" in warnings[0]


SFORM = np.array([[-0.7, 0, 0, 31.5], [0, -0.9, 0, -12.25], [0, 0, 2.5, 400]])
SHEAR = np.array([[0, 0, 0, 0], [0, 0, 0.7, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize("codes", [(0, 1), (1, 1), (1, 2)])
@pytest.mark.parametrize("sform", [SFORM * [1, 1, 2, 1], SFORM + SHEAR], ids=["twice the slice distance", "sheared"])
def test_niftiThatContradictsItselfAboutItsVoxelsIsRefused(tmp_path, sform, codes):
    message = refusal(nifti(tmp_path / "ct.nii", qform_code=codes[0], sform_code=codes[1], srow=sform))

    assert "contradicts itself" in message or "not at right angles" in message


@pytest.mark.parametrize("codes", [(1, 1), (1, 2), (2, 1)])
@pytest.mark.parametrize("sform", [SFORM + [0, 0, 0, 40], SFORM * [1, 1, -1, 1]], ids=["moved", "upside down"])
def test_niftiWithTwoPlacesIsReadWithAWarning(tmp_path, sform, codes):
    read = readImageWithWarnings(nifti(tmp_path / "ct.nii", qform_code=codes[0], sform_code=codes[1], srow=sform))

    assert len(read.warnings) == 1 and "two different places" in read.warnings[0]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("codes", [(1, 0), (0, 1)])
def test_niftiWithOnePlaceIsReadWithoutAWarning(tmp_path, codes, direction):
    path = nifti(tmp_path / "ct.nii", DIRECTIONS[direction], qform_code=codes[0], sform_code=codes[1])

    read = readImageWithWarnings(path)

    np.testing.assert_allclose(read.image.GetDirection(), np.ravel(DIRECTIONS[direction]), atol=1e-6)
    assert read.warnings == []


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
@pytest.mark.parametrize("pixelType", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_niftiWithValuesThatItsReaderWouldReplaceIsRefused(tmp_path, name, pixelType, value):
    voxels = np.random.default_rng(0).normal(0, 500, (6, 7, 8)).astype(pixelType)
    voxels[-1, -1, -1] = value

    assert "not finite" in refusal(write(tmp_path / name, sitk.GetImageFromArray(voxels)))


def test_niftiWithoutSpacingIsRefused(tmp_path):
    path = nifti(tmp_path / "ct.nii", qform_code=1, sform_code=0, pixdim=[1, 0.7, 0.9, 0, 0, 0, 0, 0])

    assert "does not state its voxel spacing" in refusal(path)


def test_bigEndianNiftiIsReadAlike(tmp_path):
    image = madeImage()
    voxels = sitk.GetArrayFromImage(image)
    header = bytearray(352)
    fields = np.frombuffer(header, NIFTI_1.newbyteorder(">"), count=1)
    for field, value in {"sizeof_hdr": 348, "dim": [3, 8, 7, 6, 1, 1, 1, 1], "bitpix": 16, "vox_offset": 352,
                         "pixdim": [1, 0.7, 0.9, 2.5, 0, 0, 0, 0], "sform_code": 1, "srow": SFORM}.items():
        fields[field] = value
    header[70:72] = (4).to_bytes(2, "big")  # int16
    header[344:348] = b"n+1\0"
    (tmp_path / "ct.nii").write_bytes(header + voxels.astype(">i2").tobytes())

    read = readImageWithWarnings(tmp_path / "ct.nii")

    np.testing.assert_array_equal(sitk.GetArrayFromImage(read.image), voxels)
    np.testing.assert_allclose(read.image.GetSpacing(), image.GetSpacing(), rtol=1e-6)
    np.testing.assert_allclose(read.image.GetOrigin(), image.GetOrigin(), rtol=1e-6)
    assert read.warnings == []


def test_dicomAndNiftiOfTheSameRealCtLieAlike(sharedData):
    folder = sharedData / "slicer_cthead"

    dicom, nifti = readImage(folder / "dicom"), readImage(folder / "cthead_HUminus1024.nii.gz")

    np.testing.assert_allclose(dicom.GetSpacing(), nifti.GetSpacing(), rtol=1e-6)
    # The DICOM files lack the rescale intercept.
    np.testing.assert_array_equal(sitk.GetArrayFromImage(dicom), sitk.GetArrayFromImage(nifti))
