"""What a DICOM folder may not hold, beside its slices and in them."""

import struct
import tracemalloc
import zlib

import numpy as np
import pydicom
import pytest
from dicomFolders import (
    REFERENCE_AXES,
    SR_CLASS,
    frames,
    inSyntax,
    inTwoParts,
    numbered,
    ofOwnSeries,
    only,
    onlyObject,
    withObject,
)
from dicomSeries import COLUMNS, ORIGIN, ROWS, refusal, storedValues, writeSeries
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGLosslessSV1, RLELossless, generate_uid

from CervicalSpineDetectionLib.Imaging.ReadImage import readImageWithWarnings


def alternatingTimes(k, dataset):
    dataset.TemporalPositionIdentifier = k % 2 + 1


def shortPixels(k, dataset):
    if k in (2, 3):
        dataset.PixelData = dataset.PixelData[: ROWS * COLUMNS]


def paddedPixels(k, dataset):
    """The file is as long as it should be."""
    shortPixels(k, dataset)
    dataset.DataSetTrailingPadding = bytes(4 * ROWS * COLUMNS)


def lowBits(k, dataset):
    dataset.BitsStored, dataset.HighBit = 12, 15
    dataset.PixelData = storedValues(k).tobytes()


def tableForRescale(k, dataset):
    del dataset.RescaleSlope, dataset.RescaleIntercept
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [2, 0, 16], "HU"
    table.add_new(0x00283006, "US", [0, 1000])
    dataset.ModalityLUTSequence = [table]


def unstatedRescale(k, dataset):
    """HU stored as they are in some slices, whose intercept is 0, and with -1024 in the others."""
    paint = storedValues(k).astype(np.int32) - (1024 if k < 3 else 0) + 1000
    dataset.PixelData = paint.astype(np.uint16).tobytes()
    dataset.RescaleIntercept = 0 if k < 3 else -1024


