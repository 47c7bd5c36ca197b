"""What a DICOM folder may hold beside and in its slices: read right where it is unambiguous, or refused."""

import os
import struct
import tracemalloc
import zlib

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
    MediaStorageDirectoryStorage,
    RLELossless,
    RTStructureSetStorage,
    generate_uid,
)
from test_files_dicom import COLUMNS, ORIGIN, ROWS, SLICES, SPACING, refusal, storedValues, writeFrames, writeSeries

from CervicalSpineDetectionLib.Imaging.DicomHeader import isDicom
from CervicalSpineDetectionLib.Imaging.ReadImage import readImageWithWarnings

EXPECTED = np.array([storedValues(k) - 1024.0 for k in range(SLICES)])
SR_CLASS, PR_CLASS = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.11.1"
PRIVATE_CLASS = "1.3.12.2.1107.5.9.1"
REFERENCE_AXES = np.array([[0.0, 1, 0], [0, 0, -1], [-1, 0, 0]])


def beside(folder, name="000.dcm", **tags):
    """A file of another kind, without pixels, of the same series as one of the folder."""
    dataset = pydicom.dcmread(folder / name)
    for tag in ("PixelData", "Rows", "Columns", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(dataset, tag)
    for tag, value in tags.items():
        setattr(dataset, tag, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    return dataset


def withObject(folder, **tags):
    beside(folder, **tags).save_as(folder / "object")
    return folder


def index(folder, name):
    dataset = beside(folder, SOPClassUID=MediaStorageDirectoryStorage, DirectoryRecordSequence=[Dataset()])
    del dataset.SeriesInstanceUID
    dataset.save_as(folder / name)
    return folder


def changedFiles(folder, change):
    for path in folder.iterdir():
        path.write_bytes(change(path.read_bytes()))
    return folder


def inSyntax(folder, syntax):
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        dataset.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(path, dataset, implicit_vr=syntax == ImplicitVRLittleEndian,
                         little_endian=syntax != ExplicitVRBigEndian)
    return folder


def without(data):
    """A file without preamble and file meta information."""
    end = 132 + 12 + struct.unpack("<I", data[140:144])[0]
    return data[end:]


def moved(folder, names, below):
    (folder / below).mkdir(parents=True)
    for name in names:
        (folder / name).rename(folder / below / name)
    return folder


NAMES = [f"{k:03d}.dcm" for k in range(SLICES)]


def numbered(numbers):
    return lambda k, dataset: setattr(dataset, "AcquisitionNumber", numbers[k])


def ofOwnSeries(folder):
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID = generate_uid()
        dataset.save_as(path)
    return folder


def withPicture(folder, axes=REFERENCE_AXES, **tags):
    """One more picture in the series."""
    own = pydicom.dcmread(folder / "000.dcm").SeriesInstanceUID
    return writeSeries(folder, [ORIGIN], axes, names=["picture"], SeriesInstanceUID=own, **tags)


def highBits(k, dataset):
    dataset.BitsStored, dataset.HighBit = 12, 15
    # Something else in the bits below.
    dataset.PixelData = (storedValues(k) << 4 | 5).tobytes()


def privateData(k, dataset):
    """More than is read at first, and sequences without lengths."""
    dataset.add_new(0x00090010, "LO", "MAKER")
    dataset.add_new(0x00091001, "OB", bytes(300_000))
    inner = Dataset()
    inner.RescaleIntercept = 7
    inner.is_undefined_length_sequence_item = True
    dataset.SourceImageSequence = [inner]
    dataset["SourceImageSequence"].is_undefined_length = True


def wrongMeta(data):
    """Of the file meta information, the transfer syntax as numbers."""
    return data.replace(b"\x02\x00\x10\x00UI", b"\x02\x00\x10\x00US")


# What lies there -> (makes it in a folder, words of the only warning or None).
READ = {
    "a DICOMDIR under another name": (lambda f: index(writeSeries(f), "DIRFILE"), None),
    "DICOMDIR as input": (lambda f: index(writeSeries(f), "DICOMDIR") / "DICOMDIR", None),
    "structure set of the same series": (
        lambda f: withObject(writeSeries(f), SOPClassUID=RTStructureSetStorage, Modality="RTSTRUCT"), None),
    "report of the same series": (lambda f: withObject(writeSeries(f), SOPClassUID=SR_CLASS, Modality="SR"), None),
    "presentation of the same series": (lambda f: withObject(writeSeries(f), SOPClassUID=PR_CLASS, Modality="PR"),
                                        None),
    "a maker's own object": (lambda f: withObject(writeSeries(f), SOPClassUID=PRIVATE_CLASS, Modality="CT"), None),
    "object without a series": (
        lambda f: withObject(writeSeries(f), SOPClassUID=SR_CLASS, Modality="SR", SeriesInstanceUID=None), None),
    "dose of the same series": (lambda f: withPicture(writeSeries(f), Modality="RTDOSE"), "1 more DICOM series"),
    "pipe": (lambda f: (writeSeries(f), os.mkfifo(f / "pipe"))[0], None),
    "no preamble": (lambda f: changedFiles(writeSeries(f), lambda data: data[132:]), None),
    "no preamble, no meta information": (lambda f: changedFiles(writeSeries(f), without), None),
    "no preamble, implicit": (
        lambda f: changedFiles(inSyntax(writeSeries(f), ImplicitVRLittleEndian), without), None),
    "implicit": (lambda f: inSyntax(writeSeries(f), ImplicitVRLittleEndian), None),
    "big-endian": (lambda f: inSyntax(writeSeries(f), ExplicitVRBigEndian), None),
    "deflated": (lambda f: inSyntax(writeSeries(f), DeflatedExplicitVRLittleEndian), None),
    "one folder down": (lambda f: moved(writeSeries(f), NAMES, "series"), None),
    "some folders down": (lambda f: moved(writeSeries(f), NAMES, "DICOM/PA000001/ST000001/SE000001"), None),
    "over two folders": (lambda f: moved(moved(writeSeries(f), NAMES[:3], "a"), NAMES[3:], "b"), None),
    "partly one folder down": (lambda f: moved(writeSeries(f), NAMES[2:4], "more"), None),
    "another CT one folder down": (lambda f: writeSeries(writeSeries(f) / "other").parent, None),
    "a series for each slice": (lambda f: ofOwnSeries(writeSeries(f, FrameOfReferenceUID="1.2")), "series of its own"),
    "one file of a series for each slice": (
        lambda f: ofOwnSeries(writeSeries(f, FrameOfReferenceUID="1.2")) / "003.dcm", "series of its own"),
    "reference picture": (lambda f: withPicture(writeSeries(f)), "1 picture of another size or orientation"),
    "scout in the series": (
        lambda f: withPicture(writeSeries(f), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "1 picture (localizer"),
    "values in the high bits": (lambda f: writeSeries(f, change=highBits), None),
    "acquisitions one below the other": (lambda f: writeSeries(f, change=numbered([1, 1, 1, 1, 2, 2, 2])), None),
    "an acquisition for each slice": (lambda f: writeSeries(f, change=numbered(range(SLICES))), None),
    "wrong kind of meta information": (lambda f: changedFiles(writeSeries(f), wrongMeta), None),
    "long header": (lambda f: writeSeries(f, change=privateData), None),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", READ)
def test_unambiguousFoldersAreRead(tmp_path, case):
    make, words = READ[case]

    read = readImageWithWarnings(make(tmp_path / "ct"))

    np.testing.assert_array_equal(sitk.GetArrayFromImage(read.image), EXPECTED)
    np.testing.assert_allclose(read.image.GetSpacing(), SPACING)
    np.testing.assert_allclose(read.image.GetOrigin(), ORIGIN)
    assert len(read.warnings) == (words is not None)
    assert all(words in warning for warning in read.warnings)


def only(which, tag, value=None):
    """Changes one tag of some slices; None takes it out."""
    def change(k, dataset):
        if k in which:
            delattr(dataset, tag) if value is None else setattr(dataset, tag, value)
    return change


def shortPixels(k, dataset):
    if k in (2, 3):
        dataset.PixelData = dataset.PixelData[: ROWS * COLUMNS]


def lowBits(k, dataset):
    dataset.BitsStored, dataset.HighBit = 12, 15
    dataset.PixelData = storedValues(k).tobytes()


def tableForRescale(k, dataset):
    del dataset.RescaleSlope, dataset.RescaleIntercept
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [2, 0, 16], "HU"
    table.add_new(0x00283006, "US", [0, 1000])
    dataset.ModalityLUTSequence = [table]


def frames(folder, change):
    """:param change: called with what each frame's values become HU by."""
    path = writeFrames(folder / "frames.dcm")
    dataset = pydicom.dcmread(path)
    for item in [dataset.SharedFunctionalGroupsSequence[0], *dataset.PerFrameFunctionalGroupsSequence]:
        for transformation in item.get("PixelValueTransformationSequence", []):
            change(transformation)
    dataset.save_as(path)
    return path


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
    "short pixels": (lambda f: writeSeries(f, change=shortPixels), "002.dcm is damaged or incomplete"),
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


def onlyObject(folder):
    withObject(writeSeries(folder), SOPClassUID=SR_CLASS, Modality="SR")
    for name in NAMES:
        (folder / name).unlink()
    return folder


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


def writeJpegSlice(path, values, compressor, tags=()):
    """A slice as GDCM compresses it.

    :param values: shape (rows, columns).
    :param compressor: "JPEG" or "JPEG2000".
    :param tags: e.g. {"0028|1053": "1"}.
    """
    image = sitk.GetImageFromArray(values[None])
    for tag, value in {"0008|0016": "1.2.840.10008.5.1.4.1.1.2", "0008|0060": "CT", "0020|000e": "1.2.3",
                       **dict(tags)}.items():
        image.SetMetaData(tag, value)
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.KeepOriginalImageUIDOn()
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    writer.SetFileName(str(path))
    writer.Execute(image)


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_compressedSlicesAreReadUnlessTheyAreOfAnotherSize(tmp_path, compressor):
    for k in range(SLICES):
        # GDCM's writer takes HU and stores them less the intercept.
        writeJpegSlice(tmp_path / f"{k}.dcm", EXPECTED[k].astype(np.int16), compressor, {
            "0020|0032": f"0\\0\\{3 * k}", "0020|0037": "1\\0\\0\\0\\1\\0", "0028|1052": "-1024", "0028|1053": "1"})

    read = readImageWithWarnings(tmp_path)

    np.testing.assert_array_equal(sitk.GetArrayFromImage(read.image), EXPECTED)
    assert not read.warnings
    # As if the header were another slice's.
    for path in tmp_path.iterdir():
        other = pydicom.dcmread(path)
        other.Rows, other.Columns = COLUMNS, ROWS
        other.save_as(path)
    assert "damaged" in refusal(tmp_path)


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


def test_framesOfADeflatedFileAreRead(tmp_path):
    path = writeFrames(tmp_path / "ct" / "frames.dcm")
    inSyntax(path.parent, DeflatedExplicitVRLittleEndian)

    image = readImageWithWarnings(path).image

    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), [storedValues(k) - 1024.0 - k for k in range(SLICES)])


def test_signOfTwelveBitsIsThatOfTheHighestOfThem(tmp_path):
    def paint(k, dataset):
        values = storedValues(k).astype(np.int16) - 1040 - 100 * k
        dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 1, 12, 15
        dataset.PixelData = ((values << 4) | 3).astype(np.int16).tobytes()

    image = readImageWithWarnings(writeSeries(tmp_path / "ct", change=paint, RescaleIntercept=0)).image

    assert sitk.GetArrayViewFromImage(image).min() == -40
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(image), [storedValues(k) - 1040.0 - 100 * k for k in range(SLICES)])


@pytest.mark.parametrize("start", [
    b"", b"\x08\x00", bytes(200), b"NRRD0004\n" * 20, b"\x08\x00\x05\x00CS\xff\xff" + bytes(99),
    b"\x08\x00\x05\x00\xff\xff\xff\xff" + bytes(99), b"\x1f\x8b" + bytes(150)])
def test_whatOnlyResemblesDicomIsNone(tmp_path, start):
    (tmp_path / "file").write_bytes(start)

    assert not isDicom(tmp_path / "file")
