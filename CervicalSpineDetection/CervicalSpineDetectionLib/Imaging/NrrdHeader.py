"""NRRD (teem.sourceforge.net/nrrd/format.html), with its voxels in the same file or in others beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.HeaderText import (
    MAXIMUM_FILES,
    MAXIMUM_LINE,
    NUMBER,
    numbers,
    patternNames,
    wholeNumbers,
)
from CervicalSpineDetectionLib.Imaging.ImageHeader import (
    UNORIENTED,
    ImageHeader,
    checkExtent,
    damaged,
    millimetres,
    noSpacing,
    straightened,
    voxelCount,
)
from CervicalSpineDetectionLib.Imaging.OpenFile import MAXIMUM_HEADER_BYTES, dataFile, openPlain
from CervicalSpineDetectionLib.Spine.Arrays import Array

NRRD_SUFFIXES = (".nrrd", ".nhdr")
MAGIC = re.compile(rb"NRRD000[1-5]\r?\n")
MAXIMUM_DIMENSION = 7
# Space -> what makes LPS of it.
PATIENT_SPACES = {
    "left-posterior-superior": (1, 1, 1), "lps": (1, 1, 1), "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1), "left-anterior-superior": (1, -1, 1), "las": (1, -1, 1),
}
TYPES = {
    "i1": ("signed char", "int8", "int8_t"), "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"), "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",), "f8": ("double",),
}
VOXEL_TYPES = {name: kind for kind, names in TYPES.items() for name in names}
ENCODINGS = {"raw": "", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
UNITS = {
    "": "mm", "mm": "mm", "millimeter": "mm", "millimeters": "mm", "millimetre": "mm", "cm": "cm", "centimeter": "cm",
    "m": "m", "meter": "m", "um": "µm", "µm": "µm", "μm": "µm", "micron": "µm", "micrometer": "µm",
}
ALIASES = {"datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip", "centerings": "centers"}
VECTOR = rf"\(\s*{NUMBER}\s*(?:,\s*{NUMBER}\s*)*\)"


def readNrrdHeader(path: Path) -> ImageHeader:
    """:return: ImageHeader. :raises InputError: not NRRD, not one 3D volume, or of a kind that isn't read."""
    fields, names, end = _fields(path)
    (dimension,) = wholeNumbers(path, fields.get("dimension", ""), 1)
    if not 1 <= dimension <= MAXIMUM_DIMENSION:
        raise damaged(path, "its number of dimensions makes no sense")
    size = wholeNumbers(path, fields.get("sizes", ""), dimension)
    steps, hasSpace = _steps(path, fields, dimension)
    components = voxelCount(tuple(length for length, step in zip(size, steps, strict=True) if step is None))
    size = checkExtent(path, tuple(length for length, step in zip(size, steps, strict=True) if step is not None),
                       components)
    matrix = _matrix(path, [step for step in steps if step is not None])
    kind = VOXEL_TYPES.get(fields.get("type", ""))
    if kind is None:
        raise damaged(path, "the kind of its voxels is unknown")
    if kind[1] != "1" and fields.get("endian") not in ("little", "big"):
        raise damaged(path, "it does not state its byte order")
    voxelType = np.dtype(kind).newbyteorder(">" if fields.get("endian") == "big" else "<")
    compression = ENCODINGS.get(fields.get("encoding", ""))
    if compression is None:
        raise InputError(f"{path} stores its voxels as text or in an unknown encoding; save it as raw or gzip.")
    files, offset = _data(path, fields, names, end, compression)
    spacing = np.linalg.norm(matrix, axis=0)
    factor, notes = millimetres(spacing, _unit(path, fields, hasSpace))
    toLps = np.array(PATIENT_SPACES.get(fields.get("space", ""), (1, 1, 1)))
    origin = toLps * _origin(path, fields) * factor if hasSpace else np.zeros(3)
    if not hasSpace or fields.get("space") not in PATIENT_SPACES:
        notes = (*notes, UNORIENTED)
    return straightened(ImageHeader(path, size, voxelType, spacing * factor, toLps[:, None] * matrix / spacing, origin,
                                    files, offset, compression=compression, notes=notes))


