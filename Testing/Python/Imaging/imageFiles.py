"""Small images as NIfTI, NRRD and MetaImage files with headers of one's own."""

import gzip

import numpy as np
import SimpleITK as sitk
from test_files_images import madeImage, nifti

VOXELS = sitk.GetArrayFromImage(madeImage())
RAW = VOXELS.tobytes()
LPS = ("space: left-posterior-superior", "space origin: (1,2,3)", "space directions: (0.7,0,0) (0,0.9,0) (0,0,2.5)")
META = {
    "ObjectType": "Image", "NDims": "3", "BinaryData": "True", "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False", "TransformMatrix": "1 0 0 0 1 0 0 0 1", "Offset": "1 2 3",
    "ElementSpacing": "0.7 0.9 2.5", "DimSize": "8 7 6", "ElementType": "MET_SHORT",
}


def assertSame(image, expected):
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(expected))
    assert image.GetPixelID() == expected.GetPixelID()
    np.testing.assert_allclose(image.GetSpacing(), expected.GetSpacing(), rtol=1e-6)
    np.testing.assert_allclose(image.GetOrigin(), expected.GetOrigin(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(image.GetDirection(), expected.GetDirection(), atol=1e-6)


def metaImage(folder, data=RAW, file="LOCAL", **fields):
    """A MetaImage file. :param fields: None leaves one out."""
    lines = [f"{name} = {value}" for name, value in {**META, **fields}.items() if value is not None]
    (folder / "ct.mha").write_bytes("\n".join([*lines, f"ElementDataFile = {file}", ""]).encode() + data)
    return folder / "ct.mha"


def slices(folder, count=6):
    for k in range(count):
        (folder / f"s{k:02d}.raw").write_bytes(VOXELS[k].tobytes())
    return "\n".join(f"s{k:02d}.raw" for k in range(count)).encode()


def header(folder, *lines, data=b"", **fields):
    """A NRRD file. :param fields: changed or, where None, left out."""
    stated = {"type": "short", "dimension": "3", "sizes": "8 7 6", "encoding": "raw", "endian": "little", **{
        name.replace("_", " "): value for name, value in fields.items()}}
    text = "\n".join(["NRRD0005", *(f"{name}: {value}" for name, value in stated.items() if value), *lines])
    (folder / "ct.nrrd").write_bytes(text.encode() + b"\n\n" + data)
    return folder / "ct.nrrd"


def files(folder, **contents):
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def linked(folder, name):
    """A file of the folder that is a link to one elsewhere."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / name).write_bytes(RAW)
    (folder / name).symlink_to(elsewhere / name)
    return folder


def placedNifti(path, scale=1.0, **fields):
    matrix = np.column_stack([np.diag([-0.7, -0.9, 2.5]), [-1, -2, 3]]) * scale
    return nifti(path, **{
        "srow": matrix, "qform_code": 0, "sform_code": 1,
        "pixdim": np.array([1, 0.7 * scale, 0.9 * scale, 2.5 * scale, 0, 0, 0, 0]), **fields})


def renamed(path, name):
    return path.rename(path.with_name(name))


def packed(path):
    path.write_bytes(gzip.compress(path.read_bytes()))
    return path


def movedVoxels(path, offset):
    data = path.read_bytes()
    path.write_bytes(data[:352] + bytes(offset - 352) + data[352:])
    return path
