"""Compressed pixels of DICOM, by the decoders of GDCM.

GDCM hangs, crashes or fills gaps with what its memory held before when a file misleads it. So the compressed data are
checked here, as far as they tell their size and their end, and handed to it, in a process of its own, in a file of
nothing but them and what it needs to know.
"""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging import DicomUids
from CervicalSpineDetectionLib.Imaging.Decoders import PROCESSES, Decoders
from CervicalSpineDetectionLib.Imaging.DicomElements import MAGIC, PREAMBLE_BYTES, UNDEFINED_LENGTH
from CervicalSpineDetectionLib.Imaging.DicomHeader import DicomHeader, damagedDicom
from CervicalSpineDetectionLib.Imaging.OpenFile import fileSize, openPlain
from CervicalSpineDetectionLib.Spine.Arrays import Array

JPEG_2000 = (DicomUids.JPEG2000_LOSSLESS, DicomUids.JPEG2000)
JPEG = (DicomUids.JPEG_BASELINE_8_BIT, DicomUids.JPEG_EXTENDED_12_BIT, DicomUids.JPEG_LOSSLESS,
        DicomUids.JPEG_LOSSLESS_SV1, DicomUids.JPEGLS_LOSSLESS, DicomUids.JPEGLS_NEAR_LOSSLESS)
ITEM, DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
MAXIMUM_FRAGMENTS, MAXIMUM_BYTES = 10_000, 1 << 28
# Of both kinds of JPEG (ITU T.81 B.1.1.3, T.800 A.4.4); at most some bytes of padding follow.
END_OF_IMAGE, PADDING = b"\xff\xd9", 8
# Segments that state the size: all processes of JPEG, and JPEG-LS (T.87 C.1.1). Segments without a length.
FRAME_MARKERS = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xF7})
BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
JPEG_2000_SIZE = b"\xff\x4f\xff\x51"
# Number of segments, and the place of each (PS3.5 G.5).
RLE_HEADER = struct.Struct("<16I")


def decodedPixels(header: DicomHeader, decoders: Decoders) -> Array:
    """:return: stored values, shape (rows, columns), or (frames, rows, columns) of several frames.

    :raises InputError: damaged, or compressed in a way that isn't read.
    """
    unreadable = InputError(f"A slice of the DICOM series in {header.path.parent} is damaged or incomplete, or "
                            "compressed in a way that can't be read; export it again, uncompressed.")
    if header.syntax not in (DicomUids.RLE_LOSSLESS, *JPEG, *JPEG_2000) or header.pixelBytes != UNDEFINED_LENGTH:
        raise unreadable

    def decode(data: bytes) -> Array:
        if not _isWhole(header, data):
            raise damagedDicom(header.path)
        values = decoders.decode(_bareFile(header, data), header.rows * header.columns)
        if values is None:
            raise unreadable
        return values

    with ThreadPoolExecutor(PROCESSES) as pool:
        frames = list(pool.map(decode, _frames(header)))
    pixels = np.stack(frames).reshape(header.frames, header.rows, header.columns)
    return pixels if header.frames > 1 else pixels[0]


def _frames(header: DicomHeader) -> list[bytes]:
    """The compressed data of each frame, which may be cut into pieces (PS3.5 A.4).

    The first item tells where those of each frame begin; it is empty where there is one frame, or one piece a frame.
    """
    parts: list[bytes] = []
    with openPlain(header.path) as file:
        left = min(fileSize(file) - header.pixelOffset, MAXIMUM_BYTES)
        file.seek(header.pixelOffset)
        for _ in range(MAXIMUM_FRAGMENTS):
            start = file.read(8)
            length = int.from_bytes(start[4:], "little")
            if start[:4] == DELIMITER and len(parts) > 1:
                return _gathered(header, *parts)
            if start[:4] != ITEM or length > left:
                break
            parts.append(file.read(length))
            left -= 8 + length
    raise damagedDicom(header.path)


