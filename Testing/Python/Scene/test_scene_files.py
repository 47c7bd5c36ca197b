"""Files for Slicer: what is read back is what was found."""

import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

import slicer
from sceneFixtures import (
    DIRECTIONS,
    assertSameVertebrae,
    madeImage,
    madeResult,
    madeVertebra,
    nodesOfClass,
    readScene,
)

from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.Levels import levelColour, terminologyEntry
from CervicalSpineDetectionLib.Scene.OwnNodes import VOLUME_REFERENCE
from CervicalSpineDetectionLib.Scene.SceneFiles import writeMarkups, writeScene
from CervicalSpineDetectionLib.Scene.VertebraFolder import FOLDER_NAME
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, vertebraeFromNodes
from CervicalSpineDetectionLib.Scene.VolumeNodes import imageFromVolumeNode
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult


def resultWithDoubt():
    doubtful = madeVertebra("C6", (30, -40, 474), inferred=True, complete=False, confidence=0.25)
    return DetectionResult([*madeResult().vertebrae, doubtful], model={"name": "made", "sha256": "ab" * 32})


@pytest.mark.parametrize("oriented", [True, False])
def test_sceneHoldsTheVertebrae(tmp_path, oriented):
    result = resultWithDoubt()
    writeScene(tmp_path / "scene.mrb", madeImage(), result, "Neck", oriented)

    with readScene(tmp_path / "scene.mrb", tmp_path) as scene:
        volumeNode = scene.GetFirstNodeByName("Neck")
        assertSameVertebrae(vertebraeFromNodes(scene, volumeNode), result.vertebrae, 1e-3)
        boxNodes = nodesOfClass(scene, "vtkMRMLMarkupsROINode")
        assert [node.GetName() for node in boxNodes] == ["C3", "C4", "C5", "C6 ?"]
        for node, vertebra in zip(boxNodes, result.vertebrae, strict=True):
            assert node.GetDisplayNode().GetSelectedColor() == pytest.approx(levelColour(vertebra.level), abs=1e-3)
            assert node.GetAttribute("Terminologies.TerminologyEntry") == terminologyEntry(vertebra.level)
            assert node.GetNodeReference(VOLUME_REFERENCE) is volumeNode


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_sceneHoldsTheCt(tmp_path, direction):
    image = madeImage(direction, spacing=(0.5, 0.75, 2), size=(12, 11, 10))
    writeScene(tmp_path / "scene.mrb", image, madeResult(), "Neck")

    with readScene(tmp_path / "scene.mrb", tmp_path) as scene:
        again = imageFromVolumeNode(scene.GetFirstNodeByName("Neck"))

    for index in ((0, 0, 0), (11, 10, 9), (3, 7, 2)):
        place = image.TransformIndexToPhysicalPoint(index)
        nearest = again.TransformPhysicalPointToIndex(place)
        np.testing.assert_allclose(again.TransformIndexToPhysicalPoint(nearest), place, atol=1e-6)
        assert again[nearest] == image[index]


@pytest.mark.parametrize("name", ["Head & Neck", 'a<b>"c"', "50%/2", "Hals für C3"])
def test_sceneOpensWhateverTheCtIsCalled(tmp_path, name):
    writeScene(tmp_path / "scene.mrb", madeImage(size=(6, 6, 6)), madeResult(), name)

    with readScene(tmp_path / "scene.mrb", tmp_path) as scene:
        volumeNode = scene.GetFirstNodeByName(name)
        assert volumeNode.GetImageData().GetDimensions() == (6, 6, 6)
        assert len(vertebraeFromNodes(scene, volumeNode)) == 3


def test_sceneHasTheFolderBesideTheCt(tmp_path):
    writeScene(tmp_path / "scene.mrb", madeImage(size=(6, 6, 6)), madeResult(), "Neck")

    with readScene(tmp_path / "scene.mrb", tmp_path) as scene:
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        folder = hierarchy.GetItemByName(FOLDER_NAME)
        ct = hierarchy.GetItemByDataNode(scene.GetFirstNodeByName("Neck"))
        assert hierarchy.GetItemParent(folder) == hierarchy.GetItemParent(ct)
        for node in nodesOfClass(scene, "vtkMRMLMarkupsNode"):
            assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder


def test_sceneShowsTheSpineInBoneWindowInAllViews(tmp_path):
    result = madeResult()
    middle = result.vertebrae[1].centre * [-1, -1, 1]
    writeScene(tmp_path / "scene.mrb", madeImage(), result, "Neck")

    with readScene(tmp_path / "scene.mrb", tmp_path) as scene:
        volumeNode = scene.GetFirstNodeByName("Neck")
        displayNode = volumeNode.GetDisplayNode()
        assert (displayNode.GetWindow(), displayNode.GetLevel()) == (1800, 400)
        for name, normal in (("Red", 2), ("Yellow", 0), ("Green", 1)):
            composite = scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}")
            assert composite.GetBackgroundVolumeID() == volumeNode.GetID()
            sliceToRas = scene.GetNodeByID(f"vtkMRMLSliceNode{name}").GetSliceToRAS()
            assert abs(sliceToRas.GetElement(normal, 2)) == 1
            assert sliceToRas.GetElement(normal, 3) == pytest.approx(middle[normal], abs=1e-3)
        (camera,) = nodesOfClass(scene, "vtkMRMLCameraNode")
        assert camera.GetFocalPoint() == pytest.approx(middle, abs=1e-3)


