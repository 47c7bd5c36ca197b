"""Vertebrae to MRML nodes and back.

A result's coordinates are LPS mm in the CT's own physical frame. Nodes hold them in RAS and are put under the transform
the CT is under, so that boxes and CT stay together in the world.

One vtkMRMLMarkupsROINode a vertebra, and one vtkMRMLMarkupsFiducialNode with all centre points. Each box names its
point by the point's ID, so that the two belong together whatever they are called. The list holds a fixed number of
points: one is added or removed only together with its box.

Node attributes, all with the prefix ``CervicalSpineDetection.``: ``Role`` is "Box" or "Centres", ``Point`` is the ID of
a box's centre point; ``VertebraState`` lists the others. The node reference ``CervicalSpineDetection.InputVolume``
names the CT.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext

import numpy as np
import slicer
import vtk

from CervicalSpineDetectionLib.Detection.Anatomy import levelIndex
from CervicalSpineDetectionLib.Detection.Vertebra import DetectionResult, OrientedBox, Vertebra
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.Conflicts import Conflict, contradictions
from CervicalSpineDetectionLib.Scene.Levels import levelColour, terminologyEntry
from CervicalSpineDetectionLib.Scene.VertebraState import (
    PREFIX,
    VertebraState,
    boxFromNumbers,
    boxNumbers,
    levelOfName,
    stateOf,
)
from CervicalSpineDetectionLib.Scene.VolumeNodes import LPS_TO_RAS

VOLUME_REFERENCE = PREFIX + "InputVolume"
FOLDER_NAME = "Cervical vertebrae"
CENTRES_NAME = "Vertebra centres"
CODE_ATTRIBUTE = slicer.vtkSlicerTerminologiesModuleLogic.GetTerminologyEntryAttributeName()
# Grey, for a box whose name names no vertebra.
UNKNOWN_COLOUR = (0.5, 0.5, 0.5)


def addVertebrae(scene, result: DetectionResult, volumeNode=None, oriented=True):
    """Add a box and a centre point a vertebra, in place of those an earlier run added for the same volume.

    Vertebrae that a person edited, confirmed or locked stay, and no other of their level is added.

    Inside a subject hierarchy folder beside the CT: one vtkMRMLMarkupsROINode a level, named after it ("C3"), and one
    vtkMRMLMarkupsFiducialNode with all centres. Uncertain levels are named "C3 ?", their boxes are outlines only, and
    the point's description says why. An empty result adds nothing.

    :param scene: vtkMRMLScene.
    :param volumeNode: the CT the result belongs to.
    :param oriented: show the boxes that follow the spine's curve, else those along the patient axes.
    :return: the boxes' nodes in cranio-caudal order, then the centres' node.
    """
    kept = [state for state in readStates(scene, volumeNode) if state.settled]
    settledLevels = {state.level for state in kept}
    added = [stateOf(vertebra, oriented, model=result.model)
             for vertebra in result.vertebrae if vertebra.level not in settledLevels]
    states = writeStates(scene, volumeNode, [*kept, *added])
    boxNodes = [scene.GetNodeByID(state.nodeId) for state in states]
    return [*boxNodes, centresNodeOf(scene, volumeNode)] if boxNodes else []


def vertebraeFromNodes(scene, volumeNode=None) -> list[Vertebra]:
    """The vertebrae of a volume as they stand in the scene, corrections by the user included.

    The level is the first word of the box's name. A box that was changed gives both the oriented box and, as its hull,
    the bounds.

    :param volumeNode: the CT; None for vertebrae that were added without one.
    :return: in cranio-caudal order, LPS mm in the CT's own frame.
    :raises InputError: the nodes contradict each other: a level is unknown, named twice or lacks its box or point, or a
        node was put under another transform than the CT.
    """
    states = readStates(scene, volumeNode)
    found = contradictions(states, transformIdOf(volumeNode)) + strayConflicts(scene, volumeNode, states)
    if found:
        raise InputError(found[0].message)
    return [state.vertebra for state in states]


def label(vertebra: Vertebra) -> str:
    return f"{vertebra.level} ?" if vertebra.remark else vertebra.level


def readStates(scene, volumeNode=None) -> list[VertebraState]:
    """The vertebrae of a volume as they stand in the scene.

    :return: in cranio-caudal order of their names, two of a name from the head down, those without a level last.
    """
    centresNode = centresNodeOf(scene, volumeNode)
    claimed = set()
    states = []
    for node in _nodesOf(scene, volumeNode, "Box"):
        pointId = node.GetAttribute(PREFIX + "Point")
        index = centresNode.GetNthControlPointIndexByID(pointId) if centresNode and pointId not in claimed else -1
        claimed.add(pointId)
        states.append(_readState(node, centresNode, index))
    return sorted(states, key=lambda state: (state.level is None, levelIndex(state.level or "C1"), -state.box[2]))


def writeStates(scene, volumeNode, states) -> list[VertebraState]:
    """Bring the nodes of a volume in line with states: what is missing is made, what is not among them is removed, and
    the rest is touched only where it differs.

    :return: the states as they then stand in the scene.
    """
    wanted = {state.nodeId: state for state in states if state.nodeId}
    before = {state.nodeId: state.steadied(wanted.get(state.nodeId)) for state in readStates(scene, volumeNode)}
    removed = [state for nodeId, state in before.items() if nodeId not in wanted]
    made = [state for state in states if state.nodeId not in before]
    claimed = {state.pointId for state in before.values()}
    with _batch(scene) if len(removed) + len(made) > 1 else nullcontext():
        centresNode = centresNodeOf(scene, volumeNode)
        if centresNode is None and states:
            centresNode = _makeCentres(scene)
            _join(scene, centresNode, volumeNode)
        if centresNode:
            centresNode.SetFixedNumberOfControlPoints(False)
        for state in removed:
            _removePoint(centresNode, state)
            _removeNode(scene, scene.GetNodeByID(state.nodeId))
        for state in states:
            former = before.get(state.nodeId)
            if former is None:
                node = _makeBox(scene, state)
                _join(scene, node, volumeNode)
            else:
                node = scene.GetNodeByID(state.nodeId)
            if state != former:
                _writeBox(node, state, former)
                # A new box may take a point that has none.
                pointId = former.pointId if former else state.pointId if state.pointId not in claimed else None
                _writePoint(centresNode, node, state, pointId)
        if centresNode:
            centresNode.SetFixedNumberOfControlPoints(True)
        if centresNode and not states:
            _removeNode(scene, centresNode)
    return [state.steadied(wanted.get(state.nodeId)) for state in readStates(scene, volumeNode)]


def strayConflicts(scene, volumeNode, states) -> list[Conflict]:
    """Points without a box: what is meant is open, so that nothing can be exported."""
    return [
        Conflict((centresNodeOf(scene, volumeNode).GetID(),),
                 f"The box of {level} is missing: insert {level} to make one, or undo.")
        for level in strayPoints(scene, volumeNode, states)
    ]


def copyConflicts(scene, volumeNode) -> list[Conflict]:
    """Clones made in Slicer's Data module. They don't name the CT, so they are no vertebrae of it."""
    ours = {_mark(node): node.GetName() for node in vertebraNodes(scene, volumeNode)} if volumeNode else {}
    return [
        Conflict((node.GetID(),), f'"{node.GetName()}" is a copy of "{ours[_mark(node)]}" and is left out: delete it '
                 "in the Data module, and insert a level that you need.")
        for node in markupsNodes(scene)
        if isWithoutCt(node) and _mark(node) in ours
    ]


def strayPoints(scene, volumeNode, states) -> dict:
    """Centre points without a box.

    :return: level (or the point's name where that names none): (point's ID, LPS mm of shape (3,)).
    """
    node = centresNodeOf(scene, volumeNode)
    ours = {state.pointId for state in states}
    found = {}
    for index in range(node.GetNumberOfControlPoints() if node else 0):
        pointId, name = node.GetNthControlPointID(index), node.GetNthControlPointLabel(index)
        if pointId not in ours:
            found[levelOfName(name) or name] = pointId, LPS_TO_RAS @ node.GetNthControlPointPosition(index)
    return found


def removeStrayPoints(scene, volumeNode, removedStates):
    """Remove the centre points of boxes that were removed from the scene."""
    centresNode = centresNodeOf(scene, volumeNode)
    if centresNode:
        centresNode.SetFixedNumberOfControlPoints(False)
        for state in removedStates:
            _removePoint(centresNode, state)
        centresNode.SetFixedNumberOfControlPoints(True)


def centresNodeOf(scene, volumeNode):
    """The list of a volume's centre points, or None."""
    return next(iter(_nodesOf(scene, volumeNode, "Centres")), None)


