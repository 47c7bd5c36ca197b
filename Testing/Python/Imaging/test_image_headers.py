"""What headers of NIfTI, NRRD and MetaImage may say: the same voxels at the same place as SimpleITK reads."""

import bz2
import gzip
import locale
import zlib

import numpy as np
import pytest
import SimpleITK as sitk
from imageFiles import (
    LPS,
    RAW,
    VOXELS,
    assertSame,
    files,
    header,
    metaImage,
    movedVoxels,
    packed,
    placedNifti,
    renamed,
    slices,
)
from test_files_images import DIRECTIONS, SFORM, madeImage, nifti, nrrd, write

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ImageFile import readImageFile
from CervicalSpineDetectionLib.Imaging.ReadImage import readImageWithWarnings


@pytest.mark.parametrize("isPacked", [False, True])
@pytest.mark.parametrize("name", ["ct.nii", "ct.nrrd", "ct.nhdr", "ct.mha", "ct.mhd"])
@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_everyKindOfVoxelIsReadAsSimpleItkReadsIt(tmp_path, kind, name, isPacked):
    image = sitk.GetImageFromArray(np.abs(VOXELS).astype(kind))
    image.CopyInformation(madeImage(DIRECTIONS["oblique"]))
    sitk.WriteImage(image, str(tmp_path / name), useCompression=isPacked)

    assertSame(readImageFile(tmp_path / name)[0], sitk.ReadImage(str(tmp_path / name)))


@pytest.mark.parametrize("sCode", range(4))
@pytest.mark.parametrize("qCode", range(4))
def test_ofTwoPlacesTheSameIsTakenAsBySimpleItk(tmp_path, qCode, sCode):
    path = nifti(tmp_path / "ct.nii", DIRECTIONS["oblique"], qform_code=qCode, sform_code=sCode, srow=SFORM)

    assertSame(readImageFile(path)[0], sitk.ReadImage(str(path)))


@pytest.mark.parametrize(("slope", "intercept"), [(0, 5), (2, 5), (0.5, -1024), (np.nan, 0), (1, np.nan)])
def test_niftiIsRescaledByItsHeader(tmp_path, slope, intercept):
    path = nifti(tmp_path / "ct.nii", scl_slope=slope, scl_inter=intercept)

    image, _ = readImageFile(path)

    isUsed = slope and np.isfinite([slope, intercept]).all()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), VOXELS * slope + intercept if isUsed else VOXELS)


def test_anotherImageWithTheSameStemIsNotTaken(tmp_path):
    asked = write(tmp_path / "A.nii.gz", madeImage())
    write(tmp_path / "A.nii", madeImage() * 0 + 7)

    assertSame(readImageWithWarnings(asked).image, madeImage())


