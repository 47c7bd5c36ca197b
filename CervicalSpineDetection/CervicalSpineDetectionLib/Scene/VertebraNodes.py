"""A detection result as MRML nodes, and back.

A vertebra is a ``vtkMRMLMarkupsROINode``; the centres are one ``vtkMRMLMarkupsFiducialNode``. All refer to their CT and
stand in one subject hierarchy folder beside it. Coordinates are those of the CT's own physical frame: where the CT is
under a transform, the nodes are put under the same one, and so stay on the anatomy.

Node attributes, all with the prefix ``CervicalSpineDetection.``: ``level`` (what the person sees, changes with an
edit), ``detectedLevel``, ``confidence``, ``inferred``, ``complete``, ``detectedBounds`` (six numbers, LPS mm, minimum
then maximum), ``model`` (name) and ``modelSha256``.
"""

from __future__ import annotations

import contextlib

import numpy as np
import slicer
import vtk

from CervicalSpineDetectionLib.Detection.Anatomy import levelIndex
from CervicalSpineDetectionLib.Detection.Vertebra import Bounds, OrientedBox, Vertebra
from CervicalSpineDetectionLib.Scene.LevelAppearance import colorOf, terminologyOf
from CervicalSpineDetectionLib.Scene.Volumes import LPS_TO_RAS, matrixFromArray

ATTRIBUTE = "CervicalSpineDetection."
VOLUME_REFERENCE = "CervicalSpineDetection.volume"
FOLDER_NAME = "Cervical vertebrae"
CENTRES_NAME = "Vertebra centres"
UNCERTAIN_BELOW = 0.5


def addVertebrae(scene, result, volumeNode=None, oriented=True):
    """Show a result in a scene; earlier nodes of the same CT are replaced, all others stay.

    :param scene: vtkMRMLScene.
    :param result: DetectionResult.
    :param volumeNode: the CT, or None.
    :param oriented: boxes along the spine's curve; False: along the axes of the CT's frame.
    :return: (list of ROI nodes in cranio-caudal order, fiducial node).
    """
    with _batch(scene):
        removeVertebrae(scene, volumeNode)
        rois = [_addRoi(scene, vertebra, result, volumeNode, oriented) for vertebra in result.vertebrae]
        centres = _addCentres(scene, result, volumeNode)
        _arrange(scene, [*rois, centres], volumeNode)
    return rois, centres


