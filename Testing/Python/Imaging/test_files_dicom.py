"""DICOM series: right geometry and values, or a refusal that says why."""

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, RLELossless, generate_uid

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging import DicomSeries
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage, readImageWithWarnings

ROWS, COLUMNS, SLICES = 10, 8, 7
SPACING = (0.5, 0.8, 3.0)
STRAIGHT = np.eye(3)
ORIGIN = np.array([-12.5, 30.25, -140.0])


def storedValues(k):
    """Pixels of slice k as stored: every slice and every pixel differs."""
    return (1000 + 100 * k + np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)).astype(np.uint16)


def writeSeries(folder, positions=None, axes=STRAIGHT, names=None, change=None, **tags):
    """A CT series, one file a slice.

    :param positions: shape (slices, 3), LPS mm of each slice's first pixel.
    :param axes: rows: direction of increasing column, of increasing row, of the slices.
    :param names: file names.
    :param change: called with (slice number, data set) before writing.
    """
    folder.mkdir(exist_ok=True)
    if positions is None:
        positions = [ORIGIN + SPACING[2] * k * np.asarray(axes)[2] for k in range(SLICES)]
    series = generate_uid()
    for k, position in enumerate(positions):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        values = {
            "SOPClassUID": CTImageStorage, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
            "StudyInstanceUID": series, "SeriesInstanceUID": series, "Modality": "CT", "PatientName": "Doe^Jane",
            "ImagePositionPatient": [f"{x:.4f}" for x in position],
            "ImageOrientationPatient": [f"{x:.8f}" for x in np.ravel(axes[:2])],
            "PixelSpacing": [SPACING[1], SPACING[0]], "Rows": ROWS, "Columns": COLUMNS, "BitsAllocated": 16,
            "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0, "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2", "RescaleSlope": 1, "RescaleIntercept": -1024,
            "PixelData": storedValues(k).tobytes(), **tags,
        }
        for tag, value in values.items():
            setattr(dataset, tag, value)
        if change:
            change(k, dataset)
        dataset.save_as(folder / (names[k] if names else f"{k:03d}.dcm"), enforce_file_format=True)
    return folder


def refusal(path):
    with pytest.raises(InputError) as error:
        readImage(path)
    return str(error.value)


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


def test_twoCtSeriesInAFolderAreListedAndRefused(tmp_path):
    folder = writeSeries(tmp_path / "ct")
    writeSeries(folder, names=[f"other{k}" for k in range(SLICES)])

    message = refusal(folder)

    assert "2 CT series" in message and "000.dcm" in message and "other0" in message


