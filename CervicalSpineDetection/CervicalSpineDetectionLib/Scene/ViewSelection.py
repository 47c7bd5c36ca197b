"""Which vertebra the views are about: jump to it, find the one under a click."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import slicer

from CervicalSpineDetectionLib.Scene.VertebraNodes import readStates
from CervicalSpineDetectionLib.Scene.VolumeNodes import LPS_TO_RAS
from CervicalSpineDetectionLib.Spine.Arrays import Array, Point

# Nearer to a view's edge than this share of it, a place is not shown well.
EDGE_SHARE = 0.1


def jumpTo(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None, nodeId: str) -> None:
    """Bring all slice views to a vertebra's body (to its box where the centre point is missing). A view that shows the
    place already keeps its field of view, another one is centred on it.

    :param nodeId: of the box's node.
    """
    node = scene.GetNodeByID(nodeId)
    centre = {state.nodeId: state.centre for state in readStates(scene, volumeNode)}[nodeId]
    world = np.zeros(3)
    if centre is None:
        node.GetCenterWorld(world)
    else:
        node.TransformPointToWorld(LPS_TO_RAS @ centre, world)
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
        sliceNode = scene.GetNthNodeByClass(index, "vtkMRMLSliceNode")
        jump = sliceNode.JumpSliceByOffsetting if _isInView(sliceNode, world) else sliceNode.JumpSliceByCentering
        jump(*world)


def placeInViews(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> Array:
    """Where the slices meet, in the middle of the CT along what they leave open. World RAS mm, shape (3,)."""
    bounds = np.zeros(6)
    volumeNode.GetRASBounds(bounds)
    middle = (bounds[::2] + bounds[1::2]) / 2
    planes = [slicer.util.arrayFromVTKMatrix(scene.GetNthNodeByClass(index, "vtkMRMLSliceNode").GetSliceToRAS())
              for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceNode"))]
    if not planes:
        return middle
    normals = np.array([plane[:3, 2] for plane in planes])
    distances = np.array([plane[:3, 2] @ (plane[:3, 3] - middle) for plane in planes])
    return middle + np.linalg.lstsq(normals, distances, rcond=None)[0]


def viewsShow(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> bool:
    """Whether a slice view shows this CT, or there is none."""
    composites = [scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")
                  for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode"))]
    layers = {layer for node in composites for layer in (node.GetBackgroundVolumeID(), node.GetForegroundVolumeID())}
    return not composites or volumeNode.GetID() in layers


def boxAt(scene: slicer.vtkMRMLScene, nodeIds: Iterable[str], positionRas: Point) -> str | None:
    """The smallest visible box around a point.

    :param positionRas: RAS mm in the world, shape (3,).
    :return: node ID.
    """
    around = []
    for node in _visible(scene, nodeIds):
        if np.all(np.abs(_inBox(node) @ [*positionRas, 1])[:3] <= 0.5):
            around.append((np.prod(node.GetSize()), node.GetID()))
    return min(around)[1] if around else None


def boxAlong(scene: slicer.vtkMRMLScene, nodeIds: Iterable[str], origin: Array, direction: Array) -> str | None:
    """The first visible box a ray meets (slab method; Kay and Kajiya, SIGGRAPH 1986).

    :param origin: RAS mm in the world, shape (3,).
    :param direction: shape (3,), of any length.
    :return: node ID.
    """
    met = []
    for node in _visible(scene, nodeIds):
        toBox = _inBox(node)
        start, step = toBox @ [*origin, 1], toBox @ [*direction, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            passes = (np.array([[-0.5], [0.5]]) - start[:3]) / step[:3]
        enters, leaves = np.nanmax(passes.min(axis=0)), np.nanmin(passes.max(axis=0))
        if max(enters, 0) <= leaves:
            met.append((enters, node.GetID()))
    return min(met)[1] if met else None


def _isInView(sliceNode: slicer.vtkMRMLSliceNode, world: Array) -> bool:
    """Well inside, but perhaps in another slice."""
    xyToRas = slicer.util.arrayFromVTKMatrix(sliceNode.GetXYToRAS())
    if not np.linalg.det(xyToRas):
        # A view that was never drawn has no extent.
        return False
    place = (np.linalg.inv(xyToRas) @ [*world, 1])[:2] / np.maximum(sliceNode.GetDimensions()[:2], 1)
    return bool(np.all((place > EDGE_SHARE) & (place < 1 - EDGE_SHARE)))


def _visible(scene: slicer.vtkMRMLScene, nodeIds: Iterable[str]) -> list[slicer.vtkMRMLMarkupsROINode]:
    nodes = [scene.GetNodeByID(nodeId) for nodeId in nodeIds]
    return [node for node in nodes if node.GetDisplayVisibility()]


def _inBox(node: slicer.vtkMRMLMarkupsROINode) -> Array:
    """World RAS mm to the box's own coordinates, in which it spans -0.5 to 0.5. Shape (4, 4)."""
    objectToWorld = slicer.util.arrayFromVTKMatrix(node.GetObjectToWorldMatrix())
    return np.linalg.inv(objectToWorld @ np.diag([*node.GetSize(), 1.0]))
