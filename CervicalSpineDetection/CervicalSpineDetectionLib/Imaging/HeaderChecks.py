"""What ITK accepts without a word in NIfTI, NRRD and MetaImage files, and gets wrong."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ImageChecks import NOT_FINITE
from CervicalSpineDetectionLib.Spine.Arrays import Array

NIFTI_SUFFIXES = (".nii", ".nii.gz")
NRRD_SUFFIXES = (".nrrd", ".nhdr")
METAIMAGE_SUFFIXES = (".mha", ".mhd")
PATIENT_SPACES = ("left-posterior-superior", "right-anterior-superior", "left-anterior-superior")
SHAPE_TOLERANCE = 1e-3
# The real part of a quaternion is known to 3e-4 only where it is small: 0.3 mm at the far end of a large CT.
PLACEMENT_TOLERANCE_MM = 1.0
# Fields of nifti1.h (NIfTI-1 standard) by byte offset.
NIFTI_FIELDS = {
    "sizeof_hdr": ("i4", 0), "dim": ("8i2", 40), "datatype": ("i2", 70), "bitpix": ("i2", 72), "pixdim": ("8f4", 76),
    "vox_offset": ("f4", 108), "qform_code": ("i2", 252), "sform_code": ("i2", 254), "quatern": ("3f4", 256),
    "qoffset": ("3f4", 268), "srow": ("(3,4)f4", 280),
}
NIFTI_1 = np.dtype({
    "names": list(NIFTI_FIELDS), "formats": [kind for kind, _ in NIFTI_FIELDS.values()],
    "offsets": [offset for _, offset in NIFTI_FIELDS.values()], "itemsize": 348,
})
HEADER_BYTES = 1 << 16
BLOCK_BYTES = 1 << 20
# 1024 x 1024 x 2048: far above any CT, and what fits into memory.
MAXIMUM_VOXELS = 1 << 31
MAXIMUM_BYTES = 1 << 34
NO_SPACING = "does not state its voxel spacing; correct the header or convert the CT again."
UNORIENTED = "The file does not say how the image lies in the patient; if it is flipped, so are the results."
TWO_PLACES = ("The file states two different places of the image in the patient (qform and sform); the one 3D Slicer "
              "uses was taken.")


def checkSafe(path: Path) -> None:
    """Check a file before ITK looks at it at all.

    ITK's MetaImage reader crashes where NDims is negative, and has room for ten.

    :param path: Path of a NIfTI, NRRD or MetaImage file.
    :raises InputError: it would.
    """
    if path.name.lower().endswith(METAIMAGE_SUFFIXES):
        dimensions = re.findall(rb"NDims\s*[=:]([^\r\n]*)", _start(path))
        if not all(re.fullmatch(rb"\s*[1-9]\s*", number) for number in dimensions):
            raise InputError(f"{path} is damaged or incomplete; copy or export it again.")


def checkHeader(path: Path, reader: sitk.ImageFileReader) -> list[str]:
    """Check a file before its voxels are read.

    :param path: Path of a NIfTI, NRRD or MetaImage file.
    :param reader: sitk.ImageFileReader that has read the image information of the file.
    :return: list of warnings for the user.
    :raises InputError: data or spacing are missing, the file contradicts itself about the voxels' shape, or is larger
        than any CT.
    """
    if np.prod(reader.GetSize(), dtype=float) * reader.GetNumberOfComponents() > MAXIMUM_VOXELS:
        raise InputError(f"{path} states {' x '.join(map(str, reader.GetSize()))} voxels, more than any CT has; "
                         "correct the header, or cut the CT to the neck.")
    if path.name.lower().endswith(NIFTI_SUFFIXES):
        return _checkNifti(path, reader)
    if path.name.lower().endswith(NRRD_SUFFIXES):
        return _checkNrrd(path, reader)
    return _checkMetaImage(path)


def _checkNifti(path: Path, reader: sitk.ImageFileReader) -> list[str]:
    """ITK fills missing data with whatever memory holds, takes spacings of 0 as 1, and the spacing from ``pixdim``
    even where the sform it takes the axes from states another."""
    start, length = _niftiContent(path)
    header = _niftiHeader(start)
    if header is None:
        raise InputError(f"{path} is no NIfTI-1 file; convert it to NIfTI-1 or NRRD.")
    voxels = np.prod(np.maximum(header["dim"][1:], 1), dtype=float)
    if length < header["vox_offset"] + voxels * header["bitpix"] / 8:
        raise InputError(f"{path} is incomplete; copy or export it again.")
    _checkFinite(path, header)
    if reader.GetDimension() < 3:
        return []
    spacing = np.abs(header["pixdim"][1:4].astype(float))
    if not np.all(spacing > 0):
        raise InputError(f"{path} {NO_SPACING}")
    stated = []
    if header["sform_code"] > 0:
        edges = header["srow"][:, :3] / spacing
        if not np.allclose(edges.T @ edges, np.eye(3), atol=SHAPE_TOLERANCE):
            raise InputError(f"{path} contradicts itself about spacing or angles of its voxels (pixdim and sform); "
                             "convert the CT again.")
        stated.append(header["srow"])
    if header["qform_code"] > 0:
        stated.append(_qform(header, spacing))
    if not stated:
        return [UNORIENTED]
    # As stated[i]: columns are mm per voxel along the image axes, and the first voxel, in RAS.
    axes = np.reshape(reader.GetDirection(), [reader.GetDimension()] * 2)[:3, :3]
    taken = np.diag([-1, -1, 1]) @ np.column_stack([axes * reader.GetSpacing()[:3], reader.GetOrigin()[:3]])
    extent = [*reader.GetSize()[:3], 1]
    apart = [np.linalg.norm(form - taken, axis=0) @ extent for form in stated]
    return [TWO_PLACES] if not np.all(np.array(apart) < PLACEMENT_TOLERANCE_MM) else []


def _checkFinite(path: Path, header: Any) -> None:
    """ITK's reader makes NaN and infinite values 0, the HU of water."""
    sizes = {16: 4, 64: 8}
    if int(header["datatype"]) not in sizes:
        return
    numbers = np.dtype(f"{header.dtype['vox_offset'].byteorder}f{sizes[int(header['datatype'])]}")
    with (gzip.open if path.name.lower().endswith(".gz") else open)(path, "rb") as file:
        file.seek(int(header["vox_offset"]))
        left = int(np.prod(np.maximum(header["dim"][1:], 1), dtype=float)) * numbers.itemsize
        while left > 0 and (block := file.read(min(left, BLOCK_BYTES))):
            left -= len(block)
            if not np.isfinite(np.frombuffer(block, numbers)).all():
                raise InputError(NOT_FINITE)


