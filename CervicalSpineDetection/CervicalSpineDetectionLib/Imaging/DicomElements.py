"""Which bytes of a DICOM file hold which element (PS3.5 chapter 7), up to its pixels.

A CT has hundreds of files of which a few elements are wanted; nothing is decoded that isn't, and nothing is trusted:
lengths lead at most to the end of what was read, sequences in each other at most ``MAXIMUM_DEPTH`` deep.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass

from CervicalSpineDetectionLib.Imaging.DicomUids import EXPLICIT_VR_BIG_ENDIAN

PREAMBLE_BYTES = 132
MAGIC = b"DICM"
# With two reserved bytes and four of length, where others have two.
LONG_REPRESENTATIONS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT",
                                  b"UV"))
REPRESENTATIONS = LONG_REPRESENTATIONS | frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
UNDEFINED_LENGTH = 0xFFFFFFFF
META_GROUP = 0x0002
TRANSFER_SYNTAX = 0x00020010
# Pixel data of whole numbers, and of floating-point ones.
PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_PIXEL_DATA = 0x7FE00010, 0x7FE00008, 0x7FE00009
ITEM, END_OF_ITEM, END_OF_SEQUENCE = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
MAXIMUM_DEPTH = 16
# Longest value that is wanted.
MAXIMUM_VALUE = 4096


@dataclass(frozen=True)
class Elements:
    """Elements of a file.

    :param values: tag -> bytes of its value.
    :param order: "<" or ">".
    :param end: byte behind the last element that was read whole; there the pixel data element begins.
    :param pixelOffset: byte where the value of the pixel data begins, 0 without.
    :param pixelBytes: their length, ``UNDEFINED_LENGTH`` of compressed ones.
    """

    values: dict[int, bytes]
    order: str
    end: int
    pixelOffset: int = 0
    pixelBytes: int = 0


class _Cursor:
    """Where in the content the next element begins."""

    def __init__(self, content: bytes, position: int) -> None:
        self.content = content
        self.position = position
        self.isExplicit = True
        self.order = "<"

    def next(self) -> tuple[int, int]:
        """Step over tag and length. :return: (tag, length). :raises struct.error: behind the end."""
        content, position, order = self.content, self.position, self.order
        group, element = struct.unpack_from(f"{order}HH", content, position)
        if group == 0xFFFE or not self.isExplicit:
            (length,) = struct.unpack_from(f"{order}I", content, position + 4)
            self.position = position + 8
        elif content[position + 4 : position + 6] in LONG_REPRESENTATIONS:
            (length,) = struct.unpack_from(f"{order}I", content, position + 8)
            self.position = position + 12
        else:
            (length,) = struct.unpack_from(f"{order}H", content, position + 6)
            self.position = position + 8
        return group << 16 | element, length

    def guess(self) -> None:
        """Some files say the one and do the other: what looks like a value representation is one."""
        self.isExplicit = self.content[self.position + 4 : self.position + 6] in REPRESENTATIONS

    def skip(self, length: int, depth: int = 0) -> None:
        """Step over a value. :raises struct.error: behind the end. :raises ValueError: too deep."""
        if length != UNDEFINED_LENGTH:
            self.position += length
            if self.position > len(self.content):
                raise struct.error
            return
        if depth > MAXIMUM_DEPTH:
            raise ValueError
        while True:
            tag, length = self.next()
            if tag == END_OF_SEQUENCE:
                return
            if tag != ITEM:
                raise ValueError
            if length != UNDEFINED_LENGTH:
                self.skip(length)
                continue
            while (element := self.next())[0] != END_OF_ITEM:
                self.skip(element[1], depth + 1)


def metaInformation(content: bytes) -> tuple[dict[int, bytes], int]:
    """:return: (elements of the file meta information, byte behind them)."""
    cursor = _Cursor(content, PREAMBLE_BYTES if content[128:PREAMBLE_BYTES] == MAGIC else 0)
    values, end = {}, cursor.position
    try:
        while True:
            tag, length = cursor.next()
            if tag >> 16 != META_GROUP:
                return values, end
            begin = cursor.position
            cursor.skip(length)
            values[tag] = content[begin : begin + min(length, MAXIMUM_VALUE)]
            end = cursor.position
    except struct.error:
        return values, end


def readElements(content: bytes, wanted: Collection[int]) -> Elements:
    """The wanted elements of what was read of a file, or as many as it holds.

    :raises ValueError: no DICOM.
    """
    values, end = metaInformation(content)
    cursor = _Cursor(content, end)
    if values.get(TRANSFER_SYNTAX, b"").rstrip(b"\0 ") == EXPLICIT_VR_BIG_ENDIAN.encode():
        cursor.order = ">"
    cursor.guess()
    try:
        while True:
            end = cursor.position
            tag, length = cursor.next()
            if tag >= FLOAT_PIXEL_DATA:
                if tag == PIXEL_DATA:
                    return Elements(values, cursor.order, end, cursor.position, length)
                return Elements(values, cursor.order, end)
            begin = cursor.position
            cursor.skip(length)
            if tag in wanted:
                values[tag] = content[begin : min(cursor.position, begin + MAXIMUM_VALUE)]
    except struct.error:
        return Elements(values, cursor.order, end)
