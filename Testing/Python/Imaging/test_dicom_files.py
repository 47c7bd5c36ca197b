"""What a DICOM folder may hold beside its slices and in them: read right where it is unambiguous."""

import os

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicomFolders import (
    EXPECTED,
    NAMES,
    PR_CLASS,
    PRIVATE_CLASS,
    SR_CLASS,
    changedFiles,
    index,
    inSyntax,
    inTwoParts,
    moved,
    numbered,
    ofOwnSeries,
    withObject,
    without,
    withPicture,
    writeJpegSlice,
)
from dicomSeries import COLUMNS, ORIGIN, ROWS, SLICES, SPACING, refusal, storedValues, writeFrames, writeSeries
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RTStructureSetStorage,
)

from CervicalSpineDetectionLib.Imaging.DicomHeader import isDicom
from CervicalSpineDetectionLib.Imaging.ReadImage import readImageWithWarnings


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
    "a frame of reference for each slice": (
        lambda f: writeSeries(f, change=lambda k, dataset: setattr(dataset, "FrameOfReferenceUID", f"1.{k}")), None),
    "times one below the other": (
        lambda f: writeSeries(f, change=inTwoParts("TemporalPositionIdentifier", "1", "2")), None),
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
