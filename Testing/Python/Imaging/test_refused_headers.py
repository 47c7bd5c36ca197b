"""What headers of NIfTI, NRRD and MetaImage may not say, and what is made of places and units that are odd."""

import gzip
import os
import zlib

import numpy as np
import pytest
import SimpleITK as sitk
from imageFiles import LPS, RAW, header, linked, metaImage, packed, placedNifti, slices
from test_files_images import DIRECTIONS, nifti, write

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ReadImage import readImageWithWarnings

SHORT = RAW[: len(RAW) // 2]
# What a file says -> (makes it, words of the refusal).
REFUSED = {
    "MetaImage, list of fewer slices": (lambda f: metaImage(f, slices(f, 3), "LIST"), "fewer voxels"),
    "MetaImage, list of slices of another size": (lambda f: metaImage(f, slices(f, 5), "LIST"), "fewer voxels"),
    "MetaImage, empty list": (lambda f: metaImage(f, b"", "LIST"), "list of data files"),
    "MetaImage, fewer numbered slices": (lambda f: slices(f) and metaImage(f, b"", "s%02d.raw 0 2 1"), "fewer voxels"),
    "MetaImage, missing slice": (lambda f: slices(f, 5) and metaImage(f, b"", "s%02d.raw 0 5 1"), "not beside it"),
    "MetaImage, negative step": (lambda f: slices(f) and metaImage(f, b"", "s%02d.raw 5 0 -1"), "make no sense"),
    "MetaImage, step 0": (lambda f: slices(f) and metaImage(f, b"", "s%02d.raw 0 5 0"), "make no sense"),
    "MetaImage, format of strings": (lambda f: metaImage(f, b"", "%s%s%s%n 1 8 1"), "make no sense"),
    "MetaImage, endless format": (lambda f: metaImage(f, b"", "%1000000000d 1 8 1"), "make no sense"),
    "MetaImage, packed, half of the voxels": (
        lambda f: metaImage(f, zlib.compress(SHORT), CompressedData="True"), "fewer voxels"),
    "MetaImage, packed, half of the voxels, size 0": (
        lambda f: metaImage(f, zlib.compress(SHORT), CompressedData="True", CompressedDataSize="0"), "fewer voxels"),
    "MetaImage, packed, nothing": (lambda f: metaImage(f, b"", CompressedData="True"), "fewer voxels"),
    "MetaImage, half of the voxels": (lambda f: metaImage(f, SHORT), "fewer voxels"),
    "MetaImage, file anywhere": (lambda f: metaImage(f, b"", "/etc/passwd"), "does not lie beside it"),
    "MetaImage, file above": (lambda f: metaImage(f, b"", "../ct.raw"), "does not lie beside it"),
    "MetaImage, file behind a link": (lambda f: metaImage(linked(f, "raw"), b"", "raw"), "link into another folder"),
    "MetaImage, list with a file anywhere": (lambda f: metaImage(f, b"/etc/passwd\n" * 6, "LIST"),
                                             "does not lie beside it"),
    "MetaImage, pipe": (lambda f: (os.mkfifo(f / "raw"), metaImage(f, b"", "raw"))[1], "not beside it"),
    "MetaImage, text": (lambda f: metaImage(f, BinaryData="False"), "as text"),
    "MetaImage, spacing nan": (lambda f: metaImage(f, ElementSpacing="nan 1 1"), "number of its header"),
    "MetaImage, spacing 0": (lambda f: metaImage(f, ElementSpacing="0 1 1"), "does not state its voxel spacing"),
    "MetaImage, decimal comma": (lambda f: metaImage(f, ElementSpacing="0,7 0,9 2,5"), "number of its header"),
    "MetaImage, sizes below 0": (lambda f: metaImage(f, DimSize="-8 -7 6"), "damaged"),
    "MetaImage, size twice": (lambda f: metaImage(f, Comment="x\nDimSize = 8 7 3"), "twice"),
    "MetaImage, -3 axes": (lambda f: metaImage(f, NDims="-3"), "number of dimensions"),
    "MetaImage, unknown voxels": (lambda f: metaImage(f, ElementType="MET_SHORT_ARRAY"), "kind of its voxels"),
    "MetaImage, -2 channels": (lambda f: metaImage(f, ElementNumberOfChannels="-2"), "kind of its voxels"),
    "MetaImage, no axes": (lambda f: metaImage(f, TransformMatrix="0 0 0 0 0 0 0 0 0"), "directions of its axes"),
    "MetaImage, unknown unit": (lambda f: metaImage(f, DistanceUnits="feet"), "units"),
    "NRRD, spacing nan": (lambda f: header(f, "spacings: nan nan nan", data=RAW), "does not state its voxel spacing"),
    "NRRD, one spacing nan": (lambda f: header(f, "spacings: 1 1 nan", data=RAW), "does not state its voxel spacing"),
    "NRRD, negative spacing": (lambda f: header(f, "spacings: 1 1 -3", data=RAW), "does not state its voxel spacing"),
    "NRRD, directions none": (lambda f: header(f, LPS[0], "space directions: none none none", data=RAW),
                              "does not state its voxel spacing"),
    "NRRD, one direction none": (lambda f: header(f, LPS[0], "space directions: (1,0,0) (0,1,0) none", data=RAW),
                                 "does not state its voxel spacing"),
    "NRRD, direction nan": (lambda f: header(f, LPS[0], "space directions: (nan,0,0) (0,1,0) (0,0,1)", data=RAW),
                            "directions of its axes"),
    "NRRD in inches": (lambda f: header(f, *LPS, 'space units: "in" "in" "in"', data=RAW), "units"),
    "NRRD in two units": (lambda f: header(f, *LPS, 'space units: "mm" "mm" "m"', data=RAW), "units"),
    "NRRD, text of a device": (lambda f: header(f, *LPS, "data file: /dev/zero", encoding="ascii"), "as text"),
    "NRRD, device": (lambda f: header(f, *LPS, "data file: /dev/zero"), "does not lie beside it"),
    "NRRD, endless numbers": (lambda f: header(f, *LPS, "data file: a%d.raw 1 999999999 1"), "make no sense"),
    "NRRD, many files": (lambda f: header(f, *LPS, "data file: LIST\n" + "a\n" * 100_000), "list of data files"),
    "NRRD, 16 axes": (lambda f: header(f, data=RAW, dimension="16", sizes="2 " * 16), "number of dimensions"),
    "NRRD, long word": (lambda f: header(f, *LPS, data=RAW, sizes="8" * 500_000), "number of its header"),
    "NRRD, megabytes of keys": (lambda f: header(f, *LPS, *[f"key{k}:=value" for k in range(100_000)], data=RAW),
                                "header has no end"),
    "NRRD, lines to skip": (lambda f: header(f, *LPS, "line skip: 2000000000", data=RAW), "skips lines"),
    "NRRD, bytes to skip": (lambda f: header(f, *LPS, "byte skip: -7", data=RAW), "skips lines or bytes"),
    "NRRD, 8 GB": (lambda f: header(f, *LPS, data=RAW, type="double", sizes="1024 1024 1000"), "8 GB of voxels"),
    "NRRD, gzip, far fewer voxels": (
        lambda f: header(f, *LPS, data=gzip.compress(RAW), encoding="gzip", sizes="1024 1024 1000"), "fewer voxels"),
    "NRRD, half of the voxels": (lambda f: header(f, *LPS, data=SHORT), "fewer voxels"),
    "NRRD, gzip, half of the voxels": (lambda f: header(f, *LPS, data=gzip.compress(SHORT), encoding="gzip"),
                                       "fewer voxels"),
    "NRRD without byte order": (lambda f: header(f, *LPS, data=RAW, endian=None), "byte order"),
    "NRRD of blocks": (lambda f: header(f, *LPS, data=RAW, type="block"), "kind of its voxels"),
    "NRRD, size twice": (lambda f: header(f, *LPS, "sizes: 8 7 5", data=RAW), "twice"),
    "NRRD, colours": (lambda f: header(f, LPS[0], "space directions: none (1,0,0) (0,1,0) (0,0,1)", data=RAW,
                                       dimension="4", sizes="3 8 7 6"), "colors or vectors"),
    "NIfTI, voxels at nan": (lambda f: placedNifti(f / "ct.nii", vox_offset=np.nan), "where its voxels begin"),
    "NIfTI, voxels at -inf": (lambda f: placedNifti(f / "ct.nii", vox_offset=-np.inf), "where its voxels begin"),
    "NIfTI, voxels in the header": (lambda f: placedNifti(f / "ct.nii", vox_offset=100), "where its voxels begin"),
    "NIfTI, packed, voxels far behind": (lambda f: packed(placedNifti(f / "ct.nii", vox_offset=1e8)), "fewer voxels"),
    "NIfTI, sform nan": (lambda f: placedNifti(f / "ct.nii", srow=np.full((3, 4), np.nan)), "contradicts itself"),
    "NIfTI, origin nan": (lambda f: placedNifti(f / "ct.nii", sform_code=0, qform_code=1, qoffset=[0, np.nan, 0]),
                          "not finite"),
    "NIfTI, quaternion nan": (lambda f: placedNifti(f / "ct.nii", sform_code=0, qform_code=1, quatern=[0, np.nan, 0]),
                              "not finite"),
    "NIfTI, 0 axes": (lambda f: placedNifti(f / "ct.nii", dim=[0, 8, 7, 6, 1, 1, 1, 1]), "damaged"),
    "NIfTI, size below 0": (lambda f: placedNifti(f / "ct.nii", dim=[3, 8, -7, 6, 1, 1, 1, 1]), "damaged"),
    "NIfTI, negative slope": (lambda f: placedNifti(f / "ct.nii", scl_slope=-1.0), "negative slope"),
    "NIfTI, unknown voxels": (lambda f: placedNifti(f / "ct.nii", datatype=3), "kind of its voxels"),
    "NIfTI, bits of other voxels": (lambda f: placedNifti(f / "ct.nii", bitpix=8), "kind of its voxels"),
    "NIfTI in two files": (lambda f: placedNifti(f / "ct.nii", magic=b"ni1"), "without voxels"),
    "NIfTI-2": (lambda f: placedNifti(f / "ct.nii", sizeof_hdr=540), "NIfTI-2"),
}


@pytest.mark.shows("Hostile", "images")
@pytest.mark.parametrize("case", REFUSED)
def test_headersThatAreNotUnderstoodAreRefused(tmp_path, case):
    make, words = REFUSED[case]
    path = make(tmp_path)

    with pytest.raises(InputError) as error:
        readImageWithWarnings(path)

    assert words in str(error.value)


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nrrd", "ct.mha", "ct"])
def test_pipeIsNotWaitedFor(tmp_path, name):
    os.mkfifo(tmp_path / name)

    with pytest.raises(InputError, match="no plain file"):
        readImageWithWarnings(tmp_path / name)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs /dev/zero")
def test_deviceIsNotRead(tmp_path):
    (tmp_path / "ct.nii").symlink_to("/dev/zero")

    with pytest.raises(InputError, match="no plain file"):
        readImageWithWarnings(tmp_path / "ct.nii")


@pytest.mark.parametrize(("unit", "stated"), [(1, "m"), (3, "µm")])
def test_unitThatCannotBeIsNotBelieved(tmp_path, unit, stated):
    read = readImageWithWarnings(placedNifti(tmp_path / "ct.nii", xyzt_units=unit))

    np.testing.assert_allclose(read.image.GetSpacing(), (0.7, 0.9, 2.5), rtol=1e-6)
    assert len(read.warnings) == 1 and f"in {stated}, which can't be" in read.warnings[0]


@pytest.mark.parametrize(("scale", "words"), [
    (0.1, "measures only 49 x 54 x 5 mm"), (1e-3, "looks like meters"), (1e3, "looks like micrometers"),
    (0.03, "looks like centimeters")])
def test_unitThatIsNotStatedIsGuessedInTheRefusal(tmp_path, scale, words):
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(-1000, 2000, (20, 600, 700)).astype(np.int16))
    image.SetSpacing([scale * spacing for spacing in (0.7, 0.9, 2.5)])

    with pytest.raises(InputError, match=words):
        readImageWithWarnings(write(tmp_path / "ct.nrrd", image))


