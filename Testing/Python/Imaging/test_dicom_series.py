"""DICOM series: right geometry and values, or a refusal that says why."""

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicomSeries import COLUMNS, ORIGIN, ROWS, SLICES, SPACING, refusal, storedValues, writeFrames, writeSeries
from pydicom.uid import MRImageStorage, RLELossless

from CervicalSpineDetectionLib.Imaging import DicomSeries
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage, readImageWithWarnings


def test_valuesAndGeometryAreThoseOfTheHeaders(tmp_path):
    image = readImage(writeSeries(tmp_path / "ct"))

    np.testing.assert_allclose(image.GetSpacing(), SPACING)
    np.testing.assert_allclose(image.GetOrigin(), ORIGIN)
    np.testing.assert_allclose(image.GetDirection(), np.eye(3).ravel())
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), [storedValues(k) - 1024.0 for k in range(SLICES)])


def test_fileNamesDoNotSettleTheOrder(tmp_path):
    names = ["e", "a", "g", "c", "b", "f", "d"]

    shuffled = readImage(writeSeries(tmp_path / "ct", names=names))

    np.testing.assert_array_equal(sitk.GetArrayFromImage(shuffled)[:, 0, 0], [100 * k - 24 for k in range(SLICES)])
    np.testing.assert_allclose(shuffled.GetOrigin(), ORIGIN)


def test_slicesFromHeadToFeetGiveTheSamePhysicalImage(tmp_path):
    downwards = [ORIGIN - [0, 0, SPACING[2] * k] for k in range(SLICES)]

    image = readImage(writeSeries(tmp_path / "ct", positions=downwards))

    for k in (0, SLICES - 1):
        index = image.TransformPhysicalPointToIndex(downwards[k].tolist())
        assert image[index] == storedValues(k)[0, 0] - 1024.0


def test_obliqueSeriesKeepsItsAxes(tmp_path):
    axes = np.array([[0.0, 0.8, -0.6], [0.0, -0.6, -0.8], [-1.0, 0.0, 0.0]])

    image = readImage(writeSeries(tmp_path / "ct", axes=axes))

    np.testing.assert_allclose(np.reshape(image.GetDirection(), (3, 3)), axes.T, atol=1e-6)
    point = ORIGIN + 2 * SPACING[0] * axes[0] + 5 * SPACING[1] * axes[1] + 3 * SPACING[2] * axes[2]
    assert image[image.TransformPhysicalPointToIndex(point.tolist())] == storedValues(3)[5, 2] - 1024


def test_oneFileReadsItsWholeSeriesOnly(tmp_path):
    folder = writeSeries(tmp_path / "ct")
    writeSeries(folder, names=[f"other{k}" for k in range(SLICES)], RescaleIntercept=0)

    image = readImage(folder / "003.dcm")

    assert image.GetSize() == (COLUMNS, ROWS, SLICES)
    assert sitk.GetArrayFromImage(image).min() == -24


