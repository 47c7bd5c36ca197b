"""What the header of a DICOM file says that a CT needs, as plain numbers and words, or that the file is damaged.

Headers come from anyone: a bounded piece of the file is read, every value is checked for its kind once, here, and
nothing of it reaches a message.
"""

from __future__ import annotations

import io
import math
import re
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging import DicomUids
from CervicalSpineDetectionLib.Imaging.DicomElements import (
    MAGIC,
    PREAMBLE_BYTES,
    TRANSFER_SYNTAX,
    UNDEFINED_LENGTH,
    Elements,
    metaInformation,
    readElements,
)
from CervicalSpineDetectionLib.Imaging.OpenFile import openPlain

if TYPE_CHECKING:
    from pydicom import Dataset

# A slice's header is a few kB to some 100 kB; with private data some MB; with those of all frames of one file more.
FIRST_BYTES, MAXIMUM_SLICE_BYTES, MAXIMUM_FRAMES_BYTES = 1 << 16, 1 << 22, 1 << 24
# How a file without a preamble may begin: file meta information, or the first elements of group 8, little-endian.
FIRST_TAGS = {b"\x02\x00" + element for element in (b"\x00\x00", b"\x01\x00", b"\x02\x00", b"\x10\x00")} | {
    b"\x08\x00" + element for element in (b"\x00\x00", b"\x01\x00", b"\x05\x00", b"\x08\x00", b"\x12\x00", b"\x16\x00")}
# Longest first element of such a file, bytes.
MAXIMUM_FIRST_VALUE = 256
PLAIN_SYNTAXES = (DicomUids.IMPLICIT_VR_LITTLE_ENDIAN, DicomUids.EXPLICIT_VR_LITTLE_ENDIAN,
                  DicomUids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, DicomUids.EXPLICIT_VR_BIG_ENDIAN)
DEFLATED_SYNTAX = DicomUids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN.encode()
CT_CLASSES = (DicomUids.CT_IMAGE_STORAGE, DicomUids.ENHANCED_CT_IMAGE_STORAGE)
# Of PS3.3 C.7.3.1.1.1, those that lie beside CTs. What else stands there may be anything, a name too.
MODALITIES = frozenset("AU CR CT DOC DX ECG FID IO KO MG MR NM OT PLAN PR PT PX REG RF RTDOSE RTIMAGE RTPLAN RTRECORD "
                       "RTSTRUCT RWV SC SEG SMR SR US XA XC".split())
DIRECTORY_RECORDS, RESCALE_TABLE = 0x00041220, 0x00283000
# Of PS3.3 C.11.1.1.2, those that are no HU. What else stands there may be anything.
OTHER_VALUES = frozenset(("OD", "MGML", "Z_EFF", "ED", "EDW", "PCT"))
TAGS = {
    0x00020002: "mediaClass", 0x00020010: "syntax", DIRECTORY_RECORDS: "records", 0x00080008: "imageType",
    0x00080016: "sopClass", 0x00080018: "sopUid", 0x00080060: "modality",
    0x0020000D: "studyUid", 0x0020000E: "seriesUid", 0x00200012: "acquisition", 0x00200032: "position",
    0x00200037: "orientation", 0x00200052: "frameOfReference", 0x00200100: "timePoint", 0x00280002: "samples",
    0x00280004: "photometric",
    0x00280008: "frames", 0x00280010: "rows", 0x00280011: "columns", 0x00280030: "spacing", 0x00280100: "bitsAllocated",
    0x00280101: "bitsStored", 0x00280102: "highBit", 0x00280103: "pixelRepresentation", 0x00281052: "intercept",
    0x00281053: "slope", 0x00281054: "rescaleType", RESCALE_TABLE: "table",
}
WHOLE_NUMBERS = ("rows", "columns", "samples", "bitsAllocated", "bitsStored", "highBit", "pixelRepresentation")
# File meta information is far shorter.
METAINFORMATION_BYTES = 1 << 12
Vector: TypeAlias = tuple[float, ...]