def test_decimalPointIsAPointInEveryCountry(tmp_path):
    path = nrrd(tmp_path / "ct.nrrd", *LPS)
    before = locale.setlocale(locale.LC_ALL)
    for name in ("de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "German_Germany.1252"):
        try:
            locale.setlocale(locale.LC_ALL, name)
            break
        except locale.Error:
            continue
    else:
        pytest.skip("needs a locale with a decimal comma (Debian: locales-all)")
    try:
        spacing = readImageWithWarnings(path).image.GetSpacing()
    finally:
        locale.setlocale(locale.LC_ALL, before)

    np.testing.assert_allclose(spacing, (0.7, 0.9, 2.5))


# What a file says -> makes it. All are read as ``madeImage`` at the origin and spacing of ``META``.
READ = {
    "MetaImage": lambda f: metaImage(f),
    "MetaImage, data beside it": lambda f: metaImage(files(f, raw=RAW), b"", "raw"),
    "MetaImage, data beside it behind a header": lambda f: metaImage(files(f, raw=b"head" + RAW), b"", "raw",
                                                                     HeaderSize="4"),
    "MetaImage, data at the end": lambda f: metaImage(files(f, raw=b"head" + RAW), b"", "raw", HeaderSize="-1"),
    "MetaImage, list of slices": lambda f: metaImage(f, slices(f), "LIST"),
    "MetaImage, list of slices in 2D": lambda f: metaImage(f, slices(f), "LIST 2"),
    "MetaImage, numbered slices": lambda f: slices(f) and metaImage(f, b"", "s%02d.raw 0 5 1"),
    "MetaImage, packed": lambda f: metaImage(f, zlib.compress(RAW), CompressedData="True"),
    "MetaImage, packed, size 0": lambda f: metaImage(f, zlib.compress(RAW), CompressedData="True",
                                                     CompressedDataSize="0"),
    "MetaImage, packed by gzip": lambda f: metaImage(f, gzip.compress(RAW), CompressedData="True"),
    "MetaImage in cm": lambda f: metaImage(f, DistanceUnits="cm", ElementSpacing="0.07 0.09 0.25", Offset=".1 .2 .3"),
    "MetaImage, texts of several lines": lambda f: metaImage(f, Comment="first\nsecond"),
    "NRRD": lambda f: header(f, *LPS, data=RAW),
    "NRRD, axes named shortly": lambda f: header(f, "space: LPS", *LPS[1:], data=RAW),
    "NRRD in cm": lambda f: header(f, LPS[0], "space origin: (.1,.2,.3)", 'space units: "cm" "cm" "cm"',
                                   "space directions: (0.07,0,0) (0,0.09,0) (0,0,0.25)", data=RAW),
    "NRRD in m": lambda f: header(f, LPS[0], "space origin: (.001,.002,.003)", 'space units: "m" "m" "m"',
                                  "space directions: (0.0007,0,0) (0,0.0009,0) (0,0,0.0025)", data=RAW),
    "NRRD with Windows line ends": lambda f: (
        header(f, *LPS).write_bytes(header(f, *LPS).read_bytes().replace(b"\n", b"\r\n") + RAW), f / "ct.nrrd")[1],
    "NRRD, bzip2": lambda f: header(f, *LPS, data=bz2.compress(RAW), encoding="bzip2"),
    "NRRD, gzip in two members": lambda f: header(f, *LPS, encoding="gz",
                                                  data=gzip.compress(RAW[:99]) + gzip.compress(RAW[99:])),
    "NRRD, data at the end": lambda f: header(f, *LPS, "byte skip: -1", data=b"12345" + RAW),
    "NRRD, data beside it": lambda f: header(files(f, raw=b"123" + RAW), *LPS, "byte skip: 3", "data file: ./raw"),
    "NRRD, list of slices": lambda f: header(f, *LPS, "data file: LIST\n" + slices(f).decode()),
    "NRRD, numbered slices": lambda f: slices(f) and header(f, *LPS, "data file: s%02d.raw 0 5 1"),
    "NRRD with keys of a person's own": lambda f: header(f, *LPS, "sizes:=1 1 1", "# sizes: 2 2 2", data=RAW),
    "gzip that isn't": lambda f: renamed(placedNifti(f / "ct.nii"), "ct.nii.gz"),
    "gzip without its name": lambda f: renamed(packed(placedNifti(f / "a.nii")), "ct.nii"),
    "NIfTI in m": lambda f: placedNifti(f / "ct.nii", 1e-3, xyzt_units=1),
    "NIfTI in um": lambda f: placedNifti(f / "ct.nii", 1e3, xyzt_units=3),
    "NIfTI, header moved on": lambda f: movedVoxels(placedNifti(f / "ct.nii", vox_offset=400), 400),
    "NIfTI, voxels behind the header": lambda f: placedNifti(f / "ct.nii", vox_offset=0),
}


@pytest.mark.parametrize("case", READ)
def test_headersThatAreUnderstoodAreReadRight(tmp_path, case):
    expected = sitk.GetImageFromArray(VOXELS)
    expected.SetSpacing((0.7, 0.9, 2.5))
    expected.SetOrigin((1, 2, 3))

    read = readImageWithWarnings(READ[case](tmp_path))

    assertSame(read.image, expected)
    assert read.warnings == []


def test_nothingOfAnEarlierCtIsLeftInALaterOne(tmp_path):
    """Memory of a CT read before, another patient's, must not fill what a file lacks."""
    earlier = sitk.GetImageFromArray(np.full((60, 70, 80), 1234, np.int16))
    write(tmp_path / "earlier.mha", earlier)
    readImageFile(tmp_path / "earlier.mha")
    path = metaImage(tmp_path, zlib.compress(bytes(1000)), CompressedData="True", DimSize="80 70 60")

    with pytest.raises(InputError, match="fewer voxels"):
        readImageFile(path)
