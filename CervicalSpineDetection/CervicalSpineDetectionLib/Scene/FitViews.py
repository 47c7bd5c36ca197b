"""Views that show all vertebrae of a CT."""

from __future__ import annotations

import numpy as np
import slicer

from CervicalSpineDetectionLib.Scene.OwnNodes import nodesOfRole
from CervicalSpineDetectionLib.Scene.VertebraState import UNIT_CORNERS
from CervicalSpineDetectionLib.Spine.Arrays import Array

# Around the boxes, as a share of their extent, and what a view shows at least.
MARGIN = 1.25
SMALLEST_FIELD_MM = 120.0


def fitViews(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    """Zoom slice views and 3D views on the vertebrae (on the CT where there are none). Orientations and directions
    stay.

    :param volumeNode: the CT.
    """
    corners = _corners(scene, volumeNode)
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
        _fitSlice(scene.GetNthNodeByClass(index, "vtkMRMLSliceNode"), corners)
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLCameraNode")):
        _fitCamera(scene.GetNthNodeByClass(index, "vtkMRMLCameraNode"), corners)


def _corners(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> Array:
    """World RAS mm, shape (n, 3)."""
    boxes = [node for node in nodesOfRole(scene, volumeNode, "Box") if node.GetDisplayVisibility()]
    if boxes:
        return np.concatenate([_boxCorners(node) for node in boxes])
    bounds = np.zeros(6)
    volumeNode.GetRASBounds(bounds)
    lowest, highest = bounds[::2], bounds[1::2]
    return (lowest + highest) / 2 + UNIT_CORNERS * (highest - lowest)


def _boxCorners(node: slicer.vtkMRMLMarkupsROINode) -> Array:
    objectToWorld = slicer.util.arrayFromVTKMatrix(node.GetObjectToWorldMatrix())
    return UNIT_CORNERS * node.GetSize() @ objectToWorld[:3, :3].T + objectToWorld[:3, 3]


def _fitSlice(sliceNode: slicer.vtkMRMLSliceNode, corners: Array) -> None:
    sliceToRas = slicer.util.arrayFromVTKMatrix(sliceNode.GetSliceToRAS())
    inSlice = (corners - sliceToRas[:3, 3]) @ np.linalg.inv(sliceToRas[:3, :3]).T
    lowest, highest = inSlice.min(axis=0), inSlice.max(axis=0)
    width, height, _ = sliceNode.GetDimensions()
    wanted = np.maximum((highest - lowest)[:2] * MARGIN, SMALLEST_FIELD_MM)
    millimetresPerPixel = max(wanted / np.maximum([width, height], 1))
    sliceNode.SetXYZOrigin(0, 0, sliceNode.GetXYZOrigin()[2])
    sliceNode.SetFieldOfView(width * millimetresPerPixel, height * millimetresPerPixel, sliceNode.GetFieldOfView()[2])
    sliceNode.JumpSliceByCentering(*(sliceToRas[:3, :3] @ ((lowest + highest) / 2) + sliceToRas[:3, 3]))


def _fitCamera(cameraNode: slicer.vtkMRMLCameraNode, corners: Array) -> None:
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    radius = np.linalg.norm(corners - middle, axis=1).max()
    direction = np.subtract(cameraNode.GetPosition(), cameraNode.GetFocalPoint())
    direction /= np.linalg.norm(direction) or 1
    distance = radius / np.sin(np.radians(cameraNode.GetViewAngle()) / 2)
    with slicer.util.NodeModify(cameraNode):
        cameraNode.SetFocalPoint(middle)
        cameraNode.SetPosition(middle + direction * distance)
        cameraNode.SetParallelScale(radius)
    cameraNode.ResetClippingRange()
