"""Which vertebra the views are about: jump to it, find the one under a click."""

from __future__ import annotations

import numpy as np
import slicer

from CervicalSpineDetectionLib.Scene.VertebraNodes import readStates
from CervicalSpineDetectionLib.Scene.VolumeNodes import LPS_TO_RAS


def jumpTo(scene, volumeNode, nodeId) -> None:
    """Centre all slice views on a vertebra's body (on its box where the centre point is missing).

    :param nodeId: of the box's node.
    """
    node = scene.GetNodeByID(nodeId)
    centre = {state.nodeId: state.centre for state in readStates(scene, volumeNode)}[nodeId]
    world = np.zeros(3)
    if centre is None:
        node.GetCenterWorld(world)
    else:
        node.TransformPointToWorld(LPS_TO_RAS @ centre, world)
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, *world, slicer.vtkMRMLSliceNode.CenteredJumpSlice)


def boxAt(scene, nodeIds, positionRas) -> str | None:
    """The smallest visible box around a point.

    :param positionRas: RAS mm in the world, shape (3,).
    :return: node ID.
    """
    around = []
    for node in _visible(scene, nodeIds):
        if np.all(np.abs(_inBox(node) @ [*positionRas, 1])[:3] <= 0.5):
            around.append((np.prod(node.GetSize()), node.GetID()))
    return min(around)[1] if around else None


def boxAlong(scene, nodeIds, origin, direction) -> str | None:
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


def _visible(scene, nodeIds):
    nodes = [scene.GetNodeByID(nodeId) for nodeId in nodeIds]
    return [node for node in nodes if node.GetDisplayVisibility()]


def _inBox(node):
    """World RAS mm to the box's own coordinates, in which it spans -0.5 to 0.5. Shape (4, 4)."""
    objectToWorld = slicer.util.arrayFromVTKMatrix(node.GetObjectToWorldMatrix())
    return np.linalg.inv(objectToWorld @ np.diag([*node.GetSize(), 1.0]))
