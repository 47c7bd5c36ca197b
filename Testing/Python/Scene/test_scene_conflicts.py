"""What contradicts among the vertebrae of a scene is told, and how it is mended."""

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

import slicer
from sceneFixtures import boxOf, idOf, levels, madeResult, messages

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.Corrections import Corrections
from CervicalSpineDetectionLib.Scene.OwnNodes import centresNodeOf
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, vertebraeFromNodes


def test_noConflictInASoundResult(corrections):
    assert corrections.conflicts() == []


def test_twoOfALevelAreAConflict(corrections):
    twice = {idOf(corrections, "C3"), idOf(corrections, "C4")}

    corrections.relabel(idOf(corrections, "C3"), "C4")

    (conflict,) = corrections.conflicts()
    assert set(conflict.nodeIds) == twice
    assert conflict.message == "C4 is assigned twice: give one another level, or delete one."
    assert levels(corrections) == ["C4", "C4", "C5"]
    with pytest.raises(InputError, match="C4 is assigned twice"):
        corrections.confirmedVertebrae() if corrections.confirmAll() is None else None


def test_exchangedLevelsAreAConflict(corrections):
    upper, lower = idOf(corrections, "C4"), idOf(corrections, "C5")
    corrections.relabel(upper, "C5")
    corrections.relabel(lower, "C4")

    assert [set(conflict.nodeIds) for conflict in corrections.conflicts()] == [{upper, lower}]
    assert messages(corrections)[0].startswith("C5 lies above C4: swap their levels")


def test_gapIsAConflict(corrections):
    corrections.delete(idOf(corrections, "C4"))

    assert messages(corrections) == [
        "C4 is missing between C3 and C5: insert it, or shift or rename what is wrong."]


def test_pointOutsideItsBoxIsAConflict(scene, volumeNode, corrections):
    centresNodeOf(scene, volumeNode).SetNthControlPointPosition(1, -31.5, 90, 500)

    assert [conflict.nodeIds for conflict in corrections.conflicts()] == [(idOf(corrections, "C4"),)]
    assert "center point of C4 lies outside its box" in messages(corrections)[0]


@pytest.mark.parametrize("original", ["C5", "Vertebra centres"])
def test_copyIsAConflictAndNoVertebra(scene, volumeNode, corrections, original):
    seen = []
    corrections.observe(lambda: seen.append(messages(corrections)))
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(scene.GetFirstNodeByName(original))

    # What "Clone" in the Data module calls.
    slicer.vtkSlicerSubjectHierarchyModuleLogic.CloneSubjectHierarchyItem(hierarchy, item)

    expected = (f'"{original} Copy" is a copy of "{original}" and is left out: delete it in the Data module, and '
                "insert the level you need.")
    assert messages(corrections) == seen[-1] == [expected]
    assert levels(corrections) == ["C3", "C4", "C5"]
    assert len(vertebraeFromNodes(scene, volumeNode)) == 3
    scene.RemoveNode(scene.GetFirstNodeByName(f"{original} Copy"))
    assert messages(corrections) == seen[-1] == []


def test_lostPointIsAConflictAndComesBackWithTheLevel(scene, volumeNode, corrections):
    before = vertebraeFromNodes(scene, volumeNode)
    centresNodeOf(scene, volumeNode).UnsetNthControlPointPosition(1)
    assert "The center point of C4 is missing" in messages(corrections)[0]
    node = boxOf(corrections, scene, "C4")
    node.SetCenter(np.array(node.GetCenter()) + [1, 2, 3])

    corrections.relabel(node.GetID(), "C4")

    np.testing.assert_allclose(vertebraeFromNodes(scene, volumeNode)[1].centre, before[1].centre + [-1, -2, 3])
    assert corrections.conflicts() == []


def test_pointThatLostItsBoxIsAConflictAndGetsOneByInsertion(scene, volumeNode):
    *boxNodes, centresNode = addVertebrae(scene, madeResult(), volumeNode)
    centresNode.SetNthControlPointPosition(1, -31, 47, 501)
    scene.RemoveNode(boxNodes[1])
    corrections = Corrections(scene, volumeNode)
    assert "The box of C4 is missing: insert C4 to make one, or undo." in messages(corrections)

    corrections.insert("C4")

    assert corrections.conflicts() == []
    assert centresNode.GetNumberOfControlPoints() == 3
    np.testing.assert_allclose(vertebraeFromNodes(scene, volumeNode)[1].centre, [31, -47, 501])


@pytest.mark.parametrize("edit, message", [
    (lambda node: node.SetName("Atlas"), '"Atlas" is not the name of a vertebra'),
    (lambda node: node.SetName(""), '"" is not the name of a vertebra'),
    (lambda node: node.SetName("C2"), 'box "C2" and its point "C3" have different names'),
    (lambda node: node.SetSize(0, 20, 20), 'box "C3" has no extent'),
    (lambda node: node.SetAndObserveTransformNodeID("vtkMRMLLinearTransformNode1"), "different transforms"),
])
def test_editElsewhereThatContradictsIsAConflict(scene, volumeNode, corrections, edit, message):
    scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node = boxOf(corrections, scene, "C3")

    edit(node)

    assert any(message in text for text in messages(corrections))
    assert len(corrections.rows()) == 3
    with pytest.raises(InputError, match=message):
        vertebraeFromNodes(scene, volumeNode)
    corrections.relabel(node.GetID(), "C3")