def removeVertebrae(scene, volumeNode=None):
    """Remove the vertebra nodes of one CT, and their folder if nothing else is in it."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folders = set()
    for node in [*roiNodes(scene, volumeNode), *_centresNodes(scene, volumeNode)]:
        item = hierarchy.GetItemByDataNode(node)
        folders.add(hierarchy.GetItemParent(item))
        scene.RemoveNode(node)
    for folder in folders:
        if hierarchy.GetItemName(folder) == FOLDER_NAME and hierarchy.GetNumberOfItemChildren(folder) == 0:
            hierarchy.RemoveItem(folder)


def roiNodes(scene, volumeNode=None):
    """The vertebra ROI nodes of one CT, cranio-caudal."""
    nodes = [node for node in _nodesOf(scene, "vtkMRMLMarkupsROINode") if _belongs(node, volumeNode)]
    return sorted(nodes, key=lambda node: levelIndex(node.GetAttribute(ATTRIBUTE + "level")))


def vertebraeFromNodes(scene, volumeNode=None):
    """The vertebrae as they now stand in the scene, edits included.

    :return: list of Vertebra, LPS mm in the CT's own frame.
    """
    centres = {}
    for node in _centresNodes(scene, volumeNode):
        for i in range(node.GetNumberOfControlPoints()):
            centres[node.GetNthControlPointDescription(i).split(" ")[0]] = LPS_TO_RAS @ np.array(
                node.GetNthControlPointPosition(i))
    vertebrae = []
    for node in roiNodes(scene, volumeNode):
        level = node.GetAttribute(ATTRIBUTE + "level")
        box = _orientedBoxOf(node)
        corners = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) / 2 * box.size @ box.axes
        bounds = Bounds(box.centre + corners.min(axis=0), box.centre + corners.max(axis=0))
        vertebrae.append(Vertebra(
            level, float(node.GetAttribute(ATTRIBUTE + "confidence")), centres.get(level, box.centre), bounds, box,
            inferred=node.GetAttribute(ATTRIBUTE + "inferred") == "1",
            complete=node.GetAttribute(ATTRIBUTE + "complete") == "1",
        ))
    return vertebrae


def doubts(vertebra):
    """Reasons to look at a vertebra twice; empty for a sure one."""
    return [text for doubtful, text in (
        (vertebra.inferred, "not seen, placed between its neighbours"),
        (not vertebra.complete, "cut by the image edge"),
        (vertebra.confidence < UNCERTAIN_BELOW, "level uncertain"),
    ) if doubtful]


def labelOf(vertebra):
    """Name shown in views: the level, with a question mark where there is doubt."""
    return f"{vertebra.level} ?" if doubts(vertebra) else vertebra.level


def _addRoi(scene, vertebra, result, volumeNode, oriented):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", vertebra.level)
    box = vertebra.orientedBox if oriented else OrientedBox(
        vertebra.bounds.centre, vertebra.bounds.size, np.eye(3))
    objectToNode = np.eye(4)
    objectToNode[:3, :3] = LPS_TO_RAS @ box.axes.T @ LPS_TO_RAS  # axes point right, anterior, superior in RAS
    objectToNode[:3, 3] = LPS_TO_RAS @ box.centre
    node.SetAndObserveObjectToNodeMatrix(matrixFromArray(objectToNode))
    node.SetSize(*box.size)
    node.SetNthControlPointVisibility(0, False)  # the box's own middle; the vertebra's centre is in the other list
    for key, value in (
        ("level", vertebra.level), ("detectedLevel", vertebra.level), ("confidence", f"{vertebra.confidence:.4f}"),
        ("inferred", str(int(vertebra.inferred))), ("complete", str(int(vertebra.complete))),
        ("detectedBounds", " ".join(f"{v:.2f}" for v in (*vertebra.bounds.minimum, *vertebra.bounds.maximum))),
        ("model", result.model.get("name", "")), ("modelSha256", result.model.get("sha256", "")),
    ):
        node.SetAttribute(ATTRIBUTE + key, value)
    node.SetAttribute("TerminologyEntry", terminologyOf(vertebra.level))
    node.SetDescription(_description(vertebra))
    _attach(node, volumeNode)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    color = colorOf(vertebra.level)
    display.SetSelectedColor(*color)
    display.SetColor(*color)
    display.SetFillOpacity(0.08 if doubts(vertebra) else 0.2)
    display.SetOutlineOpacity(1.0)
    display.SetPointLabelsVisibility(False)
    display.SetPropertiesLabelVisibility(False)
    display.SetHandlesInteractive(False)
    return node


def _addCentres(scene, result, volumeNode):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", CENTRES_NAME)
    node.SetAttribute(ATTRIBUTE + "centres", "1")
    _attach(node, volumeNode)
    node.CreateDefaultDisplayNodes()
    for vertebra in result.vertebrae:
        index = node.AddControlPoint(vtk.vtkVector3d(*(LPS_TO_RAS @ vertebra.centre)), labelOf(vertebra))
        node.SetNthControlPointDescription(index, _description(vertebra))
    display = node.GetDisplayNode()
    display.SetGlyphTypeFromString("Sphere3D")
    display.SetUseGlyphScale(False)
    display.SetGlyphSize(3.0)
    display.SetTextScale(4.0)
    display.SetSliceProjection(True)
    display.SetSelectedColor(1.0, 0.95, 0.4)
    return node


def _description(vertebra):
    """e.g. "C4 vertebra, confidence 0.97; cut by the image edge". Starts with the level."""
    return "; ".join([f"{vertebra.level} vertebra, confidence {vertebra.confidence:.2f}", *doubts(vertebra)])


def _attach(node, volumeNode):
    if volumeNode is not None:
        node.SetNodeReferenceID(VOLUME_REFERENCE, volumeNode.GetID())
        node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())


def _arrange(scene, nodes, volumeNode):
    """One folder beside the CT. Inside Slicer the items are there already; elsewhere they are made here."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    parent = hierarchy.GetSceneItemID()
    if volumeNode is not None:
        volumeItem = hierarchy.GetItemByDataNode(volumeNode) or hierarchy.CreateItem(parent, volumeNode)
        parent = hierarchy.GetItemParent(volumeItem)
    folder = hierarchy.CreateFolderItem(parent, FOLDER_NAME)
    for node in nodes:
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.SetItemParent(item, folder)
        else:
            hierarchy.CreateItem(folder, node)


def _orientedBoxOf(node):
    objectToNode = slicer.util.arrayFromVTKMatrix(node.GetObjectToNodeMatrix())
    return OrientedBox(
        LPS_TO_RAS @ objectToNode[:3, 3], np.array(node.GetSize()),
        (LPS_TO_RAS @ objectToNode[:3, :3] @ LPS_TO_RAS).T,
    )


def _centresNodes(scene, volumeNode):
    return [node for node in _nodesOf(scene, "vtkMRMLMarkupsFiducialNode")
            if node.GetAttribute(ATTRIBUTE + "centres") and _refersTo(node, volumeNode)]


def _belongs(node, volumeNode):
    return bool(node.GetAttribute(ATTRIBUTE + "level")) and _refersTo(node, volumeNode)


def _refersTo(node, volumeNode):
    return (node.GetNodeReferenceID(VOLUME_REFERENCE) or "") == (volumeNode.GetID() if volumeNode is not None else "")


def _nodesOf(scene, className):
    return [scene.GetNthNodeByClass(i, className) for i in range(scene.GetNumberOfNodesByClass(className))]


@contextlib.contextmanager
def _batch(scene):
    """Views redraw once, after the whole change."""
    scene.StartState(slicer.vtkMRMLScene.BatchProcessState)
    try:
        yield
    finally:
        scene.EndState(slicer.vtkMRMLScene.BatchProcessState)
