"""The voxels of image files, of which exactly as many are read as the header states."""

from __future__ import annotations

import bz2
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ImageHeader import ImageHeader, damaged
from CervicalSpineDetectionLib.Imaging.OpenFile import fileSize, openPlain
from CervicalSpineDetectionLib.Spine.Arrays import Array

unpacker: Any = zlib
with suppress(ImportError):
    # Takes three quarters of zlib's time (extra "slicer").
    from isal import isal_zlib

    unpacker = isal_zlib

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ByteStream: TypeAlias = io.RawIOBase | io.BufferedIOBase
# So much at a time: fits into a processor's cache, and no second copy of a large CT is needed.
SLAB_BYTES = 1 << 23
BLOCK_BYTES = 1 << 18
# Behind the voxels of a compressed file: padding, at most.
MAXIMUM_REST_BYTES = 1 << 24
# zlib makes no more of a byte (zlib.net/zlib_tech.html).
MAXIMUM_RATIO = 1032
GZIP = b"\x1f\x8b"


def readVoxels(header: ImageHeader) -> sitk.Image:
    """Voxels and geometry of a header.

    :return: sitk image in the type that is stored, or float32 where the header rescales.
    :raises InputError: fewer voxels than the header states, or compressed data that are damaged.
    """
    columns, rows, slices = header.size
    stored = header.voxelType
    native = stored.newbyteorder("=")
    rescaled = (header.slope, header.intercept) != (1.0, 0.0)
    pixelType = sitk.GetImageFromArray(np.zeros((1, 1, 1), np.float32 if rescaled else native)).GetPixelID()
    count = max(1, SLAB_BYTES // (columns * rows * stored.itemsize))
    with _voxelStream(header) as stream:
        # Not before it is known that a file can hold as many.
        image = sitk.Image(header.size, pixelType)
        for first in range(0, slices, count):
            slab = np.empty((min(count, slices - first), rows, columns), stored)
            _fill(stream, slab)
            if stored != native:
                slab = slab.astype(native)
            if rescaled:
                slab = (slab * np.float64(header.slope) + header.intercept).astype(np.float32)
            image[:, :, first : first + len(slab)] = sitk.GetImageFromArray(slab)
    image.SetSpacing(header.spacing.tolist())
    image.SetOrigin(header.origin.tolist())
    image.SetDirection(header.direction.ravel().tolist())
    return image


def _fill(stream: ByteStream, slab: Array) -> None:
    """:raises EOFError: fewer bytes than fit in."""
    view: memoryview = slab.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(view):
        count = stream.readinto(view[done : done + BLOCK_BYTES])
        if not count:
            raise EOFError
        done += count


@contextmanager
def _voxelStream(header: ImageHeader) -> Iterator[ByteStream]:
    try:
        if header.compression:
            with openPlain(header.files[0]) as file:
                if header.compression != "bzip2" and fileSize(file) * MAXIMUM_RATIO < header.byteCount:
                    raise EOFError
                file.seek(header.offset)
                stream = bz2.BZ2File(file) if header.compression == "bzip2" else _InflatedFile(file)
                _skip(stream, header.packedOffset)
                yield stream
                _readRest(header, stream)
        else:
            with _PartsFile(header) as parts:
                yield parts
    except InputError:
        raise
    except EOFError:
        raise damaged(header.path, "it holds fewer voxels than its header states") from None
    except (zlib.error, unpacker.error):
        raise damaged(header.path, "its compressed data can't be unpacked") from None
    except OSError as error:
        # bz2 knows no error of its own.
        if error.errno is None:
            raise damaged(header.path, "its compressed data can't be unpacked") from None
        raise


def _skip(stream: ByteStream, count: int) -> None:
    while count:
        block = stream.read(min(count, BLOCK_BYTES))
        if not block:
            raise EOFError
        count -= len(block)


def _readRest(header: ImageHeader, stream: ByteStream) -> None:
    """To the end, where the checksum is."""
    rest = 0
    while block := stream.read(BLOCK_BYTES):
        rest += len(block)
        if rest > MAXIMUM_REST_BYTES:
            raise InputError(f"{header.path} holds far more data than its header states; correct the header.")


class _InflatedFile(io.RawIOBase):
    """What zlib or gzip packed, as a file to read from. Python's own gzip reads in pieces so small that it takes twice
    as long."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._packed = file.read(BLOCK_BYTES)
        self._inflater = _inflater(self._packed)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        target = memoryview(buffer)
        while True:
            if self._inflater.eof:
                # gzip allows several members, one after the other, and padding.
                self._packed = self._inflater.unused_data
                if len(self._packed) < len(GZIP):
                    self._packed += self._file.read(BLOCK_BYTES)
                if not self._packed.startswith(GZIP):
                    return 0
                self._inflater = _inflater(GZIP)
            packed = self._inflater.unconsumed_tail or self._packed or self._file.read(BLOCK_BYTES)
            self._packed = b""
            if not packed:
                raise EOFError
            block = self._inflater.decompress(packed, len(target))
            if block:
                target[: len(block)] = block
                return len(block)


def _inflater(start: bytes) -> Any:
    """:param start: of the data, which tells which of both packed them."""
    return unpacker.decompressobj(zlib.MAX_WBITS | (16 if start.startswith(GZIP) else 0))


class _PartsFile(io.RawIOBase):
    """Uncompressed voxels of one file or several, as one file to read from."""

    def __init__(self, header: ImageHeader) -> None:
        """:raises EOFError: a file is too short for its share."""
        self._share, rest = divmod(header.byteCount, len(header.files))
        if rest:
            raise EOFError
        # All are looked at before anything is read.
        self._starts = []
        for path in header.files:
            with openPlain(path) as file:
                size = fileSize(file)
            start = size - self._share if header.offset < 0 else header.offset
            if start < 0 or size < start + self._share:
                raise EOFError
            self._starts.append((path, start))
        self._file: BinaryIO | None = None
        self._left = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        if not self._left and self._starts:
            path, start = self._starts.pop(0)
            self._closePart()
            self._file = openPlain(path)
            self._file.seek(start)
            self._left = self._share
        count = self._file.readinto(memoryview(buffer)[: self._left]) if self._file else 0  # type: ignore[attr-defined]
        self._left -= count
        return int(count)

    def close(self) -> None:
        self._closePart()
        super().close()

    def _closePart(self) -> None:
        if self._file:
            self._file.close()