@pytest.mark.shows("Mended", "scout, dose and other modalities beside the CT", "left out, with a note")
def test_otherModalitiesAndScoutsBesideTheCtAreLeftOutWithANote(tmp_path):
    folder = writeSeries(tmp_path / "ct")
    writeSeries(folder, positions=[ORIGIN], names=["dose"], Modality="RTDOSE")
    writeSeries(folder, positions=[ORIGIN], names=["scout"], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    (folder / "notes.txt").write_text("not DICOM")

    read = readImageWithWarnings(folder)

    assert read.image.GetSize() == (COLUMNS, ROWS, SLICES)
    assert len(read.warnings) == 1 and "2 more DICOM series" in read.warnings[0]


def test_withoutAModalityTheKindOfFileTells(tmp_path):
    assert readImage(writeSeries(tmp_path / "ct", Modality=None)).GetSize() == (COLUMNS, ROWS, SLICES)

    def makeMr(k, dataset):
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage

    assert "modality unknown" in refusal(writeSeries(tmp_path / "mr", change=makeMr, Modality=None))


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
@pytest.mark.parametrize(("tags", "reason"), [
    ({"Modality": "MR"}, "modality MR"),
    ({"PhotometricInterpretation": "MONOCHROME1"}, "inverted"),
    ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "BitsAllocated": 8,
      "BitsStored": 8, "HighBit": 7, "PixelData": bytes(ROWS * COLUMNS * 3)}, "colour"),
    ({"NumberOfFrames": 3, "PixelData": bytes(ROWS * COLUMNS * 6)}, "several multi-frame files"),
    ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "scout"),
    ({"PixelSpacing": None}, "pixel spacing"),
    ({"ImagePositionPatient": None}, "position"),
    ({"ImagePositionPatient": 5}, "position"),
    ({"ImagePositionPatient": ["nan", 0, 0]}, "position"),
    ({"Rows": None}, "size"),
    ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "impossible slice orientation"),
])
def test_whatIsNoCtVolumeIsRefused(tmp_path, tags, reason):
    assert reason in refusal(writeSeries(tmp_path / "ct", **tags))


def test_framesOfAnEnhancedCtAreItsSlicesInAnyOrder(tmp_path):
    folder = writeFrames(tmp_path / "ct" / "frames.dcm", order=[3, 0, 6, 1, 5, 2, 4]).parent

    for path in (folder, folder / "frames.dcm"):
        image = readImage(path)
        np.testing.assert_allclose(image.GetSpacing(), SPACING)
        np.testing.assert_allclose(image.GetOrigin(), ORIGIN)
        np.testing.assert_array_equal(
            sitk.GetArrayFromImage(image), [storedValues(k) - 1024.0 - k for k in range(SLICES)])


@pytest.mark.parametrize(("change", "reason"), [
    (lambda d: delattr(d, "PerFrameFunctionalGroupsSequence"), "lacks the place of its frames"),
    (lambda d: d.PerFrameFunctionalGroupsSequence.pop(), "lacks the place of its frames"),
    (lambda d: delattr(d.SharedFunctionalGroupsSequence[0], "PixelMeasuresSequence"), "lacks the place"),
    (lambda d: setattr(d, "PixelData", d.PixelData[:-200]), "damaged"),
    (lambda d: d.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence[0].ImagePositionPatient.__setitem__(2, 40),
     "apart"),
])
def test_enhancedCtWithoutItsGeometryOrVoxelsIsRefused(tmp_path, change, reason):
    assert reason in refusal(writeFrames(tmp_path / "ct" / "frames.dcm", change=change))


@pytest.mark.shows("Mended", "8-bit DICOM with rescale", "rescaled to HU")
def test_eightBitSeriesIsRescaledToHu(tmp_path):
    def paint(k, dataset):
        dataset.PixelData = (np.arange(ROWS * COLUMNS) + 10 * k).astype(np.uint8).tobytes()

    image = readImage(writeSeries(tmp_path / "ct", change=paint, BitsAllocated=8, BitsStored=8, HighBit=7,
                                  RescaleSlope=12))

    expected = [12.0 * (np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS) + 10 * k) - 1024 for k in range(SLICES)]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), expected)


@pytest.mark.shows("Hostile", "images")
def test_folderOfAWholeArchiveIsRefused(tmp_path, monkeypatch):
    monkeypatch.setattr(DicomSeries, "MAXIMUM_FILES", SLICES - 1)

    assert f"more than {SLICES - 1} files" in refusal(writeSeries(tmp_path / "ct"))


@pytest.mark.shows("Mended", "rescale that differs from slice to slice", "each slice by its own")
def test_rescaleOfEachSliceIsItsOwn(tmp_path):
    def rescale(k, dataset):
        dataset.RescaleSlope = 1 + 0.25 * k
        dataset.RescaleIntercept = -1024 - 0.5 * k

    image = readImage(writeSeries(tmp_path / "ct", change=rescale))

    expected = [storedValues(k) * (1 + 0.25 * k) - 1024 - 0.5 * k for k in range(SLICES)]
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), expected)


