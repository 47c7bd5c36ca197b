"""NIfTI-1 (nifti.nimh.nih.gov/nifti-1), one file with header and voxels, gzipped or not."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ImageHeader import (
    UNORIENTED,
    ImageHeader,
    checkExtent,
    damaged,
    millimetres,
    noSpacing,
    straightened,
)
from CervicalSpineDetectionLib.Imaging.OpenFile import openPlain
from CervicalSpineDetectionLib.Spine.Arrays import Array

NIFTI_SUFFIXES = (".nii", ".nii.gz")
# Fields of nifti1.h by byte offset.
NIFTI_FIELDS = {
    "sizeof_hdr": ("i4", 0), "dim": ("8i2", 40), "datatype": ("i2", 70), "bitpix": ("i2", 72), "pixdim": ("8f4", 76),
    "vox_offset": ("f4", 108), "scl_slope": ("f4", 112), "scl_inter": ("f4", 116), "xyzt_units": ("u1", 123),
    "qform_code": ("i2", 252), "sform_code": ("i2", 254), "quatern": ("3f4", 256), "qoffset": ("3f4", 268),
    "srow": ("(3,4)f4", 280), "magic": ("S4", 344),
}
NIFTI_1 = np.dtype({
    "names": list(NIFTI_FIELDS), "formats": [kind for kind, _ in NIFTI_FIELDS.values()],
    "offsets": [offset for _, offset in NIFTI_FIELDS.values()], "itemsize": 348,
})
# datatype -> (numpy type, numbers a voxel).
DATA_TYPES = {
    2: ("u1", 1), 4: ("i2", 1), 8: ("i4", 1), 16: ("f4", 1), 32: ("c8", 2), 64: ("f8", 1), 128: ("u1", 3),
    256: ("i1", 1), 512: ("u2", 1), 768: ("u4", 1), 1024: ("i8", 1), 1280: ("u8", 1), 1792: ("c16", 2), 2304: ("u1", 4),
}
# The lowest three bits of xyzt_units. Without a unit they are millimetres.
UNITS = {0: "mm", 1: "m", 2: "mm", 3: "µm"}
GZIP = b"\x1f\x8b"
# Header, and four bytes that say whether extensions follow.
FIRST_VOXEL = 352
SCANNER = 1  # NIFTI_XFORM_SCANNER_ANAT
SHAPE_TOLERANCE = 1e-3
# The real part of a quaternion is known to 3e-4 only where it is small: 0.3 mm at the far end of a large CT.
PLACEMENT_TOLERANCE_MM = 1.0
TWO_PLACES = ("The file states two different places of the image in the patient (qform and sform); the one 3D Slicer "
              "uses was taken.")
TO_LPS = np.array([[-1.0], [-1.0], [1.0]])


def readNiftiHeader(path: Path) -> ImageHeader:
    """:return: ImageHeader.

    :raises InputError: not NIfTI-1, not one 3D volume, or contradicting itself about the voxels' shape.
    """
    fields, compression = _fields(path)
    dimension = int(fields["dim"][0])
    if not 1 <= dimension <= 7:
        raise damaged(path)
    kind, components = DATA_TYPES.get(int(fields["datatype"]), ("u1", 0))
    voxelType = np.dtype(kind).newbyteorder(fields.dtype["vox_offset"].byteorder)
    if not components or fields["bitpix"] != 8 * voxelType.itemsize * (components if kind == "u1" else 1):
        raise damaged(path, "the kind of its voxels is unknown")
    size = checkExtent(path, tuple(map(int, fields["dim"][1 : dimension + 1])), components)
    spacing = np.abs(fields["pixdim"][1:4].astype(float))
    if not (spacing > 0).all():
        raise noSpacing(path)
    factor, notes = millimetres(spacing, UNITS.get(int(fields["xyzt_units"]) & 7, "mm"))
    place, notesOfPlace = _place(path, fields, spacing, np.array([*size, 1]) * factor)
    offset = _offset(path, fields)
    slope, intercept = _rescale(path, fields)
    return straightened(ImageHeader(
        path, size, voxelType, spacing * factor, place[:, :3] / spacing, place[:, 3] * factor, (path,),
        0 if compression else offset, offset if compression else 0, compression, slope, intercept,
        notes + notesOfPlace))


def _fields(path: Path) -> tuple[Any, str]:
    """Fields of ``NIFTI_1``, and the compression, which the name may not tell."""
    with openPlain(path) as file:
        compression = "gzip" if file.read(len(GZIP)) == GZIP else ""
        file.seek(0)
        try:
            start = (gzip.GzipFile(fileobj=file) if compression else file).read(NIFTI_1.itemsize)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise damaged(path, "its compressed data can't be unpacked") from None
    # The length that a header states of itself tells its byte order.
    for kind in (NIFTI_1.newbyteorder("<"), NIFTI_1.newbyteorder(">")):
        headers = np.frombuffer(start, kind) if len(start) == kind.itemsize else []
        if len(headers) and headers[0]["sizeof_hdr"] == NIFTI_1.itemsize:
            if headers[0]["magic"] != b"n+1":
                raise InputError(f"{path} is a NIfTI header without voxels or an Analyze file; convert it to one file "
                                 "of NIfTI-1 (.nii.gz).")
            return headers[0], compression
    if len(start) >= 4 and {start[:4], start[3::-1]} & {(540).to_bytes(4, "little")}:
        raise InputError(f"{path} is NIfTI-2; convert it to NIfTI-1 or NRRD.")
    raise damaged(path, "it is no NIfTI-1 file")


def _offset(path: Path, fields: Any) -> int:
    offset = float(fields["vox_offset"])
    if offset == 0:
        return FIRST_VOXEL
    # Behind the voxels' offset there is nothing but voxels; before it at most some MB of extensions.
    if not (FIRST_VOXEL <= offset < 1 << 30) or offset != int(offset):
        raise damaged(path, "it does not say where its voxels begin")
    return int(offset)


def _rescale(path: Path, fields: Any) -> tuple[float, float]:
    """Slope and intercept; a slope of 0, or numbers that are none, mean neither (nifti1.h)."""
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope < 0:
        raise InputError(f"{path} states a negative slope (scl_slope), which turns its values upside down; convert the "
                         "CT again.")
    return (slope, intercept) if slope and np.isfinite([slope, intercept]).all() else (1.0, 0.0)


def _place(path: Path, fields: Any, spacing: Array, extent: Array) -> tuple[Array, tuple[str, ...]]:
    """Where the image lies.

    :param spacing: shape (3,), in the header's unit.
    :param extent: shape (4,), voxels along each axis, and 1, in mm of that unit.
    :return: (shape (3, 4), columns: step along each axis, first voxel, LPS in the header's unit; notes).
    """
    sform, qform = None, None
    if fields["sform_code"] > 0:
        sform = fields["srow"].astype(float)
        edges = sform[:, :3] / spacing
        if not np.allclose(edges.T @ edges, np.eye(3), atol=SHAPE_TOLERANCE):
            raise InputError(f"{path} contradicts itself about spacing or angles of its voxels (pixdim and sform); "
                             "convert the CT again.")
        # Its directions; the spacing is stated by both.
        sform[:, :3] *= spacing / np.linalg.norm(sform[:, :3], axis=0)
    if fields["qform_code"] > 0:
        qform = _qform(fields, spacing)
    forms = [form for form in (sform, qform) if form is not None]
    if not forms:
        return np.column_stack([np.diag(spacing), np.zeros(3)]), (UNORIENTED,)
    # As 3D Slicer does.
    taken = qform if qform is not None and fields["sform_code"] != SCANNER else forms[0]
    apart = [np.linalg.norm(form - taken, axis=0) @ extent for form in forms]
    return TO_LPS * taken, () if np.all(np.array(apart) < PLACEMENT_TOLERANCE_MM) else (TWO_PLACES,)


def _qform(fields: Any, spacing: Array) -> Array:
    """Shape (3, 4), from the quaternion."""
    b, c, d = fields["quatern"].astype(float)
    a = np.sqrt(max(0.0, 1 - b * b - c * c - d * d))
    first = np.array([a * a + b * b - c * c - d * d, 2 * (b * c + a * d), 2 * (b * d - a * c)])
    second = np.array([2 * (b * c - a * d), a * a + c * c - b * b - d * d, 2 * (c * d + a * b)])
    third = np.cross(first, second) * (-1 if fields["pixdim"][0] < 0 else 1)
    return np.column_stack([first * spacing[0], second * spacing[1], third * spacing[2], fields["qoffset"]])
