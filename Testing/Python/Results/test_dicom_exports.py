"""DICOM Segmentation and Structured Report: what goes out comes back, and other programs read it."""

import json
import shutil
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from exportFixtures import placesOf

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ImageGeometry import imageGeometry
from CervicalSpineDetectionLib.Results.DicomSourceImages import EMPTY_TAGS, NEEDED_TAGS, _completed, sourceImages
from CervicalSpineDetectionLib.Results.LabelMapExport import boneMask
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, Level, levelOfCode
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult


def test_codesAreThoseOfDicom():
    from pydicom.sr.codedict import codes

    for level in LEVELS:
        assert getattr(codes.cid7603, f"{level}Vertebra").value == level.snomedCode


def _sloppyHeaders(folder, image, change):
    headers = sourceImages(folder / "ct", image)
    for header in headers:
        change(header)
    return [_completed(header, image) for header in headers]


SLOPPY = {
    **{f"without {tag}": (lambda header, tag=tag: header.pop(tag, None)) for tag in (
        *EMPTY_TAGS, "SliceThickness", "Manufacturer", "Modality", "PositionReferenceIndicator", "InstanceNumber",
        "SeriesNumber", "SpecificCharacterSet", "ImageType", "StudyDescription", "BitsStored")},
    "without any of them": lambda header: [header.pop(tag, None) for tag in (*EMPTY_TAGS, "SliceThickness")],
    "of another sex": lambda header: setattr(header, "PatientSex", "W"),
    "of thickness 0": lambda header: setattr(header, "SliceThickness", 0),
    "of an empty thickness": lambda header: setattr(header, "SliceThickness", None),
}


@pytest.mark.shows("Mended", "DICOM without PatientSex, StudyID, SliceThickness and others in `export seg,sr`",
                   "written empty, or as the slices' distance")
@pytest.mark.parametrize("headers", SLOPPY)
def test_ctsThatLackTagsAreExported(dicomCase, tmp_path, headers):
    from CervicalSpineDetectionLib.Results.DicomReport import writeReport
    from CervicalSpineDetectionLib.Results.DicomSegmentation import writeSegmentation

    folder, image, vertebrae = dicomCase
    vertebrae = vertebrae[:2]  # the headers matter
    slices = _sloppyHeaders(folder, image, SLOPPY[headers])
    model = {"name": "made", "sha256": "0" * 64}

    writeSegmentation(tmp_path / "seg.dcm", boneMask(vertebrae, image), slices, model)
    writeReport(tmp_path / "sr.dcm", DetectionResult(vertebrae, image=imageGeometry(image), model=model), slices)

    for name in ("seg.dcm", "sr.dcm"):
        written = pydicom.dcmread(tmp_path / name)
        assert written.StudyInstanceUID == slices[0].StudyInstanceUID
        assert all(tag in written for tag in EMPTY_TAGS)


@pytest.mark.parametrize("tag", NEEDED_TAGS)
def test_slicesThatNothingCanReferToAreRefused(dicomCase, tag):
    folder, image, _ = dicomCase
    with pytest.raises(InputError, match=f"lack {tag}"):
        _sloppyHeaders(folder, image, lambda header: header.pop(tag))


@pytest.mark.parametrize(("tag", "value"), [("PatientBirthDate", "unknown"), ("StudyDate", "yesterday"),
                                            ("StudyTime", "noon"), ("StudyID", "x" * 100), ("PatientName", "\x1b[2J")])
def test_valuesThatAreNoDicomAreExportedOrToldInOneSentence(dicomCase, tmp_path, capsys, tag, value, recwarn):
    folder, _, _ = dicomCase
    for path in (folder / "ct").iterdir():
        header = pydicom.dcmread(path)
        pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
        pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
        setattr(header, tag, value)
        (tmp_path / "ct").mkdir(exist_ok=True)
        header.save_as(tmp_path / "ct" / path.name)
    pydicom.config.settings.writing_validation_mode = None
    pydicom.config.settings.reading_validation_mode = pydicom.config.WARN

    status = main(["export", str(folder / "result"), "--ct", str(tmp_path / "ct"), "--output", str(tmp_path / "out"),
                   "--formats", "seg,sr"])

    error = capsys.readouterr().err
    assert (status, error.count("\n")) in ((0, 0), (2, 1)) and "\x1b" not in error


def test_dicomSegmentationComesBack(dicomCase):
    import highdicom

    folder, image, vertebrae = dicomCase
    segmentation = highdicom.seg.segread(folder / "out" / "bone.seg.dcm")

    volume = segmentation.get_volume(combine_segments=True)
    truth = boneMask(vertebrae, image)
    for label, v in enumerate(vertebrae, 1):
        indices = np.argwhere(volume.array == label)
        places = indices @ volume.affine[:3, :3].T + volume.affine[:3, 3]
        np.testing.assert_allclose(np.sort(places, axis=0), np.sort(placesOf(truth, label), axis=0), atol=1e-3)
        description = segmentation.get_segment_description(label)
        assert description.segment_label == v.level
        assert description.segmented_property_type.value == levelOfCode(label).snomedCode
    assert segmentation.PatientID == "4711"
    references = {str(item.ReferencedSOPInstanceUID) for item in segmentation.ReferencedSeriesSequence[0]
                  .ReferencedInstanceSequence}
    assert references == {str(pydicom.dcmread(path).SOPInstanceUID) for path in (folder / "ct").iterdir()}