@dataclass(frozen=True)
class DicomHeader:
    """Header of an image, "", 0 or None for what is not stated.

    :param modality: of ``MODALITIES``, or "unknown".
    :param position: LPS mm of the first pixel. :param orientation: directions of row and column, LPS.
    :param spacing: mm between rows, columns.
    :param otherValues: of ``OTHER_VALUES``, what the values are instead of HU, or "".
    :param hasTable: they become HU by a table (modality LUT).
    :param syntax: transfer syntax UID; "" for a file without file meta information, whose pixels are plain.
    :param order: "<" or ">".
    :param pixelOffset: byte where the pixel data begin, as if nothing were deflated; 0 without pixels.
    :param pixelBytes: their length; ``UNDEFINED_LENGTH`` for compressed ones.
    """

    path: Path
    sopClass: str
    sopUid: str
    studyUid: str
    seriesUid: str
    frameOfReference: str
    modality: str
    imageType: tuple[str, ...]
    acquisition: str
    timePoint: str
    rows: int
    columns: int
    frames: int
    samples: int | None
    photometric: str
    position: Vector | None
    orientation: Vector | None
    spacing: Vector | None
    slope: float | None
    intercept: float | None
    otherValues: str
    hasTable: bool
    bitsAllocated: int
    bitsStored: int
    highBit: int
    isSigned: bool
    syntax: str
    order: str
    pixelOffset: int
    pixelBytes: int
    isIndex: bool

    @property
    def holdsImage(self) -> bool:
        """Whether this is a picture: not a report, structure set, or index of a disk."""
        return bool(self.seriesUid) and _mayHoldImage(self)

    @property
    def isPlain(self) -> bool:
        """Whether the pixels are stored as they are."""
        return self.pixelBytes != UNDEFINED_LENGTH and self.syntax in ("", *PLAIN_SYNTAXES)

    @property
    def isDeflated(self) -> bool:
        """Whether all of the file behind its file meta information is."""
        return self.syntax == DicomUids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN

    @property
    def statesGeometry(self) -> bool:
        """Whether size, place and pixel spacing are stated."""
        return bool(self.rows and self.columns) and None not in (self.position, self.orientation, self.spacing)


def isDicom(path: str | Path) -> bool:
    """Whether a file is DICOM, with or without the preamble that part 10 wants. Pipes and devices aren't."""
    try:
        with openPlain(Path(path)) as file:
            start = file.read(PREAMBLE_BYTES)
    except InputError:
        return False
    return start[128:] == MAGIC or _beginsWithATag(start)


def _beginsWithATag(start: bytes) -> bool:
    if start[:4] not in FIRST_TAGS or len(start) < 12:
        return False
    isExplicit = start[4:6].isalpha() and start[4:6].isupper()
    length = int.from_bytes(start[6:8] if isExplicit else start[4:8], "little")
    return length <= MAXIMUM_FIRST_VALUE


def damagedDicom(path: Path) -> InputError:
    """:return: the error to raise for a file that can't be read."""
    return InputError(f"The DICOM file {path.name} is damaged or incomplete; copy or export the series again.")


def readDicomHeader(path: Path) -> DicomHeader:
    """:return: header of a DICOM file. :raises InputError: damaged or incomplete."""
    try:
        header = _read(path)
    # A value that can't be read as what it must be.
    except ValueError:
        raise damagedDicom(path) from None
    if not header.seriesUid and header.modality in ("CT", "unknown") and _mayHoldImage(header):
        raise damagedDicom(path)
    return header


def _mayHoldImage(header: DicomHeader) -> bool:
    return not header.isIndex and bool(header.rows or header.pixelOffset or not _holdsNoImage(header.sopClass))


def _holdsNoImage(sopClass: str) -> bool:
    """Whether a kind of object is known to be none, or a maker's own, which no CT is."""
    if not re.fullmatch(r"[0-9.]{1,64}", sopClass):
        return False
    from pydicom.uid import UID

    name = UID(sopClass).name
    # Where the standard has none, the name is the UID.
    isUnknown = name == sopClass and sopClass.startswith(DicomUids.STANDARD_ROOT)
    return not isUnknown and "Image Storage" not in name


def _read(path: Path) -> DicomHeader:
    """As much of a file as its header needs."""
    count = FIRST_BYTES
    with openPlain(path) as file:
        while True:
            file.seek(0)
            content = plainContent(path, file.read(count), count)
            elements = readElements(content, TAGS)
            header = _header(path, elements)
            limit = MAXIMUM_FRAMES_BYTES if header.frames > 1 else MAXIMUM_SLICE_BYTES
            if elements.pixelOffset or len(content) < count or count >= limit:
                return header
            count = min(count * 8, limit)


def plainContent(path: Path, content: bytes, count: int) -> bytes:
    """The start of a file; of one that is deflated as a whole, as if it were not, at most so many bytes.

    pydicom and GDCM inflate all of it, however much that is.
    """
    values, begin = metaInformation(content)
    if values.get(TRANSFER_SYNTAX, b"").rstrip(b"\0 ") != DEFLATED_SYNTAX:
        return content
    try:
        return content[:begin] + zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[begin:], count)
    except zlib.error:
        raise damagedDicom(path) from None


