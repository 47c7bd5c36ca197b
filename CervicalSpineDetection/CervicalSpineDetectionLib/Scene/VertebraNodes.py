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

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import slicer

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.BoxNode import boxFromRoi, makeBox, writeBox
from CervicalSpineDetectionLib.Scene.CentrePoints import makeCentres, removePoint, writePoint
from CervicalSpineDetectionLib.Scene.Conflicts import contradictions
from CervicalSpineDetectionLib.Scene.NodeConflicts import strayConflicts
from CervicalSpineDetectionLib.Scene.OtherNaming import otherNamingValues
from CervicalSpineDetectionLib.Scene.OwnNodes import LOCKED, ROLE, centresNodeOf, nodesOfRole, transformIdOf
from CervicalSpineDetectionLib.Scene.VertebraFolder import joinToCt, removeNode
from CervicalSpineDetectionLib.Scene.VertebraState import PREFIX, VertebraState, boxNumbers, stateOf
from CervicalSpineDetectionLib.Scene.VolumeNodes import LPS_TO_RAS
from CervicalSpineDetectionLib.Spine.Levels import levelIndex
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra


def addVertebrae(scene: slicer.vtkMRMLScene, result: DetectionResult,
                 volumeNode: slicer.vtkMRMLScalarVolumeNode | None = None, oriented: bool = True,
                 keepSettled: bool = True) -> list[slicer.vtkMRMLMarkupsNode]:
    """Add a box and a centre point a vertebra, in place of those an earlier run added for the same volume.

    Vertebrae that a person edited, confirmed or locked stay, and no other of their level is added.

    Inside a subject hierarchy folder beside the CT: one vtkMRMLMarkupsROINode a level, named after it ("C3"), and one
    vtkMRMLMarkupsFiducialNode with all centres. Uncertain levels are named "C3 ?", their boxes are outlines only, and
    the point's description says why. An empty result adds nothing.

    :param scene: vtkMRMLScene.
    :param volumeNode: the CT the result belongs to.
    :param keepSettled: False removes what a person settled too.
    :param oriented: show the boxes that follow the spine's curve, else those along the patient axes.
    :return: the boxes' nodes in cranio-caudal order, then the centres' node.
    """
    kept = [state for state in readStates(scene, volumeNode) if keepSettled and state.settled]
    settledLevels = {state.level for state in kept}
    added = [stateOf(vertebra, oriented, model=result.model).withValues(**otherNamingValues(result))
             for vertebra in result.vertebrae if vertebra.level not in settledLevels]
    states = writeStates(scene, volumeNode, [*kept, *added])
    boxNodes = [scene.GetNodeByID(state.nodeId) for state in states]
    return [*boxNodes, centresNodeOf(scene, volumeNode)] if boxNodes else []


def vertebraeFromNodes(scene: slicer.vtkMRMLScene,
                       volumeNode: slicer.vtkMRMLScalarVolumeNode | None = None) -> list[Vertebra]:
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


def readStates(scene: slicer.vtkMRMLScene,
               volumeNode: slicer.vtkMRMLScalarVolumeNode | None = None) -> list[VertebraState]:
    """The vertebrae of a volume as they stand in the scene.

    :return: in cranio-caudal order of their names, two of a name from the head down, those without a level last.
    """
    centresNode = centresNodeOf(scene, volumeNode)
    claimed = set()
    states = []
    for node in nodesOfRole(scene, volumeNode, "Box"):
        pointId = node.GetAttribute(PREFIX + "Point")
        index = centresNode.GetNthControlPointIndexByID(pointId) if centresNode and pointId not in claimed else -1
        claimed.add(pointId)
        states.append(_readState(node, centresNode, index))
    return inLevelOrder(states)


def inLevelOrder(states: Iterable[VertebraState]) -> list[VertebraState]:
    """In cranio-caudal order of their names, two of a name from the head down, those without a level last."""
    return sorted(states, key=lambda state: (state.level is None, levelIndex(state.level or "C1"), -state.box[2]))


def writeStates(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None,
                states: Sequence[VertebraState]) -> list[VertebraState]:
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
            centresNode = makeCentres(scene)
            joinToCt(scene, centresNode, volumeNode)
        if centresNode:
            centresNode.SetFixedNumberOfControlPoints(False)
        for state in removed:
            removePoint(centresNode, state)
            removeNode(scene, scene.GetNodeByID(state.nodeId))
        for state in states:
            former = before.get(state.nodeId)
            if former is None:
                node = makeBox(scene, state)
                joinToCt(scene, node, volumeNode)
            else:
                node = scene.GetNodeByID(state.nodeId)
            if state != former:
                writeBox(node, state, former)
                # A new box may take a point that has none.
                pointId = former.pointId if former else state.pointId if state.pointId not in claimed else None
                writePoint(centresNode, node, state, pointId)
        if centresNode:
            centresNode.SetFixedNumberOfControlPoints(True)
        if centresNode and not states:
            removeNode(scene, centresNode)
    if removed:
        _drawSlicesAgain(scene)
    return [state.steadied(wanted.get(state.nodeId)) for state in readStates(scene, volumeNode)]


def _readState(node: slicer.vtkMRMLMarkupsROINode, centresNode: slicer.vtkMRMLMarkupsFiducialNode | None,
               index: int) -> VertebraState:
    hasPoint = index >= 0 and centresNode.GetNthControlPointPositionStatus(index) == centresNode.PositionDefined
    return VertebraState(
        name=node.GetName() or "",
        box=boxNumbers(boxFromRoi(node)),
        centre=tuple(map(float, LPS_TO_RAS @ centresNode.GetNthControlPointPosition(index))) if hasPoint else None,
        attributes={name: node.GetAttribute(name) for name in node.GetAttributeNames()
                    if name.startswith(PREFIX) and name not in (ROLE, LOCKED, PREFIX + "Point")},
        visible=bool(node.GetDisplayNode() and node.GetDisplayNode().GetVisibility()),
        locked=_isLocked(node),
        nodeId=node.GetID(),
        pointLabel=centresNode.GetNthControlPointLabel(index) if hasPoint else None,
        pointId=centresNode.GetNthControlPointID(index) if index >= 0 else None,
        transformId=node.GetTransformNodeID(),
    )


def _isLocked(node: slicer.vtkMRMLMarkupsNode) -> bool:
    """Scenes of earlier versions have MRML's lock only."""
    locked = node.GetAttribute(LOCKED)
    return bool(node.GetLocked()) if locked is None else locked == "true"


def _drawSlicesAgain(scene: slicer.vtkMRMLScene) -> None:
    """Slice views don't notice nodes that go in a batch, and would go on to show them."""
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
        scene.GetNthNodeByClass(index, "vtkMRMLSliceNode").Modified()


@contextmanager
def _batch(scene: slicer.vtkMRMLScene) -> Iterator[None]:
    """Views and panels follow once, at the end."""
    scene.StartState(slicer.vtkMRMLScene.BatchProcessState)
    try:
        yield
    finally:
        scene.EndState(slicer.vtkMRMLScene.BatchProcessState)
