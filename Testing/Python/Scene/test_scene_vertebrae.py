"""Vertebrae as nodes and back."""

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

import slicer
import vtk
from pydicom.sr.codedict import codes
from sceneFixtures import (
    DIRECTIONS,
    assertSameVertebrae,
    madeImage,
    madeResult,
    madeVertebra,
    nodesOfClass,
    putUnderTransform,
)

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.Levels import levelColour, terminologyEntry
from CervicalSpineDetectionLib.Scene.OwnNodes import VOLUME_REFERENCE
from CervicalSpineDetectionLib.Scene.VertebraFolder import FOLDER_NAME
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, vertebraeFromNodes
from CervicalSpineDetectionLib.Scene.VertebraState import PREFIX
from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage
from CervicalSpineDetectionLib.Spine.Levels import LEVELS
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

LPS_TO_RAS = np.array([-1, -1, 1])


def hierarchyOf(scene):
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def removePoint(centresNode, index):
    centresNode.SetFixedNumberOfControlPoints(False)
    centresNode.RemoveNthControlPoint(index)


@pytest.mark.parametrize("oriented", [True, False])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_vertebraeComeBackFromTheirNodes(scene, direction, oriented):
    result = madeResult()
    volumeNode = volumeNodeFromImage(scene, madeImage(direction, spacing=(0.5, 1, 3), size=(6, 6, 6)), "CT")

    addVertebrae(scene, result, volumeNode, oriented)

    assertSameVertebrae(vertebraeFromNodes(scene, volumeNode), result.vertebrae, 1e-9)


def test_orientedRoiHoldsTheBoxesCorners(scene):
    vertebra = madeVertebra("C4")
    box = vertebra.orientedBox
    leftPosteriorSuperior = box.centre + (box.size / 2) @ box.axes

    roi = addVertebrae(scene, DetectionResult([vertebra]))[0]
    toWorld = roi.GetObjectToWorldMatrix()
    # An ROI's own axes point right, anterior, superior.
    corner = toWorld.MultiplyPoint([*(np.array(roi.GetSize()) / 2 * LPS_TO_RAS), 1])[:3]

    np.testing.assert_allclose(corner, leftPosteriorSuperior * LPS_TO_RAS, atol=1e-9)
    assert toWorld.Determinant() == pytest.approx(1)


def test_axisAlignedRoiHasTheBounds(scene):
    vertebra = madeVertebra("C4")
    corners = np.array([vertebra.bounds.minimum, vertebra.bounds.maximum]) * LPS_TO_RAS
    bounds = np.zeros(6)

    addVertebrae(scene, DetectionResult([vertebra]), oriented=False)[0].GetRASBounds(bounds)

    np.testing.assert_allclose(bounds[::2], corners.min(axis=0), atol=1e-9)
    np.testing.assert_allclose(bounds[1::2], corners.max(axis=0), atol=1e-9)


def test_nodesAreNamedColouredAndCodedByLevel(scene):
    *boxNodes, centresNode = addVertebrae(scene, madeResult(LEVELS))

    assert [node.GetName() for node in boxNodes] == list(LEVELS)
    assert [centresNode.GetNthControlPointLabel(n) for n in range(len(LEVELS))] == list(LEVELS)
    for node, level in zip(boxNodes, LEVELS, strict=True):
        assert node.GetDisplayNode().GetSelectedColor() == pytest.approx(levelColour(level))
        assert node.GetAttribute("Terminologies.TerminologyEntry") == terminologyEntry(level)
    assert len({levelColour(level) for level in LEVELS}) == len(LEVELS)


@pytest.mark.parametrize("level", LEVELS)
def test_codeIsThatOfTheDicomStandard(level):
    entry = slicer.vtkSlicerTerminologyEntry()
    assert slicer.vtkSlicerTerminologiesModuleLogic.DeserializeTerminologyEntry(terminologyEntry(level), entry)
    code = getattr(codes.SCT, f"{level}Vertebra")

    found = entry.GetTypeObject()

    assert (found.GetCodingSchemeDesignator(), found.GetCodeValue()) == ("SCT", code.value)
    assert found.GetCodeMeaning() == code.meaning


def test_attributesTellProvenance(scene, volumeNode):
    node = addVertebrae(scene, madeResult(("C4",)), volumeNode)[0]

    assert node.GetAttribute(PREFIX + "Confidence") == "0.9"
    assert node.GetAttribute(PREFIX + "Inferred") == "false"
    assert node.GetAttribute(PREFIX + "Complete") == "true"
    assert node.GetAttribute(PREFIX + "ModelSha256") == "ab" * 32
    assert node.GetNodeReference(VOLUME_REFERENCE) is volumeNode


