"""Vertebrae to MRML nodes and back.

A result's coordinates are LPS mm in the CT's own physical frame. Nodes hold them in RAS and are put under the transform
the CT is under, so that boxes and CT stay together in the world.

Node attributes, all with the prefix ``CervicalSpineDetection.``:

- ``Role``: "Box" or "Centres".
- ``Confidence``: 0 to 1; ``Inferred``, ``Complete``: "true" or "false".
- ``Remark``: why the level is to be looked at, empty for a sure one. (A markups node's own description can't hold it:
  Slicer overwrites that with measurements.)
- ``Bounds``: detected axis-aligned box, "min max" in LPS mm (6 numbers).
- ``OrientedBox``: detected oriented box, "centre size axes" in LPS mm (3 + 3 + 9 numbers).
- ``Oriented``: "true" where the node shows the oriented box, else the bounds.
- ``ModelName``, ``ModelSha256``: the weights, where the result names them.

The node reference ``CervicalSpineDetection.InputVolume`` names the CT.
"""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import slicer
import vtk

from CervicalSpineDetectionLib.Detection.Anatomy import LEVELS, levelIndex
from CervicalSpineDetectionLib.Detection.Vertebra import Bounds, DetectionResult, OrientedBox, Vertebra
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.Levels import levelColour, terminologyEntry
from CervicalSpineDetectionLib.Scene.VolumeNodes import LPS_TO_RAS

PREFIX = "CervicalSpineDetection."
VOLUME_REFERENCE = PREFIX + "InputVolume"
FOLDER_NAME = "Cervical vertebrae"
CENTRES_NAME = "Vertebra centres"
# Slicer's files hold fewer digits than its memory.
TOLERANCE_MM = 1e-3


def addVertebrae(scene, result: DetectionResult, volumeNode=None, oriented=True):
    """Add a box and a centre point a vertebra, in place of those an earlier run added for the same volume.

    Inside a subject hierarchy folder beside the CT: one vtkMRMLMarkupsROINode a level, named after it ("C3"), and one
    vtkMRMLMarkupsFiducialNode with all centres. Uncertain levels are named "C3 ?", their boxes are outlines only, and
    the point's description says why. An empty result adds nothing.

    :param scene: vtkMRMLScene.
    :param volumeNode: the CT the result belongs to.
    :param oriented: show the boxes that follow the spine's curve, else those along the patient axes.
    :return: the boxes' nodes in cranio-caudal order, then the centres' node.
    """
    with _batch(scene):
        _removeVertebrae(scene, volumeNode)
        if not result.vertebrae:
            return []
        boxNodes = [_addBox(scene, vertebra, oriented) for vertebra in result.vertebrae]
        nodes = [*boxNodes, _addCentres(scene, result.vertebrae)]
        for node in nodes:
            for key, attribute in (("name", "ModelName"), ("sha256", "ModelSha256")):
                if key in result.model:
                    node.SetAttribute(PREFIX + attribute, result.model[key])
            if volumeNode:
                node.SetNodeReferenceID(VOLUME_REFERENCE, volumeNode.GetID())
                node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        _putIntoFolder(scene, nodes, volumeNode)
        return nodes


def vertebraeFromNodes(scene, volumeNode=None) -> list[Vertebra]:
    """The vertebrae of a volume as they stand in the scene, corrections by the user included.

    The level is the first word of the box's name and of the point's label. A box that was changed gives both the
    oriented box and, as its hull, the bounds.

    :param volumeNode: the CT; None for vertebrae that were added without one.
    :return: in cranio-caudal order, LPS mm in the CT's own frame.
    :raises InputError: a level is unknown, named twice or lacks its box or point, or a node was put under another
        transform than the CT.
    """
    boxes, centres = {}, {}
    for node in _vertebraNodes(scene, volumeNode):
        if volumeNode and node.GetTransformNodeID() != volumeNode.GetTransformNodeID():
            raise InputError(f'"{node.GetName()}" and the CT are under different transforms: put both under the same.')
        if node.GetAttribute(PREFIX + "Role") == "Box":
            _putLevel(boxes, node.GetName(), node)
            continue
        for index in range(node.GetNumberOfControlPoints()):
            if node.GetNthControlPointPositionStatus(index) == node.PositionDefined:
                position = LPS_TO_RAS @ node.GetNthControlPointPosition(index)
                _putLevel(centres, node.GetNthControlPointLabel(index), position)
    unpaired = sorted(boxes.keys() ^ centres.keys(), key=levelIndex)
    if unpaired:
        raise InputError(f"Box or centre point of {', '.join(unpaired)} is missing or named otherwise: correct both.")
    return [_vertebra(level, boxes[level], centres[level]) for level in sorted(boxes, key=levelIndex)]


