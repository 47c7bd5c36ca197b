"""Pixels of DICOM slices in HU: exactly as many as the header states, each read once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.Decoders import Decoders
from CervicalSpineDetectionLib.Imaging.DicomCompressed import decodedPixels
from CervicalSpineDetectionLib.Imaging.DicomHeader import DicomHeader, damagedDicom, plainContent
from CervicalSpineDetectionLib.Imaging.ImageHeader import MAXIMUM_VOXELS
from CervicalSpineDetectionLib.Imaging.OpenFile import fileSize, openPlain
from CervicalSpineDetectionLib.Spine.Arrays import Array

# Reading a file and converting its pixels leave the interpreter free, so that threads help; more than these don't.
THREADS = 4
# Pixels along a side of a slice; a large one has 2048.
MAXIMUM_SIDE = 8192
SLAB_SLICES = 16
# A slice that is deflated as a whole is smaller than one that isn't.
MAXIMUM_DEFLATED_BYTES = 1 << 28
# A rescale intercept that changes by this between neighbours, and the values with it, belongs to one of them only.
INTERCEPT_JUMP_HU = 200
# A slice is like its neighbour: of what the intercept changes, no more than this remains in a typical value.
JUMP_SHARE = 0.25


def readSlices(slices: Sequence[DicomHeader]) -> sitk.Image:
    """:param slices: headers in order, all of the same size.

    :return: sitk image in HU, without geometry: int16 where all values are such numbers, which is half of the memory
        and faster from here on, else float32.
    :raises InputError: pixels are missing, damaged, or in a kind that isn't read.
    """
    rows, columns = slices[0].rows, slices[0].columns
    if max(rows, columns) > MAXIMUM_SIDE or rows * columns * len(slices) > MAXIMUM_VOXELS:
        raise InputError(f"The DICOM series has {columns} x {rows} x {len(slices)} voxels, more than any CT; export "
                         "the neck alone.")
    checkRescale(slices)
    with Decoders() as decoders:
        try:
            return _imageOf(slices, np.int16, decoders)
        except _NoInt16:
            return _imageOf(slices, np.float32, decoders)


class _NoInt16(Exception):
    """A slice holds a value that is no whole number, or too large for 16 bits."""


def _imageOf(slices: Sequence[DicomHeader], kind: type[np.generic], decoders: Decoders) -> sitk.Image:
    """:raises _NoInt16: ``kind`` is int16, and it can't hold all values."""
    rows, columns = slices[0].rows, slices[0].columns
    image = sitk.Image((columns, rows, len(slices)), sitk.sitkInt16 if kind is np.int16 else sitk.sitkFloat32)
    typical = []
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        for first in range(0, len(slices), SLAB_SLICES):
            part = slices[first : first + SLAB_SLICES]
            slab = np.empty((len(part), rows, columns), kind)
            typical += pool.map(partial(_readSlice, decoders), part, slab)
            image[:, :, first : first + len(part)] = sitk.GetImageFromArray(slab)
    _checkJumps(slices, np.array(typical))
    return image


def checkRescale(slices: Sequence[DicomHeader]) -> None:
    """:raises InputError: what is stored can't be made HU."""
    others = sorted({header.otherValues for header in slices} - {""})
    if others:
        raise InputError(f"The DICOM series holds {' and '.join(others)} values (rescale type) instead of HU; give the "
                         "original CT.")
    if any(header.hasTable for header in slices):
        raise InputError("The values of the DICOM series become HU by a table (modality LUT), which is not read; "
                         "export it with rescale slope and intercept.")
    if any(header.slope is not None and header.slope <= 0 for header in slices):
        raise InputError("The DICOM series states a rescale slope of 0 or below, which no CT has; export the original "
                         "CT.")
    for values in ([header.slope for header in slices], [header.intercept for header in slices]):
        missing = sum(value is None for value in values)
        if 0 < missing < len(slices):
            raise InputError(f"{missing} of {len(slices)} slices of the DICOM series do not state how their values "
                             "become HU (rescale intercept and slope); export the original CT.")


def _checkJumps(slices: Sequence[DicomHeader], typical: Array) -> None:
    """:raises InputError: values jump where the intercept does.

    :param typical: a value of each slice that differs little from that of its neighbours.
    """
    change = np.diff([header.intercept or 0.0 for header in slices])
    off = np.abs(np.diff(typical) - change) < JUMP_SHARE * np.abs(change)
    if np.any(off & (np.abs(change) > INTERCEPT_JUMP_HU)):
        raise InputError("The rescale intercept of the DICOM series changes from slice to slice, and the values jump "
                         "with it: the header of some slices is wrong; export the original CT.")


