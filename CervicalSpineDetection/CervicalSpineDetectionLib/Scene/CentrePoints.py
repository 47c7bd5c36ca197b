"""The centre points of a CT's vertebrae: one vtkMRMLMarkupsFiducialNode. Each box names its point by the point's ID.

The list holds a fixed number of points: one is added or removed only together with its box.
"""

from __future__ import annotations

from collections.abc import Iterable

import slicer

from CervicalSpineDetectionLib.Scene.DetectionTexts import inSlicersLanguage
from CervicalSpineDetectionLib.Scene.OwnNodes import ROLE, centresNodeOf
from CervicalSpineDetectionLib.Scene.Translation import tr as _
from CervicalSpineDetectionLib.Scene.VertebraState import PREFIX, VertebraState, levelOfName
from CervicalSpineDetectionLib.Scene.VolumeNodes import LPS_TO_RAS
from CervicalSpineDetectionLib.Spine.Arrays import Array

CENTRES_NAME = "Vertebra centres"


def makeCentres(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLMarkupsFiducialNode:
    """An empty list with its display node.

    :return: vtkMRMLMarkupsFiducialNode.
    """
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", CENTRES_NAME)
    node.SetAttribute(ROLE, "Centres")
    # As boxes are: ``MouseAccess`` frees one point.
    node.SetLocked(True)
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


def writePoint(centresNode: slicer.vtkMRMLMarkupsFiducialNode, boxNode: slicer.vtkMRMLMarkupsROINode,
               state: VertebraState, pointId: str | None) -> None:
    """Bring a box's centre point in line with its state.

    :param pointId: of the point that is to be the box's; a new one is added where there is none.
    """
    if state.centre is None:
        return
    with slicer.util.NodeModify(centresNode):
        index = _pointIndex(centresNode, pointId)
        position = LPS_TO_RAS @ state.centre
        if index < 0:
            index = centresNode.AddControlPoint(position, state.pointLabel)
            centresNode.SetNthControlPointLocked(index, True)
        elif (centresNode.GetNthControlPointPositionStatus(index) != centresNode.PositionDefined
              or tuple(position) != centresNode.GetNthControlPointPosition(index)):
            centresNode.SetNthControlPointPosition(index, *position)
        boxNode.SetAttribute(PREFIX + "Point", centresNode.GetNthControlPointID(index))
        centresNode.SetNthControlPointLabel(index, state.pointLabel)
        centresNode.SetNthControlPointDescription(index, _description(state))
        centresNode.SetNthControlPointVisibility(index, state.visible)


def removePoint(centresNode: slicer.vtkMRMLMarkupsFiducialNode, state: VertebraState) -> None:
    index = _pointIndex(centresNode, state.pointId)
    if index >= 0:
        centresNode.RemoveNthControlPoint(index)


def removeStrayPoints(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None,
                      removedStates: Iterable[VertebraState]) -> None:
    """Remove the centre points of boxes that were removed from the scene."""
    centresNode = centresNodeOf(scene, volumeNode)
    if centresNode:
        centresNode.SetFixedNumberOfControlPoints(False)
        for state in removedStates:
            removePoint(centresNode, state)
        centresNode.SetFixedNumberOfControlPoints(True)


def strayPoints(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None,
                states: Iterable[VertebraState]) -> dict[str, tuple[str, Array]]:
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


def _pointIndex(centresNode: slicer.vtkMRMLMarkupsFiducialNode, pointId: str | None) -> int:
    return centresNode.GetNthControlPointIndexByID(pointId) if pointId else -1


def _description(state: VertebraState) -> str:
    if state.remark:
        return _("Please check: {remark}").format(remark=inSlicersLanguage(state.remark))
    if state.level is None:
        return ""
    if state.confirmed:
        return _("Confirmed")
    if state.inserted:
        return _("Inserted by hand")
    return _("Confidence {confidence:.2f}").format(confidence=state.vertebra.confidence)
