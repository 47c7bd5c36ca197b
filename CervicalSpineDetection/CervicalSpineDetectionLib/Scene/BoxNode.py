"""One vertebra's box as a vtkMRMLMarkupsROINode: geometry, attributes, looks."""

from __future__ import annotations

import numpy as np
import slicer
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from CervicalSpineDetectionLib.Scene.Levels import levelColour, terminologyEntry
from CervicalSpineDetectionLib.Scene.OwnNodes import LOCKED, ROLE
from CervicalSpineDetectionLib.Scene.VertebraState import VertebraState, boxFromNumbers
from CervicalSpineDetectionLib.Scene.VolumeNodes import LPS_TO_RAS
from CervicalSpineDetectionLib.Spine.Boxes import OrientedBox

CODE_ATTRIBUTE = slicer.vtkSlicerTerminologiesModuleLogic.GetTerminologyEntryAttributeName()
# Percent of a view's diagonal.
HANDLE_SCALE = 1.5
# Grey, for a box whose name names no vertebra.
UNKNOWN_COLOUR = (0.5, 0.5, 0.5)


def makeBox(scene: slicer.vtkMRMLScene, state: VertebraState) -> slicer.vtkMRMLMarkupsROINode:
    """A box's node with its display node, not yet placed; ``writeBox`` fills it.

    :return: vtkMRMLMarkupsROINode.
    """
    className = "vtkMRMLMarkupsROINode"
    if state.nodeId:
        # Undo brings a removed node back under its former ID.
        node = scene.AddNewNodeByClassWithID(className, state.name, state.nodeId)
    else:
        node = scene.AddNewNodeByClass(className, state.name)
    node.SetAttribute(ROLE, "Box")
    # Slicer's middle button, which pans, would move it; ``MouseAccess`` frees the one that is to be dragged.
    node.SetLocked(True)
    node.CreateDefaultDisplayNodes()
    displayNode = node.GetDisplayNode()
    with slicer.util.NodeModify(displayNode):
        displayNode.SetLineThickness(0.3)
        # The centre point carries the name, and eleven boxes' handles would hide the CT: turned on where needed.
        displayNode.SetPropertiesLabelVisibility(False)
        displayNode.SetHandlesInteractive(False)
        # Slicer's 3 % of a view's diagonal would cover half a vertebra.
        displayNode.SetInteractionHandleScale(HANDLE_SCALE)
    return node


def writeBox(node: slicer.vtkMRMLMarkupsROINode, state: VertebraState, former: VertebraState | None) -> None:
    """Bring a box's node in line with its state.

    :param former: the state as it stands in the scene, None for a new node.
    """
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
        node.SetAttribute(LOCKED, "true" if state.locked else "false")
        node.SetName(state.name)
    displayNode = node.GetDisplayNode()
    with slicer.util.NodeModify(displayNode):
        if isNewLevel:
            colour = levelColour(state.level) if state.level else UNKNOWN_COLOUR
            displayNode.SetColor(colour)
            displayNode.SetSelectedColor(colour)
        if former is None or bool(state.remark) != bool(former.remark):
            displayNode.SetFillOpacity(0 if state.remark else 0.05)
        displayNode.SetVisibility(state.visible)


def boxFromRoi(node: slicer.vtkMRMLMarkupsROINode) -> OrientedBox:
    """LPS mm in the CT's frame."""
    # Not slicer.util's: it imports all of vtk, which takes a second where no Slicer has done so.
    matrix = node.GetObjectToNodeMatrix()
    objectToNode = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
    return OrientedBox(
        centre=LPS_TO_RAS @ objectToNode[:3, 3],
        size=np.array(node.GetSize()),
        axes=(LPS_TO_RAS @ objectToNode[:3, :3] @ LPS_TO_RAS).T,
    )


def _setRoi(node: slicer.vtkMRMLMarkupsROINode, box: OrientedBox) -> None:
    # An ROI's axes point right, anterior, superior, as the names of its handles say.
    objectToNode = np.eye(4)
    objectToNode[:3, :3] = LPS_TO_RAS @ box.axes.T @ LPS_TO_RAS
    objectToNode[:3, 3] = LPS_TO_RAS @ box.centre
    matrix = vtkMatrix4x4()
    matrix.DeepCopy(objectToNode.ravel().tolist())
    node.SetAndObserveObjectToNodeMatrix(matrix)
    node.SetSize(box.size)
