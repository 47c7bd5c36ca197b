"""Which nodes of a scene are ours, and which CT they belong to.

Node attribute ``CervicalSpineDetection.Role``: "Box" or "Centres". The node reference
``CervicalSpineDetection.InputVolume`` names the CT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from CervicalSpineDetectionLib.Scene.VertebraState import PREFIX

if TYPE_CHECKING:
    import slicer

VOLUME_REFERENCE = PREFIX + "InputVolume"
ROLE = PREFIX + "Role"
# A person's lock, "true" or "false". MRML's own keeps the mouse off, see ``MouseAccess``.
LOCKED = PREFIX + "Locked"


def belongsTo(node: slicer.vtkMRMLNode, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> bool:
    """True for a box or list of centres of a volume."""
    volumeId = volumeNode.GetID() if volumeNode else None
    return bool(node.GetAttribute(ROLE)) and node.GetNodeReferenceID(VOLUME_REFERENCE) == volumeId


def isWithoutCt(node: slicer.vtkMRMLNode) -> bool:
    """True for a box or list of centres that names no CT."""
    return belongsTo(node, None)


def vertebraNodes(scene: slicer.vtkMRMLScene,
                  volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> list[slicer.vtkMRMLMarkupsNode]:
    """Boxes and lists of centres of a volume."""
    return [node for node in markupsNodes(scene) if belongsTo(node, volumeNode)]


def nodesOfRole(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None,
                role: str) -> list[slicer.vtkMRMLMarkupsNode]:
    """:param role: "Box" or "Centres"."""
    return [node for node in vertebraNodes(scene, volumeNode) if node.GetAttribute(ROLE) == role]


def centresNodeOf(scene: slicer.vtkMRMLScene,
                  volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> slicer.vtkMRMLMarkupsFiducialNode | None:
    """The list of a volume's centre points, or None."""
    return next(iter(nodesOfRole(scene, volumeNode, "Centres")), None)


def markupsNodes(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLMarkupsNode]:
    """All markups of a scene, whosever they are."""
    # slicer.util.getNodesByClass always asks slicer.mrmlScene.
    return [scene.GetNthNodeByClass(n, "vtkMRMLMarkupsNode")
            for n in range(scene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode"))]


def ctIdsWithVertebrae(scene: slicer.vtkMRMLScene) -> set[str]:
    """Node IDs of the CTs that boxes belong to."""
    return {node.GetNodeReferenceID(VOLUME_REFERENCE) for node in markupsNodes(scene)
            if node.GetAttribute(ROLE) and node.GetNodeReferenceID(VOLUME_REFERENCE)}


def transformIdOf(volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> str | None:
    return volumeNode.GetTransformNodeID() if volumeNode else None