def _readSlice(decoders: Decoders, header: DicomHeader, out: Array) -> float:
    """:param out: shape (rows, columns), int16 or float32; is filled with HU. :return: a typical value."""
    if out.dtype == np.int16:
        out[:] = _wholeHu(header, decoders)
    else:
        toHu(pixelsOf(header, decoders), header.slope, header.intercept, out)
    return float(np.median(out[::8, ::8]))


def _wholeHu(header: DicomHeader, decoders: Decoders) -> Array:
    """HU as whole numbers, any type. :raises _NoInt16: int16 can't hold them."""
    intercept = header.intercept or 0.0
    if header.slope not in (None, 1.0) or not float(intercept).is_integer():
        raise _NoInt16
    values = pixelsOf(header, decoders)
    limits = np.iinfo(np.int16)
    if not limits.min <= values.min() + intercept <= values.max() + intercept <= limits.max:
        raise _NoInt16
    return np.asarray(values + np.int32(intercept))


def pixelsOf(header: DicomHeader, decoders: Decoders) -> Array:
    """:return: stored values, shape (rows, columns), or (frames, rows, columns) of several frames.

    :raises InputError: fewer than the header states, damaged, or in a kind that isn't read.
    """
    pixelType(header)
    return storedValues(header, plainPixels(header)) if header.isPlain else decodedPixels(header, decoders)


def toHu(values: Array, slope: float | None, intercept: float | None, out: Array) -> None:
    """:param values: stored values. :param out: float32, same shape; is filled."""
    if slope in (None, 1.0):
        np.add(values, np.float32(intercept or 0.0), out=out, casting="unsafe")
    else:
        out[:] = values * np.float64(slope or 1.0) + (intercept or 0.0)


def pixelType(header: DicomHeader) -> np.dtype[np.generic]:
    """:raises InputError: a width that isn't read."""
    if header.bitsAllocated not in (8, 16, 32) or not 1 <= header.bitsStored <= header.bitsAllocated or not (
            header.bitsStored - 1 <= header.highBit < header.bitsAllocated):
        raise damagedDicom(header.path)
    return np.dtype(f"{header.order}{'i' if header.isSigned else 'u'}{header.bitsAllocated // 8}")


def plainPixels(header: DicomHeader) -> Array:
    """:return: as stored, shape (rows, columns), or (frames, rows, columns) of several frames.

    :raises InputError: fewer than the header states.
    """
    kind = pixelType(header)
    count = header.rows * header.columns * header.frames
    length = count * kind.itemsize
    if header.pixelBytes < length:
        raise damagedDicom(header.path)
    if header.isDeflated:
        content = _inflatedPixels(header, length)
    else:
        with openPlain(header.path) as file:
            file.seek(header.pixelOffset)
            content = file.read(length)
    if len(content) < length:
        raise damagedDicom(header.path)
    pixels = np.frombuffer(content, kind).reshape(header.frames, header.rows, header.columns)
    return pixels if header.frames > 1 else pixels[0]


def _inflatedPixels(header: DicomHeader, length: int) -> bytes:
    """No more is inflated than the pixels need."""
    end = header.pixelOffset + length
    with openPlain(header.path) as file:
        packed = file.read(min(fileSize(file), MAXIMUM_DEFLATED_BYTES))
    return plainContent(header.path, packed, end)[header.pixelOffset : end]


def storedValues(header: DicomHeader, pixels: Array) -> Array:
    """The bits of each pixel that hold its value (DICOM PS3.5 8.1.1).

    :raises InputError: the header says that they are others than they are.
    """
    unused = header.highBit + 1 - header.bitsStored
    if not unused:
        return pixels
    # Old files keep overlays in the bits below; where values lie, the header tells.
    isBelow = bool((pixels & ((1 << unused) - 1)).any())
    isAbove = bool((pixels >> header.bitsStored).any())
    if isBelow and not isAbove:
        raise InputError(f"The DICOM file {header.path.name} contradicts itself about the bits of its pixels (bits "
                         "stored and high bit); export the original CT.")
    width = header.bitsAllocated - 1 - header.highBit
    # Shifted up first, so that the highest bit is that of the value, and its sign where it has one.
    return np.asarray((pixels << width) >> (width + unused))
