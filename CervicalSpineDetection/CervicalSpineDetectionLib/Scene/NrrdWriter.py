"""A CT as NRRD, packed as fast as the processor can: most of the time of writing a scene goes into its CT."""

from __future__ import annotations

import collections
import os
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any

from CervicalSpineDetectionLib.Imaging.VoxelArray import VoxelArray
from CervicalSpineDetectionLib.ProcessTuning import threadCount

try:
    # Four times as fast as zlib's fastest level, and as small as its usual one; its checksum six times (extra
    # "slicer").
    from isal import isal_zlib as packer
except ImportError:
    import zlib as packer  # type: ignore[no-redef]

if TYPE_CHECKING:
    import SimpleITK as sitk

LEVEL = 1  # the fastest that still looks for repetitions, in both

# numpy's name of a voxel -> NRRD's.
TYPES = {"int8": "signed char", "uint8": "unsigned char", "int16": "short", "uint16": "unsigned short", "int32": "int",
         "uint32": "unsigned int", "int64": "longlong", "uint64": "ulonglong", "float32": "float", "float64": "double"}
PIECE_BYTES = 1 << 22
MOST_THREADS = 4
# Deflate, no name, no date (a result has no patient's date), fastest, unknown system.
GZIP_HEADER = struct.pack("<2sBBIBB", b"\x1f\x8b", 8, 0, 0, 4, 255)


def writeNrrd(stream: IO[bytes], image: sitk.Image) -> None:
    """Write a gzip-packed NRRD file with the geometry in LPS.

    :param stream: binary, to be written to.
    :param image: 3D, one component.
    :raises OSError: no room.
    """
    volume = VoxelArray.ofImage(image)
    stream.write(_header(volume).encode())
    for piece in gzipped(volume.voxels.data.cast("B")):
        stream.write(piece)


def _header(volume: VoxelArray) -> str:
    sizes = volume.voxels.shape[::-1]
    axes = range(len(sizes))
    directions = [tuple(volume.direction[row * 3 + axis] * volume.spacing[axis] for row in axes) for axis in axes]
    return "\n".join([
        "NRRD0004",
        f"type: {TYPES[volume.voxels.dtype.name]}",
        f"dimension: {len(sizes)}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, sizes))}",
        f"space directions: {' '.join(map(_vector, directions))}",
        f"kinds: {' '.join(['domain'] * len(sizes))}",
        f"endian: {sys.byteorder}",
        "encoding: gzip",
        f"space origin: {_vector(volume.origin)}",
    ]) + "\n\n"


def _vector(numbers: tuple[float, ...]) -> str:
    return "(" + ",".join(repr(float(number)) for number in numbers) + ")"


def gzipped(data: memoryview) -> Iterator[bytes]:
    """One gzip stream, its pieces packed side by side on several threads.

    :param data: bytes.
    :return: parts of the stream in order.
    """
    threads = min(threadCount(), MOST_THREADS)
    starts = range(0, max(len(data), 1), PIECE_BYTES)
    waiting: collections.deque[Any] = collections.deque()
    yield GZIP_HEADER
    checksum = 0
    with ThreadPoolExecutor(threads) as pool:
        for start in starts:
            piece = data[start : start + PIECE_BYTES]
            waiting.append(pool.submit(_packed, piece, start == starts[-1]))
            checksum = packer.crc32(piece, checksum)
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        for packed in waiting:
            yield packed.result()
    yield struct.pack("<II", checksum, len(data) & 0xFFFFFFFF)


def _packed(piece: memoryview, isLast: bool) -> bytes:
    """Deflate without header; a piece ends on a byte and refers to nothing before it."""
    packing = packer.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return bytes(packing.compress(piece) + packing.flush(zlib.Z_FINISH if isLast else zlib.Z_FULL_FLUSH))


class PackedCt:
    """A CT that is packed in the background, into a file without a name that goes with this object.

    :param folder: on the disk that it is copied to later.
    """

    def __init__(self, image: sitk.Image, folder: str | os.PathLike[str]) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)
        self._pool = ThreadPoolExecutor(1)
        self._packing = self._pool.submit(writeNrrd, self._file, image)

    def copyTo(self, stream: IO[bytes]) -> None:
        """:raises OSError: there is no room, here or there."""
        self._packing.result()
        self._file.seek(0)
        shutil.copyfileobj(self._file, stream, PIECE_BYTES)

    def close(self) -> None:
        """Wait until it is packed, and give up the file."""
        self._pool.shutdown()
        self._file.close()