@pytest.mark.parametrize("change, reason", [
    ({"doubt": "level uncertain"}, "level uncertain"),
    ({"inferred": True}, "not detected"),
    ({"complete": False}, "partly outside the field of view"),
])
def test_uncertainVertebraIsMarkedAndTheReasonGiven(scene, change, reason):
    vertebra = madeVertebra("C6", **change)
    sure = madeVertebra("C5", (30, -40, 520))

    sureNode, node, centresNode = addVertebrae(scene, DetectionResult([sure, vertebra]))

    assert (node.GetName(), centresNode.GetNthControlPointLabel(1)) == ("C6 ?", "C6 ?")
    assert reason in node.GetAttribute(PREFIX + "Remark")
    assert reason in centresNode.GetNthControlPointDescription(1)
    assert node.GetDisplayNode().GetFillOpacity() < sureNode.GetDisplayNode().GetFillOpacity()
    assertSameVertebrae(vertebraeFromNodes(scene), [sure, vertebra], 1e-9)


def test_nodesLieInOneFolderBesideTheCt(scene, volumeNode):
    hierarchy = hierarchyOf(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    hierarchy.CreateItem(study, volumeNode)

    nodes = addVertebrae(scene, madeResult(), volumeNode)

    (folder,) = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in nodes}
    assert hierarchy.GetItemName(folder) == FOLDER_NAME
    assert hierarchy.GetItemParent(folder) == study


def test_itemsThatSlicerMakesByItselfAreMovedIntoTheFolder(scene):
    hierarchy = hierarchyOf(scene)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def addItem(_caller, _event, node):
        """As the application's plugins do."""
        if node.IsA("vtkMRMLMarkupsNode") or node.IsA("vtkMRMLVolumeNode"):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, addItem)
    volumeNode = volumeNodeFromImage(scene, madeImage(size=(6, 6, 6)), "CT")
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(volumeNode), study)

    for _ in range(2):
        nodes = addVertebrae(scene, madeResult(), volumeNode)

    (folder,) = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in nodes}
    assert hierarchy.GetItemName(folder) == FOLDER_NAME
    assert hierarchy.GetItemParent(folder) == study
    # The study, the CT, the folder and its nodes, each once.
    assert hierarchy.GetNumberOfItems() == 3 + len(nodes)


def test_nodeThatAUserPutUnderABoxStaysInTheTree(scene, volumeNode):
    hierarchy = hierarchyOf(scene)
    nodes = addVertebrae(scene, madeResult(), volumeNode)
    box = hierarchy.GetItemByDataNode(nodes[0])
    own = scene.AddNewNodeByClass("vtkMRMLMarkupsLineNode", "Measurement")
    hierarchy.CreateItem(box, own)

    addVertebrae(scene, madeResult(()), volumeNode)

    item = hierarchy.GetItemByDataNode(own)
    assert item and hierarchy.GetItemName(hierarchy.GetItemParent(item)) == FOLDER_NAME


def test_boxesOfARemovedCtStay(scene, volumeNode):
    removedVolume = volumeNodeFromImage(scene, madeImage(size=(6, 6, 6)), "Removed CT")
    nodes = addVertebrae(scene, madeResult(), removedVolume)
    scene.RemoveNode(removedVolume)

    addVertebrae(scene, madeResult(), volumeNode)

    assert all(scene.IsNodePresent(node) for node in nodes)


def test_secondRunReplacesItsOwnNodesOnly(scene, volumeNode):
    otherVolume = volumeNodeFromImage(scene, madeImage(size=(6, 6, 6)), "Other CT")
    addVertebrae(scene, madeResult(), otherVolume)
    addVertebrae(scene, madeResult())
    usersRoi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "C4")
    usersRoi.CreateDefaultDisplayNodes()
    before = scene.GetNumberOfNodes()
    itemsBefore = hierarchyOf(scene).GetNumberOfItems()
    addVertebrae(scene, madeResult(("C1", "C2", "C3", "C4")), volumeNode)
    second = madeResult(("C6", "C7"))

    addVertebrae(scene, second, volumeNode, oriented=False)

    assertSameVertebrae(vertebraeFromNodes(scene, volumeNode), second.vertebrae, 1e-9)
    assertSameVertebrae(vertebraeFromNodes(scene, otherVolume), madeResult().vertebrae, 1e-9)
    assertSameVertebrae(vertebraeFromNodes(scene), madeResult().vertebrae, 1e-9)
    assert scene.IsNodePresent(usersRoi)
    addVertebrae(scene, DetectionResult([]), volumeNode)
    assert vertebraeFromNodes(scene, volumeNode) == []
    # No display node, storage node or folder is left behind.
    assert scene.GetNumberOfNodes() == before
    assert hierarchyOf(scene).GetNumberOfItems() == itemsBefore


def test_whatTheUserPutIntoTheFolderStays(scene, volumeNode):
    hierarchy = hierarchyOf(scene)
    nodes = addVertebrae(scene, madeResult(), volumeNode)
    folder = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(nodes[0]))
    usersNode = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Mine")
    usersItem = hierarchy.CreateItem(folder, usersNode)

    addVertebrae(scene, madeResult(), volumeNode)

    assert scene.IsNodePresent(usersNode)
    assert hierarchy.GetItemName(hierarchy.GetItemParent(usersItem)) == FOLDER_NAME