def label(vertebra: Vertebra) -> str:
    return f"{vertebra.level} ?" if vertebra.remark else vertebra.level


def boxCorners(box: OrientedBox) -> np.ndarray:
    """:return: shape (8, 3), LPS mm."""
    signs = np.stack(np.meshgrid(*[(-0.5, 0.5)] * 3, indexing="ij"), axis=-1).reshape(8, 3)
    return box.centre + (signs * box.size) @ box.axes


@contextmanager
def _batch(scene):
    """Views and panels follow once, at the end."""
    scene.StartState(slicer.vtkMRMLScene.BatchProcessState)
    try:
        yield
    finally:
        scene.EndState(slicer.vtkMRMLScene.BatchProcessState)


def _vertebraNodes(scene, volumeNode):
    volumeId = volumeNode.GetID() if volumeNode else None
    # slicer.util.getNodesByClass always asks slicer.mrmlScene.
    markups = (scene.GetNthNodeByClass(n, "vtkMRMLMarkupsNode")
               for n in range(scene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode")))
    return [
        node for node in markups
        if node.GetAttribute(PREFIX + "Role") and node.GetNodeReferenceID(VOLUME_REFERENCE) == volumeId
    ]


def _removeVertebrae(scene, volumeNode):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folders = set()
    for node in _vertebraNodes(scene, volumeNode):
        item = hierarchy.GetItemByDataNode(node)
        folders.add(hierarchy.GetItemParent(item))
        hierarchy.RemoveItem(item, False)
        for companion in (node.GetDisplayNode(), node.GetStorageNode()):
            if companion:
                scene.RemoveNode(companion)
        scene.RemoveNode(node)
    for folder in folders:
        # The user may have put other nodes into it, or ours elsewhere.
        if hierarchy.GetItemName(folder) == FOLDER_NAME and hierarchy.GetNumberOfItemChildren(folder) == 0:
            hierarchy.RemoveItem(folder)


def _addBox(scene, vertebra, oriented):
    box = vertebra.orientedBox if oriented else _axisAligned(vertebra.bounds)
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", label(vertebra))
    with slicer.util.NodeModify(node):
        _setRoi(node, box)
        node.SetAttribute(
            slicer.vtkSlicerTerminologiesModuleLogic.GetTerminologyEntryAttributeName(),
            terminologyEntry(vertebra.level),
        )
        for attribute, value in {
            "Role": "Box",
            "Confidence": repr(float(vertebra.confidence)),
            "Inferred": _text(vertebra.inferred),
            "Complete": _text(vertebra.complete),
            "Remark": vertebra.remark,
            "Bounds": _numbersText(vertebra.bounds.minimum, vertebra.bounds.maximum),
            "OrientedBox": _numbersText(*_boxArrays(vertebra.orientedBox)),
            "Oriented": _text(oriented),
        }.items():
            node.SetAttribute(PREFIX + attribute, value)
    # The box's centre would be taken for that of the body.
    node.SetNthControlPointVisibility(0, False)
    node.CreateDefaultDisplayNodes()
    _showBox(node.GetDisplayNode(), levelColour(vertebra.level), certain=not vertebra.remark)
    return node


def _addCentres(scene, vertebrae):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", CENTRES_NAME)
    with slicer.util.NodeModify(node):
        for vertebra in vertebrae:
            index = node.AddControlPoint(LPS_TO_RAS @ vertebra.centre, label(vertebra))
            node.SetNthControlPointDescription(index, _description(vertebra))
        node.SetAttribute(PREFIX + "Role", "Centres")
    node.CreateDefaultDisplayNodes()
    displayNode = node.GetDisplayNode()
    with slicer.util.NodeModify(displayNode):
        # Points have one colour a list: white stands out from every box.
        displayNode.SetColor(1, 1, 1)
        displayNode.SetSelectedColor(1, 1, 1)
        # Not projected onto slices they don't lie in: axial slices would show all names in one place.
        displayNode.SliceProjectionOff()
        displayNode.SetGlyphScale(1.5)
        displayNode.SetTextScale(3.5)
    return node


def _showBox(displayNode, colour, certain):
    with slicer.util.NodeModify(displayNode):
        displayNode.SetColor(colour)
        displayNode.SetSelectedColor(colour)
        displayNode.SetFillOpacity(0.05 if certain else 0)
        displayNode.SetLineThickness(0.3)
        # The centre point carries the name, and eleven boxes' handles would hide the CT: turned on where needed.
        displayNode.SetPropertiesLabelVisibility(False)
        displayNode.SetHandlesInteractive(False)


def _putIntoFolder(scene, nodes, volumeNode):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    # Without the application's plugins the CT has no item (0), and neither have the new nodes.
    volumeItem = hierarchy.GetItemByDataNode(volumeNode) if volumeNode else 0
    parent = hierarchy.GetItemParent(volumeItem) if volumeItem else hierarchy.GetSceneItemID()
    folder = hierarchy.CreateFolderItem(parent, FOLDER_NAME)
    for node in nodes:
        hierarchy.SetItemParent(hierarchy.CreateItem(folder, node), folder)


def _setRoi(node, box):
    # An ROI's axes point right, anterior, superior, as the names of its handles say.
    objectToNode = np.eye(4)
    objectToNode[:3, :3] = LPS_TO_RAS @ box.axes.T @ LPS_TO_RAS
    objectToNode[:3, 3] = LPS_TO_RAS @ box.centre
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(objectToNode.ravel())
    node.SetAndObserveObjectToNodeMatrix(matrix)
    node.SetSize(box.size)


def _boxFromRoi(node):
    objectToNode = slicer.util.arrayFromVTKMatrix(node.GetObjectToNodeMatrix())
    return OrientedBox(
        centre=LPS_TO_RAS @ objectToNode[:3, 3],
        size=np.array(node.GetSize()),
        axes=(LPS_TO_RAS @ objectToNode[:3, :3] @ LPS_TO_RAS).T,
    )


def _vertebra(level, node, centre):
    attribute = {name: node.GetAttribute(PREFIX + name) for name in ("Confidence", "Inferred", "Complete", "Oriented")}
    bounds = Bounds(*_numbers(node, "Bounds").reshape(2, 3))
    numbers = _numbers(node, "OrientedBox")
    box = OrientedBox(numbers[:3], numbers[3:6], numbers[6:].reshape(3, 3))
    shown = box if attribute["Oriented"] == "true" else _axisAligned(bounds)
    present = _boxFromRoi(node)
    if not np.allclose(boxCorners(present), boxCorners(shown), rtol=0, atol=TOLERANCE_MM):
        corners = boxCorners(present)
        bounds, box = Bounds(corners.min(axis=0), corners.max(axis=0)), present
    return Vertebra(
        level, float(attribute["Confidence"]), centre, bounds, box,
        inferred=attribute["Inferred"] == "true", complete=attribute["Complete"] == "true",
    )


def _axisAligned(bounds):
    return OrientedBox(bounds.centre, bounds.size, np.eye(3))


def _putLevel(found, name, value):
    level = name.split()[0] if name.split() else ""
    if level not in LEVELS:
        raise InputError(f'"{name}" names no vertebra: its first word is to be one of {LEVELS[0]} to {LEVELS[-1]}.')
    if level in found:
        raise InputError(f"{level} is there twice: rename or remove one.")
    found[level] = value


def _description(vertebra):
    reason = vertebra.remark
    return f"Please check: {reason}" if reason else f"Confidence {vertebra.confidence:.2f}"


def _text(flag):
    return "true" if flag else "false"


def _boxArrays(box):
    return box.centre, box.size, box.axes


def _numbersText(*arrays):
    return " ".join(repr(float(number)) for array in arrays for number in np.ravel(array))


def _numbers(node, attribute):
    return np.array([float(number) for number in node.GetAttribute(PREFIX + attribute).split()])