def _gathered(header: DicomHeader, table: bytes, *pieces: bytes) -> list[bytes]:
    """:param table: the first item."""
    if header.frames == 1:
        return [b"".join(pieces)]
    if len(pieces) == header.frames:
        return list(pieces)
    places = np.cumsum([0, *(8 + len(piece) for piece in pieces)]).tolist()
    starts = np.frombuffer(table, "<u4").tolist() if len(table) == 4 * header.frames else []
    if starts[:1] != [0] or sorted(set(starts)) != starts or not set(starts) <= set(places[:-1]):
        raise damagedDicom(header.path)
    ends = [*map(places.index, starts[1:]), len(pieces)]
    return [b"".join(pieces[places.index(start) : end]) for start, end in zip(starts, ends, strict=True)]


def _isWhole(header: DicomHeader, data: bytes) -> bool:
    """Whether compressed data come to an end and are of the size that the header states."""
    size = header.rows, header.columns
    if header.syntax == DicomUids.RLE_LOSSLESS:
        return _isRleWhole(header, data)
    if END_OF_IMAGE not in data[-PADDING:]:
        return False
    if header.syntax in JPEG_2000:
        if data[:4] != JPEG_2000_SIZE or len(data) < 24:
            return False
        right, lower, left, upper = struct.unpack_from(">4I", data, 8)
        return (lower - upper, right - left) == size
    return _jpegSize(data) == size


def _jpegSize(data: bytes) -> tuple[int, int] | None:
    """:return: (rows, columns) of a JPEG or JPEG-LS stream, None without."""
    position = 2
    while data[position : position + 1] == b"\xff" and position + 9 <= len(data):
        marker = data[position + 1]
        if marker in FRAME_MARKERS:
            rows, columns = struct.unpack_from(">2H", data, position + 5)
            return rows, columns
        bare = marker in BARE_MARKERS
        position += 2 if bare else 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None


def _isRleWhole(header: DicomHeader, data: bytes) -> bool:
    """Whether each byte of the pixels has its segment. GDCM itself refuses what unpacks to too few."""
    if len(data) < RLE_HEADER.size:
        return False
    count, *starts = RLE_HEADER.unpack_from(data)
    if count != header.bitsAllocated // 8:
        return False
    ends = [*starts[1:count], len(data)]
    return all(RLE_HEADER.size <= start < end for start, end in zip(starts, ends, strict=False))


def _bareFile(header: DicomHeader, data: bytes) -> bytes:
    """A DICOM file of these pixels and nothing else."""
    uid = DicomUids.CT_IMAGE_STORAGE.encode()
    meta = _element(0x0002, 0x0002, b"UI", uid) + _element(0x0002, 0x0003, b"UI", b"1.2.3") + _element(
        0x0002, 0x0010, b"UI", header.syntax.encode())
    numbers = [(0x0002, 1), (0x0010, header.rows), (0x0011, header.columns), (0x0100, header.bitsAllocated),
               (0x0101, header.bitsStored), (0x0102, header.highBit), (0x0103, int(header.isSigned))]
    values = {element: (b"US", struct.pack("<H", number)) for element, number in numbers}
    values[0x0004] = (b"CS", b"MONOCHROME2")
    image = b"".join(_element(0x0028, element, *values[element]) for element in sorted(values))
    identity = _element(0x0008, 0x0016, b"UI", uid) + _element(0x0008, 0x0018, b"UI", b"1.2.3") + _element(
        0x0008, 0x0060, b"CS", b"CT")
    data += b"\0" * (len(data) % 2)
    pixels = b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff" + ITEM + bytes(4) + ITEM + struct.pack(
        "<I", len(data)) + data + DELIMITER + bytes(4)
    return (bytes(PREAMBLE_BYTES - len(MAGIC)) + MAGIC + _element(0x0002, 0x0000, b"UL", struct.pack("<I", len(meta)))
            + meta + identity + image + pixels)


def _element(group: int, element: int, representation: bytes, value: bytes) -> bytes:
    value += (b" " if representation == b"CS" else b"\0") * (len(value) % 2)
    return struct.pack("<HH", group, element) + representation + struct.pack("<H", len(value)) + value
