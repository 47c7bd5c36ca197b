"""Where our nodes stand in the subject hierarchy: in a folder beside the CT, under the CT's transform."""

from __future__ import annotations

import slicer

from CervicalSpineDetectionLib.Scene.OwnNodes import VOLUME_REFERENCE, vertebraNodes

FOLDER_NAME = "Cervical vertebrae"


def joinToCt(scene, node, volumeNode):
    """Beside the CT: under its transform, in the folder."""
    if volumeNode:
        node.SetNodeReferenceID(VOLUME_REFERENCE, volumeNode.GetID())
        node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = _folder(scene, hierarchy, volumeNode, besides=node)
    hierarchy.SetItemParent(hierarchy.CreateItem(folder, node), folder)


def removeNode(scene, node):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(node)
    folder = hierarchy.GetItemParent(item)
    # The item alone: nodes that the user put under it keep theirs. Slicer's own logic does the same.
    hierarchy.RemoveItem(item, False, False)
    for companion in (node.GetDisplayNode(), node.GetStorageNode()):
        if companion:
            scene.RemoveNode(companion)
    scene.RemoveNode(node)
    # The user may have put other nodes into it, or ours elsewhere.
    if hierarchy.GetItemName(folder) == FOLDER_NAME and hierarchy.GetNumberOfItemChildren(folder) == 0:
        hierarchy.RemoveItem(folder, False, False)


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