def _niftiHeader(start: bytes) -> Any:
    """Fields of ``NIFTI_1``, or None. The length it states of itself tells its byte order."""
    for kind in (NIFTI_1.newbyteorder("<"), NIFTI_1.newbyteorder(">")):
        headers = np.frombuffer(start, kind)
        if len(headers) and headers[0]["sizeof_hdr"] == NIFTI_1.itemsize:
            return headers[0]
    return None


def _qform(header: Any, spacing: Array) -> Array:
    """Shape (3, 4), from the quaternion."""
    b, c, d = header["quatern"].astype(float)
    a = np.sqrt(max(0.0, 1 - b * b - c * c - d * d))
    first = np.array([a * a + b * b - c * c - d * d, 2 * (b * c + a * d), 2 * (b * d - a * c)])
    second = np.array([2 * (b * c - a * d), a * a + c * c - b * b - d * d, 2 * (c * d + a * b)])
    third = np.cross(first, second) * (-1 if header["pixdim"][0] < 0 else 1)
    return np.column_stack([first * spacing[0], second * spacing[1], third * spacing[2], header["qoffset"]])


def _niftiContent(path: Path) -> tuple[bytes, int]:
    """The header's bytes, and the length of the file, uncompressed."""
    if not path.name.lower().endswith(".gz"):
        return _start(path)[:NIFTI_1.itemsize], path.stat().st_size
    try:
        with gzip.open(path) as file:
            start = file.read(NIFTI_1.itemsize)
            length = len(start)
            while length < MAXIMUM_BYTES and (block := file.read(BLOCK_BYTES)):
                length += len(block)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise InputError(f"{path} is damaged or incomplete (gzip); copy or export it again.") from None
    return start, length


def _checkNrrd(path: Path, reader: sitk.ImageFileReader) -> list[str]:
    """ITK takes 1 mm where no spacing is stated."""
    header = re.split(rb"\r?\n\r?\n", _start(path))[0]
    if reader.GetDimension() > 2 and not re.search(rb"(?m)^(spacings|space directions):", header):
        raise InputError(f"{path} {NO_SPACING}")
    space = reader.GetMetaData("NRRD_space") if reader.HasMetaDataKey("NRRD_space") else None
    return [] if space in PATIENT_SPACES else [UNORIENTED]


def _checkMetaImage(path: Path) -> list[str]:
    """ITK takes 1 mm where no spacing is stated, and keeps whatever memory holds where decompression fails."""
    header, _, rest = _start(path).partition(b"ElementDataFile")
    fields = dict(re.findall(rb"(?m)^\s*(\w+)\s*=[ \t]*(.*?)[ \t\r]*$", header))
    if fields.get(b"NDims") not in (b"1", b"2") and not {b"ElementSpacing", b"ElementSize"} & set(fields):
        raise InputError(f"{path} {NO_SPACING}")
    if fields.get(b"CompressedData", b"").lower() == b"true":
        line = rest.split(b"\n")[0]
        name = line.strip(b" =\t\r").decode(errors="replace")
        if "\0" in name:
            raise InputError(f"{path} is damaged or incomplete; copy or export it again.")
        if name.upper() == "LOCAL":
            _checkInflates(path, path, len(header) + len(b"ElementDataFile") + len(line) + 1)
        else:
            _checkInflates(path, path.parent / name, 0)
    return [] if {b"TransformMatrix", b"Rotation", b"Orientation"} & set(fields) else [UNORIENTED]


def _checkInflates(path: Path, dataPath: Path, offset: int) -> None:
    """Data that end too early ITK refuses itself."""
    inflater = zlib.decompressobj()
    try:
        with open(dataPath, "rb") as file:
            file.seek(offset)
            length = 0
            while length < MAXIMUM_BYTES and (block := inflater.unconsumed_tail or file.read(BLOCK_BYTES)):
                length += len(inflater.decompress(block, BLOCK_BYTES))
    except zlib.error:
        raise InputError(f"{path} is damaged (zlib); copy or export it again.") from None


def _start(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(HEADER_BYTES)