def readDataset(path: Path, tags: Sequence[str] | None = None) -> Dataset:
    """Header of a DICOM file with all its sequences, without pixels.

    :param tags: all that are wanted; None: everything.
    :raises InputError: damaged.
    """
    # Not for all: its import takes longer than reading the headers of a series.
    from pydicom import dcmread

    with openPlain(path) as file:
        content = plainContent(path, file.read(MAXIMUM_FRAMES_BYTES), MAXIMUM_FRAMES_BYTES)
    # Of the same length, so that the file meta information stays right.
    plain = DicomUids.EXPLICIT_VR_LITTLE_ENDIAN.encode().ljust(len(DEFLATED_SYNTAX), b"\0")
    content = content[:METAINFORMATION_BYTES].replace(DEFLATED_SYNTAX, plain) + content[METAINFORMATION_BYTES:]
    try:
        # pydicom's warnings quote header values, which may be a patient's.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dcmread(io.BytesIO(content), stop_before_pixels=True, force=True,
                           specific_tags=None if tags is None else list(tags))
    # pydicom raises whatever a damaged file makes happen.
    except Exception:
        raise damagedDicom(path) from None


def _header(path: Path, elements: Elements) -> DicomHeader:
    """:raises ValueError: a value of another kind than it must be."""
    texts = {name: _text(elements.values.get(tag, b"")) for tag, name in TAGS.items()}
    numbers = {name: _whole(elements, tag) for tag, name in TAGS.items() if name in WHOLE_NUMBERS}
    sopClass = _one(texts["sopClass"]) or _one(texts["mediaClass"])
    modality = _one(texts["modality"]) or ("CT" if sopClass in CT_CLASSES else "")
    return DicomHeader(
        path=path, sopClass=sopClass, sopUid=_one(texts["sopUid"]), studyUid=_one(texts["studyUid"]),
        seriesUid=_one(texts["seriesUid"]), frameOfReference=_one(texts["frameOfReference"]),
        modality=modality if modality in MODALITIES else "unknown",
        imageType=tuple(part.strip() for part in texts["imageType"].split("\\")), acquisition=texts["acquisition"],
        timePoint=texts["timePoint"],
        rows=numbers["rows"] or 0, columns=numbers["columns"] or 0, frames=int(_number(texts["frames"]) or 1),
        samples=numbers["samples"], photometric=_one(texts["photometric"]), position=_vector(texts["position"], 3),
        orientation=_vector(texts["orientation"], 6), spacing=_vector(texts["spacing"], 2),
        slope=_number(texts["slope"]), intercept=_number(texts["intercept"]),
        otherValues=otherValues(texts["rescaleType"]), hasTable=RESCALE_TABLE in elements.values,
        bitsAllocated=numbers["bitsAllocated"] or 0, bitsStored=numbers["bitsStored"] or 0,
        highBit=numbers["highBit"] or 0, isSigned=numbers["pixelRepresentation"] == 1, syntax=_one(texts["syntax"]),
        order=elements.order, pixelOffset=elements.pixelOffset, pixelBytes=elements.pixelBytes,
        # A DICOMDIR may have any name.
        isIndex=sopClass == DicomUids.MEDIA_STORAGE_DIRECTORY_STORAGE or DIRECTORY_RECORDS in elements.values,
    )


def otherValues(rescaleType: str) -> str:
    """:return: what values are instead of HU, "" where they may be HU."""
    return rescaleType if rescaleType in OTHER_VALUES else ""


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip("\0 ")


def _one(text: str) -> str:
    """:raises ValueError: several values where one belongs."""
    if "\\" in text:
        raise ValueError
    return text


def _whole(elements: Elements, tag: int) -> int | None:
    """Unsigned, of two bytes. :raises ValueError: anything else."""
    value = elements.values.get(tag, b"")
    if len(value) not in (0, 2):
        raise ValueError
    return int.from_bytes(value, "little" if elements.order == "<" else "big") if value else None


def _number(text: str) -> float | None:
    """:raises ValueError: no finite number."""
    if not text:
        return None
    number = float(text)
    if not math.isfinite(number) or "_" in text:
        raise ValueError
    return number


def _vector(text: str, count: int) -> Vector | None:
    """Finite numbers, None for anything else."""
    try:
        numbers = [number for number in map(_number, text.split("\\")) if number is not None]
    except ValueError:
        return None
    return tuple(numbers) if len(numbers) == count else None