def test_sceneAddedToASceneWithItsOwnCtKeepsItsReferences(tmp_path):
    writeScene(tmp_path / "scene.mrb", madeImage(size=(6, 6, 6)), madeResult(), "Neck")

    with readScene(tmp_path / "scene.mrb", tmp_path / "unpacked") as scene:
        first = scene.GetFirstNodeByName("Neck")
        present = {node.GetID() for node in nodesOfClass(scene, "vtkMRMLScalarVolumeNode")}
        assert scene.Import()
        (second,) = [
            node for node in nodesOfClass(scene, "vtkMRMLScalarVolumeNode") if node.GetID() not in present
        ]
        for volumeNode in (first, second):
            assertSameVertebrae(vertebraeFromNodes(scene, volumeNode), madeResult().vertebrae, 1e-3)


def test_sceneOfAnEmptyResultHoldsTheCtOnly(tmp_path):
    writeScene(tmp_path / "scene.mrb", madeImage(size=(6, 6, 6)), DetectionResult([]), "Neck")

    with readScene(tmp_path / "scene.mrb", tmp_path) as scene:
        assert scene.GetFirstNodeByName("Neck").GetImageData().GetDimensions() == (6, 6, 6)
        assert nodesOfClass(scene, "vtkMRMLMarkupsNode") == []


def test_nothingElseIsLeftInTheFolder(tmp_path):
    writeScene(tmp_path / "scene.mrb", madeImage(size=(6, 6, 6)), madeResult(), "Neck")
    writeMarkups(tmp_path / "vertebrae.mrk.json", madeResult())

    assert sorted(path.name for path in tmp_path.iterdir()) == ["scene.mrb", "vertebrae.mrk.json"]


def test_scenesDoNotWaitForAllOfVtk(tmp_path):
    # Its import takes as long as that of Slicer's own modules.
    code = ("import sys; sys.path[:0] = sys.argv[2:]; from pathlib import Path; from sceneFixtures import madeImage, "
            "madeResult; before = 'vtk' in sys.modules; from CervicalSpineDetectionLib.Scene.SceneFiles import "
            "writeMarkups, writeScene; writeScene(Path(sys.argv[1]) / 'a.mrb', madeImage(), madeResult(), 'CT'); "
            "writeMarkups(Path(sys.argv[1]) / 'a.mrk.json', madeResult()); "
            "sys.exit('vtk' in sys.modules and not before)")
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path), *sys.path]).returncode == 0


def test_unwritableSceneRaises(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(OSError):
        writeScene(tmp_path / "file" / "scene.mrb", madeImage(size=(6, 6, 6)), madeResult(), "Neck")


def test_slicersReaderLoadsEveryBoxAndTheCentres(tmp_path):
    result = resultWithDoubt()
    path = tmp_path / "vertebrae.mrk.json"
    writeMarkups(path, result)

    with headlessScene() as (expectedScene, _), headlessScene() as (scene, applicationLogic):
        expected = addVertebrae(expectedScene, result)
        # What Slicer calls for a dragged-in file.
        assert applicationLogic.GetModuleLogic("Markups").LoadMarkups(str(path), "vertebrae")
        found = nodesOfClass(scene, "vtkMRMLMarkupsNode")
        assert [node.GetName() for node in found] == ["C3", "C4", "C5", "C6 ?", "Vertebra centres"]
        for node, other in zip(found[:-1], expected[:-1], strict=True):
            matrices = [slicer.util.arrayFromVTKMatrix(roi.GetObjectToWorldMatrix()) for roi in (node, other)]
            np.testing.assert_allclose(*matrices, atol=1e-3)
            np.testing.assert_allclose(node.GetSize(), other.GetSize(), atol=1e-3)
            assert node.GetDisplayNode().GetSelectedColor() == pytest.approx(other.GetDisplayNode().GetSelectedColor())
        for index in range(len(result.vertebrae)):
            assert found[-1].GetNthControlPointLabel(index) == expected[-1].GetNthControlPointLabel(index)
            assert found[-1].GetNthControlPointDescription(index) == expected[-1].GetNthControlPointDescription(index)
            np.testing.assert_allclose(
                found[-1].GetNthControlPointPosition(index), expected[-1].GetNthControlPointPosition(index), atol=1e-3
            )


def test_markupsOfAnEmptyResultAreAnEmptyList(tmp_path):
    writeMarkups(tmp_path / "vertebrae.mrk.json", DetectionResult([]))

    content = json.loads((tmp_path / "vertebrae.mrk.json").read_text(encoding="utf-8"))
    assert content["markups"] == []
    assert "markups-schema-v1" in content["@schema"]


def test_markupsAreInLps(tmp_path):
    vertebra = madeVertebra("C4")
    writeMarkups(tmp_path / "vertebrae.mrk.json", DetectionResult([vertebra]))

    box, centres = json.loads((tmp_path / "vertebrae.mrk.json").read_text(encoding="utf-8"))["markups"]
    assert box["coordinateSystem"] == centres["coordinateSystem"] == "LPS"
    assert box["center"] == pytest.approx(list(vertebra.orientedBox.centre))
    assert centres["controlPoints"][0]["position"] == pytest.approx(list(vertebra.centre))