def _fields(path: Path) -> tuple[dict[str, str], list[str], int]:
    """:return: (fields by name in lower case, names of data files that follow them, byte behind the header)."""
    with openPlain(path) as file:
        start = file.read(MAXIMUM_HEADER_BYTES)
    if not MAGIC.match(start):
        raise damaged(path, "it is no NRRD file")
    end = re.search(rb"\r?\n\r?\n", start)
    if end is None and len(start) == MAXIMUM_HEADER_BYTES:
        raise damaged(path, "its header has no end")
    lines = start[: end.start() if end else None].decode("utf-8", "replace").replace("\r", "").split("\n")[1:]
    fields: dict[str, str] = {}
    for number, line in enumerate(lines):
        # Comments, and keys with values of a person's own, mean nothing here.
        match = re.match(r"([A-Za-z][A-Za-z ]{0,40}): (.*)", line)
        if not match:
            continue
        name = ALIASES.get(match[1].lower(), match[1].lower())
        if name in fields:
            raise damaged(path, "its header states something twice")
        value = match[2].strip()
        fields[name] = value if name in ("data file", "units", "space units") else value.lower()
        # A list of data files ends the header.
        if name == "data file" and value.startswith("LIST"):
            return fields, [one.strip() for one in lines[number + 1 :] if one.strip()], 0
    return fields, [], end.end() if end else 0


def _steps(path: Path, fields: Mapping[str, str], dimension: int) -> tuple[list[Array | None], bool]:
    """:return: (step along each axis, None for one that isn't an axis of space; whether by directions)."""
    directions = fields.get("space directions")
    if directions is not None:
        if len(directions) > MAXIMUM_LINE or not re.fullmatch(rf"({VECTOR}|none)(\s+({VECTOR}|none))*", directions):
            raise damaged(path, "the directions of its axes can't be read")
        steps = [None if text == "none" else _vector(path, text)
                 for text in re.findall(r"\([^)]*\)|none", directions)]
    else:
        # Without a spacing above 0 the axes are none the less axes.
        words = fields.get("spacings", "0 " * dimension).split()
        steps = [None if word == "nan" else max(numbers(path, word, 1)[0], 0) * np.eye(max(dimension, 3))[k]
                 for k, word in enumerate(words)]
    if len(steps) != dimension:
        raise damaged(path, "it has more or fewer directions than dimensions")
    if dimension == 3 and any(step is None for step in steps):
        raise noSpacing(path)
    return steps, directions is not None


def _matrix(path: Path, steps: list[Array]) -> Array:
    """Shape (3, 3), columns: step along each axis of space."""
    if any(len(step) < 3 for step in steps[:3]) or any(step[3:].any() for step in steps[:3]):
        raise damaged(path, "the directions of its axes can't be read")
    matrix = np.array([step[:3] for step in steps[:3]]).T
    if not (np.linalg.norm(matrix, axis=0) > 0).all():
        raise noSpacing(path)
    return matrix


def _vector(path: Path, text: str) -> Array:
    return numbers(path, text.strip("() ").replace(",", " "))


def _origin(path: Path, fields: Mapping[str, str]) -> Array:
    text = fields.get("space origin", "none")
    if text == "none":
        return np.zeros(3)
    if not re.fullmatch(VECTOR, text[:MAXIMUM_LINE]):
        raise damaged(path, "its origin can't be read")
    origin = _vector(path, text)
    if len(origin) < 3:
        raise damaged(path, "its origin can't be read")
    return origin[:3]


def _unit(path: Path, fields: Mapping[str, str], hasSpace: bool) -> str:
    text = fields.get("space units" if hasSpace else "units", "")
    found = {UNITS.get(unit.strip()) for unit in re.findall(r'"([^"]{0,40})"', text[:1000])} or {"mm"}
    if len(found) != 1 or None in found:
        raise InputError(f"{path} states its lengths in units that are none of mm, cm, m and um; correct the header.")
    return str(found.pop())


def _data(path: Path, fields: Mapping[str, str], names: list[str], end: int,
          compression: str) -> tuple[tuple[Path, ...], int]:
    """:return: (files with the voxels, byte where they begin in each, or -1)."""
    (skip,) = wholeNumbers(path, fields.get("byte skip", "0"), 1)
    if fields.get("line skip", "0") != "0" or skip < -1 or (compression and skip):
        raise InputError(f"{path} skips lines or bytes before its voxels in a way that isn't read; save it again.")
    stated = fields.get("data file")
    if stated is None:
        if not end:
            raise damaged(path, "its header has no end")
        return (path,), skip if skip < 0 else end + skip
    words = stated.split()
    if stated.startswith("LIST"):
        files = names
    elif len(words) > 3 and "%" in stated:
        files = patternNames(path, " ".join(words[:-3]), wholeNumbers(path, " ".join(words[-3:]), 3))
    else:
        files = [stated]
    if not files or len(files) > MAXIMUM_FILES or (compression and len(files) > 1):
        raise damaged(path, "its list of data files can't be read")
    return tuple(dataFile(path, name) for name in files), skip