def belongsTo(node, volumeNode) -> bool:
    """True for a box or list of centres of a volume."""
    volumeId = volumeNode.GetID() if volumeNode else None
    return bool(node.GetAttribute(PREFIX + "Role")) and node.GetNodeReferenceID(VOLUME_REFERENCE) == volumeId


def isWithoutCt(node) -> bool:
    """True for a box or list of centres that names no CT."""
    return belongsTo(node, None)


def vertebraNodes(scene, volumeNode):
    """Boxes and lists of centres of a volume."""
    return [node for node in markupsNodes(scene) if belongsTo(node, volumeNode)]


def markupsNodes(scene):
    """All markups of a scene, whosever they are."""
    # slicer.util.getNodesByClass always asks slicer.mrmlScene.
    return [scene.GetNthNodeByClass(n, "vtkMRMLMarkupsNode")
            for n in range(scene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode"))]


def transformIdOf(volumeNode):
    return volumeNode.GetTransformNodeID() if volumeNode else None


@contextmanager
def _batch(scene):
    """Views and panels follow once, at the end."""
    scene.StartState(slicer.vtkMRMLScene.BatchProcessState)
    try:
        yield
    finally:
        scene.EndState(slicer.vtkMRMLScene.BatchProcessState)


def _nodesOf(scene, volumeNode, role):
    return [node for node in vertebraNodes(scene, volumeNode) if node.GetAttribute(PREFIX + "Role") == role]


def _mark(node):
    """What a clone has in common with its original only."""
    isBox = node.GetAttribute(PREFIX + "Role") == "Box"
    return node.GetAttribute(PREFIX + "Centre") if isBox else node.GetName().removesuffix(" Copy")


def _readState(node, centresNode, index):
    hasPoint = index >= 0 and centresNode.GetNthControlPointPositionStatus(index) == centresNode.PositionDefined
    return VertebraState(
        name=node.GetName() or "",
        box=boxNumbers(_boxFromRoi(node)),
        centre=tuple(map(float, LPS_TO_RAS @ centresNode.GetNthControlPointPosition(index))) if hasPoint else None,
        attributes={name: node.GetAttribute(name) for name in node.GetAttributeNames()
                    if name.startswith(PREFIX) and name not in (PREFIX + "Role", PREFIX + "Point")},
        visible=bool(node.GetDisplayNode() and node.GetDisplayNode().GetVisibility()),
        locked=bool(node.GetLocked()),
        nodeId=node.GetID(),
        pointLabel=centresNode.GetNthControlPointLabel(index) if hasPoint else None,
        pointId=centresNode.GetNthControlPointID(index) if index >= 0 else None,
        transformId=node.GetTransformNodeID(),
    )


def _makeBox(scene, state):
    className = "vtkMRMLMarkupsROINode"
    if state.nodeId:
        # Undo brings a removed node back under its former ID.
        node = scene.AddNewNodeByClassWithID(className, state.name, state.nodeId)
    else:
        node = scene.AddNewNodeByClass(className, state.name)
    node.SetAttribute(PREFIX + "Role", "Box")
    node.CreateDefaultDisplayNodes()
    displayNode = node.GetDisplayNode()
    with slicer.util.NodeModify(displayNode):
        displayNode.SetLineThickness(0.3)
        # The centre point carries the name, and eleven boxes' handles would hide the CT: turned on where needed.
        displayNode.SetPropertiesLabelVisibility(False)
        displayNode.SetHandlesInteractive(False)
    return node


def _makeCentres(scene):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", CENTRES_NAME)
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


def _writeBox(node, state, former):
    code = terminologyEntry(state.level) if state.level else None
    with slicer.util.NodeModify(node):
        if former is None or state.box != former.box:
            node.SetFixedNumberOfControlPoints(False)
            _setRoi(node, boxFromNumbers(state.box))
            # Without its one point the box would be nothing: Slicer's keys could remove it.
            node.SetFixedNumberOfControlPoints(True)
            # The box's centre would be taken for that of the body.
            node.SetNthControlPointVisibility(0, False)
        for name in {**state.attributes, **(former.attributes if former else {})}:
            if node.GetAttribute(name) != state.attributes.get(name):
                node.SetAttribute(name, state.attributes.get(name))
        # Only then, as a person may have chosen another colour.
        isNewLevel = former is None or node.GetAttribute(CODE_ATTRIBUTE) != code
        node.SetAttribute(CODE_ATTRIBUTE, code)
        node.SetName(state.name)
        node.SetLocked(state.locked)
    displayNode = node.GetDisplayNode()
    with slicer.util.NodeModify(displayNode):
        if isNewLevel:
            colour = levelColour(state.level) if state.level else UNKNOWN_COLOUR
            displayNode.SetColor(colour)
            displayNode.SetSelectedColor(colour)
        if former is None or bool(state.remark) != bool(former.remark):
            displayNode.SetFillOpacity(0 if state.remark else 0.05)
        displayNode.SetVisibility(state.visible)
        if state.locked:
            # Slicer's handles move a locked box too.
            displayNode.SetHandlesInteractive(False)


def _writePoint(centresNode, boxNode, state, pointId):
    if state.centre is None:
        return
    with slicer.util.NodeModify(centresNode):
        index = _pointIndex(centresNode, pointId)
        position = LPS_TO_RAS @ state.centre
        if index < 0:
            index = centresNode.AddControlPoint(position, state.pointLabel)
        elif (centresNode.GetNthControlPointPositionStatus(index) != centresNode.PositionDefined
              or tuple(position) != centresNode.GetNthControlPointPosition(index)):
            centresNode.SetNthControlPointPosition(index, *position)
        boxNode.SetAttribute(PREFIX + "Point", centresNode.GetNthControlPointID(index))
        centresNode.SetNthControlPointLabel(index, state.pointLabel)
        centresNode.SetNthControlPointDescription(index, _description(state))
        centresNode.SetNthControlPointLocked(index, state.locked)
        centresNode.SetNthControlPointVisibility(index, state.visible)


def _removePoint(centresNode, state):
    index = _pointIndex(centresNode, state.pointId)
    if index >= 0:
        centresNode.RemoveNthControlPoint(index)


def _pointIndex(centresNode, pointId):
    return centresNode.GetNthControlPointIndexByID(pointId) if pointId else -1


def _join(scene, node, volumeNode):
    """Beside the CT: under its transform, in the folder."""
    if volumeNode:
        node.SetNodeReferenceID(VOLUME_REFERENCE, volumeNode.GetID())
        node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = _folder(scene, hierarchy, volumeNode, besides=node)
    hierarchy.SetItemParent(hierarchy.CreateItem(folder, node), folder)


def _folder(scene, hierarchy, volumeNode, besides):
    """The folder that the volume's other vertebrae are in, or a new one."""
    for node in vertebraNodes(scene, volumeNode):
        item = hierarchy.GetItemByDataNode(node) if node is not besides else 0
        if item and hierarchy.GetItemName(hierarchy.GetItemParent(item)) == FOLDER_NAME:
            return hierarchy.GetItemParent(item)
    # Without the application's plugins the CT has no item (0), and neither have the new nodes.
    volumeItem = hierarchy.GetItemByDataNode(volumeNode) if volumeNode else 0
    parent = hierarchy.GetItemParent(volumeItem) if volumeItem else hierarchy.GetSceneItemID()
    return hierarchy.CreateFolderItem(parent, FOLDER_NAME)


def _removeNode(scene, node):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(node)
    folder = hierarchy.GetItemParent(item)
    hierarchy.RemoveItem(item, False)
    for companion in (node.GetDisplayNode(), node.GetStorageNode()):
        if companion:
            scene.RemoveNode(companion)
    scene.RemoveNode(node)
    # The user may have put other nodes into it, or ours elsewhere.
    if hierarchy.GetItemName(folder) == FOLDER_NAME and hierarchy.GetNumberOfItemChildren(folder) == 0:
        hierarchy.RemoveItem(folder)


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


def _description(state):
    if state.remark:
        return f"Please check: {state.remark}"
    return "Confirmed" if state.confirmed else f"Confidence {state.vertebra.confidence:.2f}"
