"""What the header of an image file says, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ImageChecks import (
    DIRECTION_TOLERANCE,
    FAR_AWAY,
    MAXIMUM_ORIGIN_MM,
    SHEARED,
    checkShape,
    isCtSpacing,
)
from CervicalSpineDetectionLib.Spine.Arrays import Array

# 1024 x 1024 x 1024: above any CT, and what fits into memory.
MAXIMUM_VOXELS = 1 << 30
# Six digits in a text or 32 bits in a binary header; what is further off right angles is told.
EXACT_DIRECTION = 1e-5
UNITS_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "µm": 0.001}
# 512 x 512 x 4096 in floating point.
MAXIMUM_BYTES = 1 << 32
UNORIENTED = "The file does not say how the image lies in the patient; if it is flipped, so are the results."
STRAIGHTENED = ("The header's axes are not quite at right angles (by {:.0e}); the nearest straight ones were taken, at "
                "most {:.2f} mm away.")
OTHER_UNIT = "The header states its lengths in {}, which can't be; they were taken as millimetres."


def damaged(path: Path, reason: str = "") -> InputError:
    """:return: the error to raise for a file that can't be what it seems. :param reason: to follow a colon."""
    return InputError(f"{path} is damaged or incomplete{f': {reason}' if reason else ''}; copy or export it again.")


def noSpacing(path: Path) -> InputError:
    """:return: the error to raise where the size of the voxels is unknown."""
    return InputError(f"{path} does not state its voxel spacing; correct the header or convert the CT again.")


@dataclass(frozen=True)
class ImageHeader:
    """Where the voxels of an image file are, and where they lie in the patient.

    :param path: the file that was asked for.
    :param size: voxels along each axis, the fastest first.
    :param voxelType: numpy type with its byte order, as stored.
    :param spacing: shape (3,), mm.
    :param direction: shape (3, 3), columns: direction of each axis, LPS.
    :param origin: shape (3,), centre of the first voxel, LPS mm.
    :param files: files with the voxels, one after the other, each with the same share of them.
    :param offset: byte where they begin in each, or their compressed data; -1: they end where the file ends.
    :param packedOffset: byte where they begin in what was compressed.
    :param compression: "gzip", "zlib", "bzip2" or "".
    :param slope: value in HU is slope * stored value + intercept.
    :param notes: sentences for the user.
    """

    path: Path
    size: tuple[int, ...]
    voxelType: np.dtype[Any]
    spacing: Array
    direction: Array
    origin: Array
    files: tuple[Path, ...]
    offset: int = 0
    packedOffset: int = 0
    compression: str = ""
    slope: float = 1.0
    intercept: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def byteCount(self) -> int:
        """Bytes of all voxels, unpacked."""
        return voxelCount(self.size) * self.voxelType.itemsize


def voxelCount(size: tuple[int, ...]) -> int:
    """Python's whole numbers don't overflow."""
    count = 1
    for length in size:
        count *= length
    return count


def checkExtent(path: Path, size: tuple[int, ...], components: int) -> tuple[int, ...]:
    """:return: size along three axes, without a fourth of one entry.

    :raises InputError: not one 3D volume of grey values, or larger than any CT.
    """
    if min(size) < 1:
        raise damaged(path)
    if voxelCount(size) * components > MAXIMUM_VOXELS:
        raise InputError(f"{path} states {' x '.join(map(str, size))} voxels, more than any CT has; correct the "
                         "header, or cut the CT to the neck.")
    while len(size) > 3 and size[-1] == 1:
        size = size[:-1]
    checkShape(size, components)
    return size


def millimetres(spacing: Array, unit: str) -> tuple[float, tuple[str, ...]]:
    """Some programs write the wrong unit beside the right numbers. Only one of both can be a CT.

    :param spacing: as stated.
    :param unit: of ``UNITS_MM``.
    :return: (mm of what the header takes for 1, sentences for the user).
    """
    factor = UNITS_MM[unit]
    if factor != 1 and isCtSpacing(spacing) and not isCtSpacing(spacing * factor):
        return 1.0, (OTHER_UNIT.format(unit),)
    return factor, ()


def straightened(header: ImageHeader) -> ImageHeader:
    """The header with axes exactly at right angles, or refused where they aren't meant to be.

    Headers round: a rotation of six digits is 1e-6 off, one that was resliced a few times 1e-4.

    :raises InputError: axes that are sheared, without a length, or away from any scanner.
    """
    if header.byteCount > MAXIMUM_BYTES:
        raise InputError(f"{header.path} states {header.byteCount / 2**30:.0f} GB of voxels, more than any CT; save it "
                         "as 16-bit numbers, or cut the CT to the neck.")
    if not all(np.isfinite(values).all() for values in (header.spacing, header.direction, header.origin)):
        raise damaged(header.path, "numbers of its header are not finite")
    if not (header.spacing > 0).all():
        raise noSpacing(header.path)
    if np.abs(header.origin).max() > MAXIMUM_ORIGIN_MM:
        raise InputError(FAR_AWAY)
    off = np.abs(header.direction.T @ header.direction - np.eye(3)).max()
    if not off <= DIRECTION_TOLERANCE:
        raise InputError(SHEARED)
    left, _, right = np.linalg.svd(header.direction)
    straight = left @ right
    away = np.abs(straight - header.direction) @ (header.spacing * header.size)
    notes = (STRAIGHTENED.format(off, np.linalg.norm(away)),) if off > EXACT_DIRECTION else ()
    return replace(header, direction=straight, notes=(*header.notes, *notes))