@pytest.mark.parametrize("kept", [150, 300, 0.9])
def test_sliceCutShortIsRefused(tmp_path, kept):
    folder = writeSeries(tmp_path / "ct")
    data = (folder / "003.dcm").read_bytes()
    (folder / "003.dcm").write_bytes(data[:kept if kept > 1 else int(kept * len(data))])

    assert "damaged or incomplete" in refusal(folder)


@pytest.mark.parametrize("tags", [
    {"SeriesInstanceUID": ["1.2.3", "1.2.4"]}, {"SOPInstanceUID": ["1.2.3", "1.2.4"]}, {"NumberOfFrames": [2, 3]},
    {"SamplesPerPixel": [1, 1]}, {"PhotometricInterpretation": ["MONOCHROME2", "RGB"]},
])
def test_severalValuesWhereOneBelongsAreRefused(tmp_path, tags):
    assert "damaged or incomplete" in refusal(writeSeries(tmp_path / "ct", **tags))


def test_compressedSeriesIsReadAsItWasBefore(tmp_path):
    plain = readImage(writeSeries(tmp_path / "plain"))

    packed = readImage(writeSeries(tmp_path / "rle", change=lambda k, dataset: dataset.compress(RLELossless)))

    np.testing.assert_array_equal(sitk.GetArrayFromImage(packed), sitk.GetArrayFromImage(plain))


def test_compressionThatCannotBeReadIsRefused(tmp_path):
    folder = writeSeries(tmp_path / "ct")
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"))

    assert "compressed in a way that can't be read" in refusal(folder)


def test_noMessageHoldsThePatientsName(tmp_path):
    folder = writeSeries(tmp_path / "ct")
    writeSeries(folder, names=[f"other{k}" for k in range(SLICES)])
    messages = [refusal(folder), refusal(writeSeries(tmp_path / "mr", Modality="MR"))]

    assert pydicom.dcmread(folder / "000.dcm").PatientName == "Doe^Jane"
    assert not any("Doe" in message for message in messages)


def test_emptyFolderIsRefused(tmp_path):
    assert "no DICOM file" in refusal(tmp_path)


def test_realCtIsReadAsItsSourceSays(sharedData):
    folder = sharedData / "pycerr_hn" / "dicom"

    image = readImage(folder)

    voxels = sitk.GetArrayViewFromImage(image)
    assert image.GetSize() == (511, 511, 90)
    assert image.GetSpacing() == (1.0, 1.0, 3.0)
    assert (voxels.min(), voxels.max()) == (-1024, 3844)
    single = readImage(sorted(folder.iterdir())[50])
    assert sitk.Hash(single) == sitk.Hash(image) and single.GetOrigin() == image.GetOrigin()


@pytest.mark.parametrize("change, kind, expected", [
    (None, sitk.sitkInt16, lambda stored, k: stored - 1024.0),
    ({"RescaleIntercept": -1024.5}, sitk.sitkFloat32, lambda stored, k: stored - 1024.5),
    ({"RescaleSlope": 0.5}, sitk.sitkFloat32, lambda stored, k: stored * 0.5 - 1024),
    # Metal: 40,000 is a value of 16 bits without a sign only.
    ("metal", sitk.sitkFloat32, lambda stored, k: np.where(stored == 1000 + 100 * k, 40_000.0, stored - 1024.0)),
])
def test_wholeHuTakeHalfOfTheMemory(tmp_path, change, kind, expected):
    def metal(k, dataset):
        pixels = storedValues(k).copy()
        pixels[0, 0] = 40_000 + 1024
        dataset.PixelData = pixels.tobytes()

    image = readImage(writeSeries(tmp_path / "ct", change=metal) if change == "metal" else
                      writeSeries(tmp_path / "ct", **(change or {})))

    assert image.GetPixelID() == kind
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), [expected(storedValues(k), k) for k in range(SLICES)])
