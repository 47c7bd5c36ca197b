"""How a CT's boxes and points look in the views."""

from __future__ import annotations

from collections.abc import Sequence

import slicer

from CervicalSpineDetectionLib.Scene.OwnNodes import centresNodeOf
from CervicalSpineDetectionLib.Scene.VertebraNodes import readStates
from CervicalSpineDetectionLib.Scene.VertebraState import PREFIX

PROJECTED = PREFIX + "Projected"
PROJECTION_OPACITY = 0.8
# More of its normal than this along the patient's axis, and a slice would show all names in one place.
AXIAL_SHARE = 0.7


def applyLooks(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None, namesInAllSlices: bool,
               fillOpacity: float) -> None:
    """
    :param namesInAllSlices: whether sagittal and coronal slices show the points and names before and behind them, too.
    :param fillOpacity: of the boxes, 0 to 1; doubtful ones are outlines at any.
    """
    for state in readStates(scene, volumeNode):
        scene.GetNodeByID(state.nodeId).GetDisplayNode().SetFillOpacity(0 if state.remark else fillOpacity)
    centresNode = centresNodeOf(scene, volumeNode)
    if centresNode:
        _projectNames(scene, centresNode, _alongTheSpine(scene) if namesInAllSlices else [])


def _projectNames(scene: slicer.vtkMRMLScene, centresNode: slicer.vtkMRMLMarkupsFiducialNode,
                  sliceNodeIds: Sequence[str]) -> None:
    """By a second display node, for these views only."""
    displayNode = _projectedDisplayNode(centresNode)
    if displayNode is None:
        if not sliceNodeIds:
            return
        displayNode = _makeProjectedDisplayNode(scene, centresNode)
    with slicer.util.NodeModify(displayNode):
        displayNode.SetViewNodeIDs(sliceNodeIds)
        # Without any it would be shown in all views.
        displayNode.SetVisibility(bool(sliceNodeIds))


def _projectedDisplayNode(centresNode: slicer.vtkMRMLMarkupsFiducialNode) -> slicer.vtkMRMLMarkupsDisplayNode | None:
    displayNodes = [centresNode.GetNthDisplayNode(index) for index in range(centresNode.GetNumberOfDisplayNodes())]
    return next((node for node in displayNodes if node and node.GetAttribute(PROJECTED)), None)


def _makeProjectedDisplayNode(scene: slicer.vtkMRMLScene,
                              centresNode: slicer.vtkMRMLMarkupsFiducialNode) -> slicer.vtkMRMLMarkupsDisplayNode:
    displayNode = scene.CreateNodeByClass("vtkMRMLMarkupsFiducialDisplayNode")
    displayNode.UnRegister(None)
    displayNode.CopyContent(centresNode.GetDisplayNode())
    displayNode.SetAttribute(PROJECTED, "true")
    displayNode.SliceProjectionOn()
    displayNode.SliceProjectionUseFiducialColorOn()
    displayNode.SetSliceProjectionOpacity(PROJECTION_OPACITY)
    displayNode.SetVisibility3D(False)
    displayNode.SetVisibility(False)
    scene.AddNode(displayNode)
    centresNode.AddAndObserveDisplayNodeID(displayNode.GetID())
    return displayNode


def _alongTheSpine(scene: slicer.vtkMRMLScene) -> list[str]:
    """Node IDs of the slice views that are not axial."""
    nodes = [scene.GetNthNodeByClass(index, "vtkMRMLSliceNode")
             for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceNode"))]
    return [node.GetID() for node in nodes if abs(node.GetSliceToRAS().GetElement(2, 2)) < AXIAL_SHARE]