@pytest.mark.shows("Mended", "scout, dose and other modalities beside the CT", "left out, with a note")
def test_otherModalitiesAndScoutsBesideTheCtAreLeftOutWithANote(tmp_path):
    folder = writeSeries(tmp_path / "ct")
    writeSeries(folder, positions=[ORIGIN], names=["dose"], Modality="RTDOSE")
    writeSeries(folder, positions=[ORIGIN], names=["scout"], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    (folder / "notes.txt").write_text("not DICOM")

    read = readImageWithWarnings(folder)

    assert read.image.GetSize() == (COLUMNS, ROWS, SLICES)
    assert len(read.warnings) == 1 and "2 more DICOM series" in read.warnings[0]


@pytest.mark.parametrize("missing", [1, 3, SLICES - 2])
def test_missingSliceIsRefused(tmp_path, missing):
    folder = writeSeries(tmp_path / "ct")
    (folder / f"{missing:03d}.dcm").unlink()

    assert "3.00 to 6.00 mm apart" in refusal(folder)


def test_spacingThatChangesIsRefused(tmp_path):
    heights = [0, 1, 2, 3, 5, 7, 9]
    folder = writeSeries(tmp_path / "ct", positions=[ORIGIN + [0, 0, z] for z in heights])

    assert "1.00 to 2.00 mm apart" in refusal(folder)


def test_positionsRoundedToATenthOfAMillimetreAreEven(tmp_path):
    heights = np.round(0.625 * np.arange(SLICES), 1)

    image = readImage(writeSeries(tmp_path / "ct", positions=[ORIGIN + [0, 0, z] for z in heights]))

    assert image.GetSpacing()[2] == pytest.approx(0.625, abs=0.02)


def test_twoPhasesAtTheSamePositionsAreRefused(tmp_path):
    positions = [ORIGIN + [0, 0, 3.0 * (k // 2)] for k in range(2 * SLICES)]

    assert f"{SLICES} slices of the DICOM series lie where another one lies" in refusal(
        writeSeries(tmp_path / "ct", positions=positions))


def test_copyOfASliceCountsOnce(tmp_path):
    folder = writeSeries(tmp_path / "ct")
    (folder / "copy.dcm").write_bytes((folder / "002.dcm").read_bytes())

    assert readImage(folder).GetSize() == (COLUMNS, ROWS, SLICES)


def ramp(points):
    """Stored values that grow evenly through space, so that linear interpolation is exact; points in LPS mm."""
    return np.asarray(points) @ [3.0, 5.0, 7.0] + 4000


def pixelPositions(position, axes=STRAIGHT):
    """LPS mm of the pixels of a slice, shape (rows, columns, 3)."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    return position + columns[..., None] * SPACING[0] * axes[0] + rows[..., None] * SPACING[1] * axes[1]


@pytest.mark.parametrize("axes", [STRAIGHT, [[0, 0.8, -0.6], [0, -0.6, -0.8], [-1, 0, 0]]], ids=["axial", "oblique"])
@pytest.mark.parametrize("degrees", [-30, 15])
@pytest.mark.parametrize("intercept", [-1024, 0])
def test_tiltedGantryIsReadAsAStraightGrid(tmp_path, degrees, axes, intercept):
    axes = np.asarray(axes, float)
    step = 3.0 * (axes[2] + np.tan(np.radians(degrees)) * (axes[1] + 0.2 * axes[0]))
    positions = [ORIGIN + k * step for k in range(SLICES)]

    def paint(k, dataset):
        dataset.PixelData = np.round(ramp(pixelPositions(positions[k], axes))).astype(np.uint16).tobytes()

    read = readImageWithWarnings(
        writeSeries(tmp_path / "ct", positions, axes, change=paint, RescaleIntercept=intercept))

    assert len(read.warnings) == 1 and "tilted" in read.warnings[0]
    np.testing.assert_allclose(np.reshape(read.image.GetDirection(), (3, 3)), axes.T, atol=1e-6)
    for position in positions:
        for point in pixelPositions(position, axes)[1:-1, 1:-1].reshape(-1, 3):
            value = read.image.EvaluateAtContinuousIndex(read.image.TransformPhysicalPointToContinuousIndex(point))
            assert value == pytest.approx(ramp(point) + intercept, abs=1.5)
    # All of the CT is kept; what is beside it is air.
    lowest = ramp(np.concatenate([pixelPositions(p, axes).reshape(-1, 3) for p in positions])).min() + intercept
    assert sitk.GetArrayViewFromImage(read.image).min() == pytest.approx(lowest, abs=1)


def test_slicesShiftedUnevenlyInPlaneAreRefused(tmp_path):
    shifts = [0, 2, 0, 2, 0, 2, 0]

    assert "not evenly" in refusal(writeSeries(
        tmp_path / "ct", positions=[ORIGIN + [0, shift, 3.0 * k] for k, shift in enumerate(shifts)]))


def test_tiltThatNoGantryHasIsRefused(tmp_path):
    positions = [ORIGIN + [0, 6.0 * k, 3.0 * k] for k in range(SLICES)]

    assert "63.4 degrees" in refusal(writeSeries(tmp_path / "ct", positions))


def test_obliqueStackThatIsStraightIsNotTakenForATilt(tmp_path):
    c, s = np.cos(np.radians(15)), np.sin(np.radians(15))

    image = readImage(writeSeries(tmp_path / "ct", axes=np.array([[1, 0, 0], [0, c, s], [0, -s, c]])))

    assert image.GetSize() == (COLUMNS, ROWS, SLICES)


def test_slicesOfDifferentOrientationAreRefused(tmp_path):
    def turnOne(k, dataset):
        if k == 4:
            dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]

    assert "differ in size, pixel spacing or orientation" in refusal(writeSeries(tmp_path / "ct", change=turnOne))


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


def writeFrames(path, order=range(SLICES), change=None):
    """An enhanced CT: all slices are frames of one file, each with its own place and rescale intercept."""
    writeSeries(path.parent, positions=[ORIGIN], names=[path.name])
    dataset = pydicom.dcmread(path)
    for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"):
        delattr(dataset, tag)
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [SPACING[1], SPACING[0]]
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    frames = []
    for k in order:
        frame, position, rescale = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = (ORIGIN + [0, 0, SPACING[2] * k]).tolist()
        rescale.RescaleSlope, rescale.RescaleIntercept = 1, -1024 - k
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [position], [rescale]
        frames.append(frame)
    dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence = [shared], frames
    dataset.NumberOfFrames = len(frames)
    dataset.PixelData = b"".join(storedValues(k).tobytes() for k in order)
    if change:
        change(dataset)
    dataset.save_as(path)
    return path


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


def test_singleSliceIsRefused(tmp_path):
    assert "only 1 slice;" in refusal(writeSeries(tmp_path / "ct", positions=[ORIGIN]))


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