def nearly(angle):
    """Columns: unit axes, of which the third leans by this angle."""
    return np.array(DIRECTIONS["oblique"]) @ [[1, 0, 0], [0, 1, angle], [0, 0, 1]]


def leaningFiles(folder, angle):
    axes = nearly(angle)
    matrix = np.column_stack([np.diag([-1, -1, 1]) @ (axes * [0.7, 0.9, 2.5]), [0, 0, 0]])
    vectors = " ".join("({:.9f},{:.9f},{:.9f})".format(*column) for column in (axes * [0.7, 0.9, 2.5]).T)
    return {
        "nifti": nifti(folder / "ct.nii", srow=matrix, qform_code=0, sform_code=1),
        "nrrd": header(folder, LPS[0], f"space directions: {vectors}", data=RAW),
        "metaimage": metaImage(folder, TransformMatrix=" ".join(f"{x:.9f}" for x in axes.T.ravel())),
    }


@pytest.mark.parametrize("angle", [1e-4, 5e-4])
@pytest.mark.parametrize("kind", ["nifti", "nrrd", "metaimage"])
def test_axesNearlyAtRightAnglesAreStraightenedAndTold(tmp_path, kind, angle):
    read = readImageWithWarnings(leaningFiles(tmp_path, angle)[kind])

    direction = np.reshape(read.image.GetDirection(), (3, 3))
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-12)
    # As near as a rotation can be: half of the angle to each side.
    assert np.abs(direction - nearly(angle)).max() == pytest.approx(angle / 2, rel=0.1)
    assert len(read.warnings) == 1 and "not quite at right angles" in read.warnings[0]


@pytest.mark.parametrize("kind", ["nifti", "nrrd", "metaimage"])
def test_axesOfSixDigitsAreTakenWithoutAWord(tmp_path, kind):
    assert readImageWithWarnings(leaningFiles(tmp_path, 1e-6)[kind]).warnings == []


@pytest.mark.parametrize("kind", ["nifti", "nrrd", "metaimage"])
def test_shearedAxesAreRefused(tmp_path, kind):
    with pytest.raises(InputError, match="not at right angles|contradicts itself"):
        readImageWithWarnings(leaningFiles(tmp_path, 3e-3)[kind])


def test_bombBehindTheVoxelsIsNotUnpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("CervicalSpineDetectionLib.Imaging.VoxelData.MAXIMUM_REST_BYTES", 1 << 20)
    path = header(tmp_path, *LPS, data=gzip.compress(RAW + bytes(4 << 20)), encoding="gzip")

    with pytest.raises(InputError, match="far more data"):
        readImageWithWarnings(path)
