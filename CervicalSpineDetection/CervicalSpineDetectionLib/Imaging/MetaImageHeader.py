"""MetaImage (itk.org/Wiki/MetaIO/Documentation), with its voxels in the same file or in others beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.HeaderText import MAXIMUM_FILES, numbers, patternNames, wholeNumbers
from CervicalSpineDetectionLib.Imaging.ImageHeader import (
    UNORIENTED,
    ImageHeader,
    checkExtent,
    damaged,
    millimetres,
    noSpacing,
    straightened,
)
from CervicalSpineDetectionLib.Imaging.OpenFile import MAXIMUM_HEADER_BYTES, dataFile, openPlain
from CervicalSpineDetectionLib.Spine.Arrays import Array

METAIMAGE_SUFFIXES = (".mha", ".mhd")
VOXEL_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
UNITS = {"": "mm", "?": "mm", "mm": "mm", "cm": "cm", "um": "µm"}
# Other names of the same.
ALIASES = {
    "Rotation": "TransformMatrix", "Orientation": "TransformMatrix", "Position": "Offset", "Origin": "Offset",
    "ElementByteOrderMSB": "BinaryDataByteOrderMSB",
}
MAXIMUM_DIMENSION = 7


def readMetaImageHeader(path: Path) -> ImageHeader:
    """:return: ImageHeader. :raises InputError: not MetaImage, not one 3D volume, or of a kind that isn't read."""
    fields, names, end = _fields(path)
    (dimension,) = wholeNumbers(path, fields.get("NDims", ""), 1)
    if not 1 <= dimension <= MAXIMUM_DIMENSION:
        raise damaged(path, "its number of dimensions makes no sense")
    (components,) = wholeNumbers(path, fields.get("ElementNumberOfChannels", "1"), 1)
    if components < 1:
        raise damaged(path, "the kind of its voxels is unknown")
    size = checkExtent(path, wholeNumbers(path, fields.get("DimSize", ""), dimension), components)
    if not _isTrue(fields, "BinaryData"):
        raise InputError(f"{path} stores its voxels as text; save it again as binary data.")
    kind = VOXEL_TYPES.get(fields.get("ElementType", ""))
    if kind is None:
        raise damaged(path, "the kind of its voxels is unknown")
    voxelType = np.dtype(kind).newbyteorder(">" if _isTrue(fields, "BinaryDataByteOrderMSB") else "<")
    stated = fields.get("ElementSpacing", fields.get("ElementSize"))
    if stated is None:
        raise noSpacing(path)
    spacing = numbers(path, stated, dimension)[:3]
    unit = UNITS.get(fields.get("DistanceUnits", ""))
    if unit is None:
        raise InputError(f"{path} states its lengths in units that are none of mm, cm and um; correct the header.")
    factor, notes = millimetres(spacing, unit)
    direction, isOriented = _direction(path, fields, dimension)
    origin = numbers(path, fields["Offset"], dimension)[:3] if "Offset" in fields else np.zeros(3)
    compression = "zlib" if _isTrue(fields, "CompressedData") else ""
    files, offset = _data(path, fields, names, end, compression)
    return straightened(ImageHeader(path, size, voxelType, spacing * factor, direction, origin * factor, files, offset,
                                    compression=compression, notes=notes if isOriented else (*notes, UNORIENTED)))


def _fields(path: Path) -> tuple[dict[str, str], list[str], int]:
    """:return: (fields by name, lines behind the last of them, which names the data, byte behind it)."""
    with openPlain(path) as file:
        start = file.read(MAXIMUM_HEADER_BYTES)
    # What follows may be voxels.
    end = re.search(rb"(?m)^[ \t]*ElementDataFile[ \t]*=[^\n]*(\n|\Z)", start)
    if end is None:
        raise damaged(path, "it is no MetaImage file")
    fields: dict[str, str] = {}
    for line in _lines(start[: end.end()]):
        name, equals, value = line.partition("=")
        name = ALIASES.get(name.strip(), name.strip())
        # A person's own texts may have more lines than one.
        if not equals:
            continue
        if name in fields:
            raise damaged(path, "its header states something twice")
        fields[name] = value.strip()
    names = []
    if fields["ElementDataFile"].startswith("LIST"):
        if len(start) == MAXIMUM_HEADER_BYTES:
            raise damaged(path, "its list of data files can't be read")
        names = [line.strip() for line in _lines(start[end.end() :]) if line.strip()]
    return fields, names, end.end()


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", "replace").replace("\r", "").split("\n")


def _isTrue(fields: Mapping[str, str], name: str) -> bool:
    return fields.get(name, "")[:1].lower() in ("t", "1")


def _direction(path: Path, fields: Mapping[str, str], dimension: int) -> tuple[Array, bool]:
    """:return: (shape (3, 3), columns: directions of the axes; whether they are stated)."""
    if "TransformMatrix" not in fields:
        return np.eye(3), False
    matrix = numbers(path, fields["TransformMatrix"], dimension**2).reshape(dimension, dimension)
    axes = matrix[:3, :3].T
    lengths = np.linalg.norm(axes, axis=0)
    if not (lengths > 0).all() or not np.allclose(lengths, 1, atol=1e-2):
        raise damaged(path, "the directions of its axes can't be read")
    return axes / lengths, True


def _data(path: Path, fields: Mapping[str, str], names: list[str], end: int,
          compression: str) -> tuple[tuple[Path, ...], int]:
    """:return: (files with the voxels, byte where they begin in each, or -1)."""
    (skip,) = wholeNumbers(path, fields.get("HeaderSize", "0"), 1)
    stated = fields["ElementDataFile"]
    if skip < -1 or (compression and skip):
        raise damaged(path, "it does not say where its voxels begin")
    words = stated.split()
    if stated.upper() == "LOCAL":
        return (path,), skip if skip < 0 else end + skip
    if words and words[0] == "LIST":
        files = names
    elif len(words) > 1 and "%" in stated:
        # First number, last, step; the last are optional.
        pattern, bounds = words[0], wholeNumbers(path, " ".join(words[1:4]))
        if len(words) > 4:
            raise damaged(path, "the numbers of its data files make no sense")
        lastSlice = bounds[0] + wholeNumbers(path, fields["DimSize"])[2] - 1
        files = patternNames(path, pattern, (bounds + (lastSlice, 1)[len(bounds) - 1 :])[:3])
    else:
        files = [stated]
    if not files or len(files) > MAXIMUM_FILES or (compression and len(files) > 1):
        raise damaged(path, "its list of data files can't be read")
    return tuple(dataFile(path, name) for name in files), skip
