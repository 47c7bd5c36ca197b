"""Exported files: what goes out comes back the same, and what can't be exported is told."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from exportFixtures import placesOf, segmentPlaces

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Results.LabelMapExport import boneMask, boxMap
from CervicalSpineDetectionLib.Spine.Levels import LEVELS


def test_labelMapFilesLieOnTheCt(dicomCase):
    folder, image, vertebrae = dicomCase

    for name, labels in (("boxes", boxMap(vertebrae, image)), ("bone", boneMask(vertebrae, image))):
        read = sitk.ReadImage(str(folder / "out" / f"{name}.nii.gz"))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(labels))
        np.testing.assert_allclose(read.GetOrigin(), image.GetOrigin(), atol=1e-4)
        np.testing.assert_allclose(read.GetDirection(), image.GetDirection(), atol=1e-6)


def test_slicerSegmentationComesBackWithTerminology(dicomCase):
    import slicer
    import vtk

    from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
    from CervicalSpineDetectionLib.Scene.Levels import levelColour, terminologyEntry

    folder, image, vertebrae = dicomCase
    truth = sitk.GetArrayFromImage(boneMask(vertebrae, image))
    with headlessScene() as (scene, _):
        node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        node.AddDefaultStorageNode()
        node.GetStorageNode().SetFileName(str(folder / "out" / "bone.seg.nrrd"))
        assert node.GetStorageNode().ReadData(node)

        segmentation = node.GetSegmentation()
        assert [segmentation.GetNthSegment(i).GetName() for i in range(8)] == [v.level for v in vertebrae]
        for label, level in enumerate((v.level for v in vertebrae), 1):
            segment = segmentation.GetSegment(level)
            entry = vtk.reference("")
            assert segment.GetTag(segment.GetTerminologyEntryTagName(), entry)
            assert entry == terminologyEntry(level)
            np.testing.assert_allclose(segment.GetColor(), levelColour(level), atol=0.01)
            places = segmentPlaces(slicer, node, level)
            expected = placesOf(boneMask(vertebrae, image), label)
            assert len(places) == (truth == label).sum()
            np.testing.assert_allclose(np.sort(places, axis=0), np.sort(expected, axis=0), atol=1e-3)


def test_terminologyNamesLevelsByTheCodesOfTheSegments(dicomCase):
    from CervicalSpineDetectionLib.Scene.Levels import terminologyEntry

    folder, _, _ = dicomCase
    document = json.loads((folder / "out" / "terminology.json").read_text(encoding="utf-8"))

    (category,) = document["SegmentationCodes"]["Category"]
    assert [kind["CodeMeaning"] for kind in category["Type"]] == [f"{level} vertebra" for level in LEVELS]
    for level, kind in zip(LEVELS, category["Type"], strict=True):
        entry = terminologyEntry(level).split("~")
        assert entry[1] == f"SCT^{category['CodeValue']}^{category['CodeMeaning']}"
        assert entry[2] == f"SCT^{kind['CodeValue']}^{kind['CodeMeaning']}"


def test_nrrdInsteadOfNifti(dicomCase, tmp_path):
    folder, image, vertebrae = dicomCase

    assert main(["export", str(folder / "result" / "vertebrae.json"), "--ct", str(folder / "ct"), "--output",
                 str(tmp_path), "--formats", "labelmap", "--nrrd"]) == 0

    read = sitk.ReadImage(str(tmp_path / "boxes.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(boxMap(vertebrae, image)))
    assert [path.name for path in tmp_path.iterdir()] == ["boxes.nrrd"]


def test_missingPackageIsNamedBeforeAnythingIsRead(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    assert main(["export", "nothing", "--ct", "nothing", "--output", str(tmp_path), "--formats", "seg"]) == 2

    assert "pip install highdicom" in capsys.readouterr().err


def test_exportThatFailsLeavesEarlierFiles(dicomCase, tmp_path, monkeypatch, capsys):
    from CervicalSpineDetectionLib.Results import TerminologyJson

    folder, _, _ = dicomCase
    (tmp_path / "boxes.nii.gz").write_text("earlier")

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TerminologyJson, "writeTerminology", full)

    assert main(["export", str(folder / "result"), "--ct", str(folder / "ct"), "--output", str(tmp_path),
                 "--formats", "labelmap,terminology"]) == 2

    assert "No space left" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("boxes.nii.gz", "earlier")]


@pytest.mark.parametrize(("arguments", "complaint"), [
    (["--formats", "stl"], "no format stl"), (["--formats", ""], "no format"),
])
def test_unknownFormatsAreRefused(dicomCase, tmp_path, arguments, complaint, capsys):
    folder, _, _ = dicomCase

    assert main(["export", str(folder / "result"), "--ct", str(folder / "ct"), "--output", str(tmp_path),
                 *arguments]) == 2

    assert complaint in capsys.readouterr().err


def test_whatIsNoResultIsRefused(tmp_path, capsys):
    (tmp_path / "vertebrae.json").write_text("{")

    assert main(["export", str(tmp_path), "--ct", "ct.nrrd", "--output", str(tmp_path)]) == 2

    assert "vertebrae.json can't be read" in capsys.readouterr().err