def test_transformAboveTheVolumeMovesTheVertebraeWithIt(scene, volumeNode):
    result = madeResult()
    matrix = putUnderTransform(scene, volumeNode)

    *boxNodes, centresNode = addVertebrae(scene, result, volumeNode)

    for index, vertebra in enumerate(result.vertebrae):
        worldCentre = centresNode.GetNthControlPointPositionWorld(index)
        expected = matrix @ [*(vertebra.centre * LPS_TO_RAS), 1]
        np.testing.assert_allclose(worldCentre, expected[:3], atol=1e-6)
        expected = matrix @ [*(vertebra.orientedBox.centre * LPS_TO_RAS), 1]
        np.testing.assert_allclose(boxNodes[index].GetCenterWorld(), expected[:3], atol=1e-6)
    assertSameVertebrae(vertebraeFromNodes(scene, volumeNode), result.vertebrae, 1e-9)


def test_nodesUnderAnotherTransformThanTheCtAreRefused(scene, volumeNode):
    addVertebrae(scene, madeResult(), volumeNode)
    putUnderTransform(scene, volumeNode)

    with pytest.raises(InputError, match="different transforms"):
        vertebraeFromNodes(scene, volumeNode)


def test_editedBoxGivesItsHullAsBounds(scene, volumeNode):
    *boxNodes, _ = addVertebrae(scene, madeResult(), volumeNode)
    boxNodes[1].SetCenter(-30, 40, 510)
    boxNodes[1].SetSize(20, 30, 8)

    upper, edited, lower = vertebraeFromNodes(scene, volumeNode)

    np.testing.assert_allclose(edited.orientedBox.centre, [30, -40, 510], atol=1e-9)
    np.testing.assert_allclose(edited.orientedBox.size, [20, 30, 8])
    hull = (np.abs(edited.orientedBox.axes) * [[20], [30], [8]]).sum(axis=0)
    np.testing.assert_allclose(edited.bounds.size, hull)
    np.testing.assert_allclose(edited.bounds.centre, [30, -40, 510], atol=1e-9)
    assertSameVertebrae([upper, lower], madeResult().vertebrae[::2], 1e-9)


def test_movedCentreComesBack(scene, volumeNode):
    centresNode = addVertebrae(scene, madeResult(), volumeNode)[-1]
    centresNode.SetNthControlPointPosition(1, -1, 2, 3)

    np.testing.assert_allclose(vertebraeFromNodes(scene, volumeNode)[1].centre, [1, -2, 3])


def test_renamedLevelComesBackInOrder(scene, volumeNode):
    *boxNodes, centresNode = addVertebrae(scene, madeResult(("C3", "C4")), volumeNode)
    boxNodes[0].SetName("C5 corrected")
    centresNode.SetNthControlPointLabel(0, "C5")

    assert [vertebra.level for vertebra in vertebraeFromNodes(scene, volumeNode)] == ["C4", "C5"]


@pytest.mark.parametrize("edit, message", [
    (lambda boxes, centres: boxes[0].SetName("C5"), "C5 is assigned twice"),
    (lambda boxes, centres: boxes[0].SetName("C2"), 'box "C2" and its point "C3" have different names'),
    (lambda boxes, centres: centres.SetNthControlPointLabel(0, "C2"), 'box "C3" and its point "C2" have different'),
    (lambda boxes, centres: boxes[0].SetName("Atlas"), "is not the name of a vertebra"),
    (lambda boxes, centres: boxes[0].SetName(""), "is not the name of a vertebra"),
    (lambda boxes, centres: removePoint(centres, 1), "center point of C4 is missing"),
    (lambda boxes, centres: centres.UnsetNthControlPointPosition(1), "center point of C4 is missing"),
    (lambda boxes, centres: boxes[0].GetScene().RemoveNode(boxes[0]), "box of C3 is missing"),
])
def test_ambiguousEditIsRefused(scene, volumeNode, edit, message):
    *boxNodes, centresNode = addVertebrae(scene, madeResult(), volumeNode)
    edit(boxNodes, centresNode)

    with pytest.raises(InputError, match=message):
        vertebraeFromNodes(scene, volumeNode)


def test_viewsAreToldOnceAfterAllIsDone(scene, volumeNode):
    added = []
    scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, lambda *_: added.append(scene.IsBatchProcessing()))
    scene.AddObserver(slicer.vtkMRMLScene.EndBatchProcessEvent, lambda *_: added.append("end"))

    addVertebrae(scene, madeResult(), volumeNode)

    assert added[-1] == "end"
    assert False not in added
    assert not scene.IsBatchProcessing()
    assert nodesOfClass(scene, "vtkMRMLMarkupsROINode")


def test_numpyFloatsAreKeptAsNumbers(scene):
    result = DetectionResult([madeVertebra("C4", confidence=np.float32(0.75))])

    addVertebrae(scene, result)

    assert vertebraeFromNodes(scene)[0].confidence == 0.75