def test_reportHoldsBoxesAndCentres(dicomCase):
    import highdicom
    from pydicom.sr.codedict import codes

    folder, _, vertebrae = dicomCase
    report = highdicom.sr.srread(folder / "out" / "report.sr.dcm")

    boxes = report.content.get_volumetric_roi_measurement_groups()
    centres = report.content.get_planar_roi_measurement_groups()
    assert len(boxes) == len(centres) == len(vertebrae)
    frame = pydicom.dcmread(folder / "ct" / "1.dcm").FrameOfReferenceUID
    for v, box, centre in zip(vertebrae, boxes, centres, strict=True):
        assert box.tracking_identifier == f"{v.level} box" and centre.tracking_identifier == f"{v.level} centre"
        assert box.finding_type.value == centre.finding_type.value == Level(v.level).snomedCode
        surface = box.roi
        assert surface.frame_of_reference_uid == frame
        faces = np.array(surface.graphic_data)
        assert faces.shape == (6, 5, 3)
        local = (faces - v.orientedBox.centre) @ v.orientedBox.axes.T / v.orientedBox.size
        # Each face lies on one side of the box, goes around its four corners and closes.
        np.testing.assert_allclose(np.abs(local), 0.5, atol=1e-3)
        sides = {(int(axis), float(np.sign(face[0, axis]))) for face in local
                 for axis in np.flatnonzero(np.ptp(face, axis=0) < 1e-3)}
        assert len(sides) == 6
        for face in local:
            np.testing.assert_allclose(np.abs(np.diff(face, axis=0)).sum(axis=1), 1, atol=1e-3)
            np.testing.assert_array_equal(face[0], face[-1])
        np.testing.assert_allclose(centre.roi.value[0], v.centre, atol=0.01)
        certainty, = box.get_measurements(name=codes.DCM.CertaintyOfFinding)
        assert certainty.value == 75.0 and certainty.unit == codes.UCUM.Percent
    assert report.PatientID == "4711" and report.StudyInstanceUID == pydicom.dcmread(
        folder / "ct" / "1.dcm").StudyInstanceUID


def test_dcmqiReadsTheSegmentationAtTheSamePlace(dicomCase, tmp_path):
    pytest.importorskip("dcmqi", reason="needs dcmqi")
    folder, image, vertebrae = dicomCase
    dcmqi("segimage2itkimage", "--inputDICOM", folder / "out" / "bone.seg.dcm", "--outputDirectory", tmp_path,
          "--outputType", "nrrd", "--mergeSegments")

    read = sitk.Resample(sitk.ReadImage(str(tmp_path / "1.nrrd")), image, sitk.Transform(), sitk.sitkNearestNeighbor)

    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(boneMask(vertebrae, image)))
    segments = json.loads((tmp_path / "meta.json").read_text())["segmentAttributes"]
    codes = [segment["SegmentedPropertyTypeCodeSequence"]["CodeValue"] for group in segments for segment in group]
    assert codes == [level.snomedCode for level in LEVELS[:8]]


def test_dcmqiReadsTheReport(dicomCase, tmp_path):
    pytest.importorskip("dcmqi", reason="needs dcmqi")
    folder, _, vertebrae = dicomCase
    dcmqi("tid1500reader", "--inputDICOM", folder / "out" / "report.sr.dcm", "--outputMetadata", tmp_path / "sr.json")

    groups = json.loads((tmp_path / "sr.json").read_text())["Measurements"]
    assert [group["Finding"]["CodeMeaning"] for group in groups if "box" in group["TrackingIdentifier"]] == [
        f"{v.level} vertebra" for v in vertebrae]


def dcmqi(program, *arguments):
    subprocess.run([Path(sysconfig.get_path("scripts")) / program, *arguments], check=True, capture_output=True)


@pytest.mark.parametrize("name", ["bone.seg.dcm", "report.sr.dcm"])
def test_dicom3toolsFindNoError(dicomCase, name):
    if not shutil.which("dciodvfy"):
        pytest.skip("needs dciodvfy of dicom3tools")
    folder, _, _ = dicomCase

    words = subprocess.run(["dciodvfy", "-new", folder / "out" / name], capture_output=True, text=True).stderr

    assert "Segmentation" in words or "Comprehensive3DSR" in words
    assert "Error" not in words


def test_whatWasNotSeenIsMarkedInTheReport(dicomCase):
    import highdicom

    folder, _, _ = dicomCase
    boxes = highdicom.sr.srread(folder / "out" / "report.sr.dcm").content.get_volumetric_roi_measurement_groups()

    remarks = {box.tracking_identifier: [item.value.meaning for item in box.get_qualitative_evaluations()
                                         if item.name.value == "remark"] for box in boxes}
    assert remarks["C4 box"] == ["interpolated (not detected)"]
    assert remarks["C5 box"] == []


def test_dicomExportsNeedTheDicomSlices(dicomCase, tmp_path, capsys):
    folder, image, _ = dicomCase
    (tmp_path / "ct").mkdir()
    sitk.WriteImage(image, str(tmp_path / "ct" / "ct.nrrd"))

    assert main(["export", str(folder / "result"), "--ct", str(tmp_path / "ct" / "ct.nrrd"), "--output",
                 str(tmp_path / "out"), "--formats", "sr"]) == 2

    assert "give --ct the DICOM folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
