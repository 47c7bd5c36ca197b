"""Where our nodes stand in the subject hierarchy: in a folder beside the CT, under the CT's transform."""

from __future__ import annotations

from collections.abc import Iterable

import slicer

from CervicalSpineDetectionLib.Scene.OwnNodes import VOLUME_REFERENCE, ctIdsWithVertebrae, vertebraNodes

FOLDER_NAME = "Cervical vertebrae"


def joinToCt(scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLMarkupsNode,
             volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    """Beside the CT: under its transform, in the folder."""
    if volumeNode:
        node.SetNodeReferenceID(VOLUME_REFERENCE, volumeNode.GetID())
        node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = _folder(scene, hierarchy, volumeNode, besides=node)
    hierarchy.SetItemParent(hierarchy.CreateItem(folder, node), folder)


def showOnly(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    """Show the vertebrae of one CT and hide those of the others, by their folders' visibility: what a person chose to
    show or hide stays, and the Data module's eye shows a folder again.

    :param volumeNode: the CT; None hides all.
    """
    for volumeId in ctIdsWithVertebrae(scene):
        other = scene.GetNodeByID(volumeId)
        if other:
            _showFolder(scene, other, other is volumeNode)


def _showFolder(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None, visible: bool) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = _presentFolder(hierarchy, vertebraNodes(scene, volumeNode))
    displayNode = hierarchy.GetItemDataNode(folder) if folder else None
    if displayNode is None and folder and not visible:
        displayNode = slicer.vtkMRMLFolderDisplayNode.AddDisplayNodeForItem(hierarchy, folder)
    if displayNode and bool(displayNode.GetVisibility()) != visible:
        displayNode.SetVisibility(visible)


def removeNode(scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLMarkupsNode) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(node)
    folder = hierarchy.GetItemParent(item)
    # The item alone: nodes that the user put under it keep theirs. Slicer's own logic does the same.
    hierarchy.RemoveItem(item, False, False)
    displayNodes = [node.GetNthDisplayNode(index) for index in range(node.GetNumberOfDisplayNodes())]
    for companion in (*displayNodes, node.GetStorageNode()):
        if companion:
            scene.RemoveNode(companion)
    scene.RemoveNode(node)
    # The user may have put other nodes into it, or ours elsewhere.
    if hierarchy.GetItemName(folder) == FOLDER_NAME and hierarchy.GetNumberOfItemChildren(folder) == 0:
        displayNode = hierarchy.GetItemDataNode(folder)
        hierarchy.RemoveItem(folder, False, False)
        if displayNode:
            scene.RemoveNode(displayNode)


def _folder(scene: slicer.vtkMRMLScene, hierarchy: slicer.vtkMRMLSubjectHierarchyNode,
            volumeNode: slicer.vtkMRMLScalarVolumeNode | None, besides: slicer.vtkMRMLMarkupsNode) -> int:
    """The folder that the volume's other vertebrae are in, or a new one."""
    present = _presentFolder(hierarchy, [node for node in vertebraNodes(scene, volumeNode) if node is not besides])
    if present:
        return present
    # Without the application's plugins the CT has no item (0), and neither have the new nodes.
    volumeItem = hierarchy.GetItemByDataNode(volumeNode) if volumeNode else 0
    parent = hierarchy.GetItemParent(volumeItem) if volumeItem else hierarchy.GetSceneItemID()
    return hierarchy.CreateFolderItem(parent, FOLDER_NAME)


def _presentFolder(hierarchy: slicer.vtkMRMLSubjectHierarchyNode, nodes: Iterable[slicer.vtkMRMLMarkupsNode]) -> int:
    """Item of the folder that nodes are in, 0 where they are in none of ours."""
    for node in nodes:
        item = hierarchy.GetItemByDataNode(node)
        if item and hierarchy.GetItemName(hierarchy.GetItemParent(item)) == FOLDER_NAME:
            return hierarchy.GetItemParent(item)
    return 0