def cutFragments(folder, keep):
    """Compressed data cut short, with lengths that agree."""
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless)
        (frame,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
        dataset.PixelData = pydicom.encaps.encapsulate([frame[: int(keep * len(frame)) // 2 * 2]])
        dataset.save_as(path)
    return folder


def madeJpeg(folder, end):
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8" + bytes(90) + end])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
        dataset.save_as(path)
    return folder


def sequences(depth):
    """Sequences in sequences, without lengths."""
    one = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + one * depth


REFUSED = {
    "intercept missing in some": (lambda f: writeSeries(f, change=only((1, 2), "RescaleIntercept")),
                                  "2 of 7 slices of the DICOM series do not state"),
    "slope missing in some": (lambda f: writeSeries(f, change=only((5,), "RescaleSlope")),
                              "1 of 7 slices of the DICOM series do not state"),
    "intercept 0 in some": (lambda f: writeSeries(f, change=only((0, 1), "RescaleIntercept", "0")), "values jump"),
    "infinite intercept": (lambda f: writeSeries(f, change=only((5,), "RescaleIntercept", "1e999")), "damaged"),
    "slope 0": (lambda f: writeSeries(f, RescaleSlope=0), "slope of 0 or below"),
    "negative slope": (lambda f: writeSeries(f, RescaleSlope=-1), "slope of 0 or below"),
    "map of atomic numbers": (lambda f: writeSeries(f, RescaleType="Z_EFF"), "holds Z_EFF values"),
    "frames of electron densities": (
        lambda f: frames(f, lambda item: setattr(item, "RescaleType", "ED")), "holds ED values"),
    "table instead of slope": (lambda f: writeSeries(f, change=tableForRescale), "a table (modality LUT)"),
    "two passes interleaved": (lambda f: writeSeries(f, change=numbered([1, 2, 1, 2, 1, 2, 1])),
                               "2 acquisitions whose slices lie between each other"),
    "two times interleaved": (lambda f: writeSeries(f, change=alternatingTimes),
                              "2 points of time whose slices lie between each other"),
    "two frames of reference": (lambda f: writeSeries(f, change=inTwoParts("FrameOfReferenceUID")),
                                "belong to 2 frames of reference"),
    "two studies": (lambda f: writeSeries(f, change=inTwoParts("StudyInstanceUID")), "belong to 2 studies"),
    "short pixels": (lambda f: writeSeries(f, change=shortPixels), "002.dcm is damaged or incomplete"),
    "short pixels with padding behind them": (lambda f: writeSeries(f, change=paddedPixels), "002.dcm is damaged"),
    "no pixels": (lambda f: writeSeries(f, change=only((4,), "PixelData")), "damaged or incomplete"),
    "bits that contradict": (lambda f: writeSeries(f, change=lowBits), "contradicts itself about the bits"),
    "more bits than there are": (lambda f: writeSeries(f, BitsStored=16, HighBit=17), "damaged"),
    "RLE cut short": (lambda f: cutFragments(writeSeries(f), 0.5), "damaged"),
    "RLE cut a little": (lambda f: cutFragments(writeSeries(f), 0.95), "damaged"),
    "JPEG without its end": (lambda f: madeJpeg(writeSeries(f), b"\0\0"), "damaged"),
    "JPEG of nothing": (lambda f: madeJpeg(writeSeries(f), b"\xff\xd9"), "damaged"),
    "name as modality": (lambda f: writeSeries(f, Modality="DOE JANE"), "has modality unknown; give a CT"),
    "control characters as modality": (lambda f: writeSeries(f, Modality="\x1b[31mCT"), "has modality unknown"),
    "report alone": (lambda f: withObject(writeSeries(f), SOPClassUID=SR_CLASS, Modality="SR") / "object",
                     "holds no picture"),
    "reports only": (lambda f: onlyObject(f), "no DICOM file with a picture"),
    "a series for each slice, of several studies": (
        lambda f: ofOwnSeries(writeSeries(f, FrameOfReferenceUID="1.2", change=ofOwnStudy)), "only 1 slice"),
    "sequences without end": (lambda f: written(f, sequences(3)), "damaged"),
    "sequences in sequences": (lambda f: written(f, sequences(20_000)), "damaged"),
}


def ofOwnStudy(k, dataset):
    dataset.StudyInstanceUID = generate_uid()


def written(folder, data):
    writeSeries(folder)
    (folder / "evil").write_bytes(data)
    return folder


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", REFUSED)
def test_ambiguousOrDamagedFoldersAreRefused(tmp_path, case):
    make, words = REFUSED[case]

    assert words in refusal(make(tmp_path / "ct"))


def test_manyPicturesOfAnotherOrientationAreNoReferencePictures(tmp_path):
    folder = writeSeries(tmp_path / "ct")
    own = pydicom.dcmread(folder / "000.dcm").SeriesInstanceUID
    writeSeries(folder, [ORIGIN, ORIGIN + [9, 0, 0]], REFERENCE_AXES, names=["p", "q"], SeriesInstanceUID=own)

    assert "differ in size, pixel spacing or orientation" in refusal(folder)


@pytest.mark.parametrize("where", ["before the pixels", "in the pixels"])
def test_deflatedBombIsNotInflated(tmp_path, where):
    folder = inSyntax(writeSeries(tmp_path / "ct"), DeflatedExplicitVRLittleEndian)
    path = folder / "003.dcm"
    data = path.read_bytes()
    end = 132 + 12 + struct.unpack("<I", data[140:144])[0]
    content = zlib.decompress(data[end:], -zlib.MAX_WBITS)
    size = 100 << 20
    if where == "in the pixels":
        position = content.index(b"\xe0\x7f\x10\x00OW")
        content = content[: position + 8] + struct.pack("<I", size)
    else:
        position = content.index(b"\x08\x00\x60\x00CS")
        content = content[:position] + b"\x09\x00\x01\x10OB\x00\x00" + struct.pack("<I", size)
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(content) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(100)) + packer.flush()
    path.write_bytes(data[:end] + packed)
    assert len(packed) < 1 << 20

    tracemalloc.start()
    try:
        image = readImageWithWarnings(folder).image if where == "in the pixels" else None
        message = "" if image else refusal(folder)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 32 << 20
    assert image or "damaged" in message
