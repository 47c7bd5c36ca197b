"""Which vertebra the mouse may change in the views: the chosen one, and no other.

A drag with the middle button, with which Slicer's users pan, moves whatever unlocked markups lie under it. So all boxes
and points are locked for the mouse (MRML's "locked", which a person's own lock is kept apart from) but those of the
chosen vertebra, and these too while the middle button is down.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import slicer

from CervicalSpineDetectionLib.Scene.OwnNodes import LOCKED, centresNodeOf
from CervicalSpineDetectionLib.Scene.VertebraState import VertebraState


class MouseAccess:
    """Of one CT.

    :param scene: vtkMRMLScene.
    :param volumeNode: the CT.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        self._scene, self._volumeNode = scene, volumeNode
        self._chosen: str | None = None
        self._held = False

    def choose(self, nodeId: str | None) -> None:
        """The vertebra that can be changed from the next ``apply`` on; None for none."""
        self._chosen = nodeId

    def hold(self, held: bool) -> None:
        """Nothing can be changed, the chosen vertebra neither, from the next ``apply`` on."""
        self._held = held

    def apply(self, states: Sequence[VertebraState]) -> None:
        """Bring boxes and points in line."""
        free = {state.nodeId: state.pointId for state in states
                if state.nodeId == self._chosen and not state.locked and not self._held}
        for state in states:
            node = self._scene.GetNodeByID(state.nodeId)
            isFree = state.nodeId in free
            # Scenes of earlier versions lack it, and MRML's lock is about to be taken over.
            if node.GetAttribute(LOCKED) is None:
                node.SetAttribute(LOCKED, "true" if state.locked else "false")
            node.SetLocked(not isFree)
            # Slicer's handles move a locked box too. They stay drawn while it is held.
            node.GetDisplayNode().SetHandlesInteractive(isFree or (self._held and state.nodeId == self._chosen
                                                                   and not state.locked))
        self._applyToPoints(set(free.values()))

    def _applyToPoints(self, freeIds: Collection[str | None]) -> None:
        node = centresNodeOf(self._scene, self._volumeNode)
        if node is None:
            return
        with slicer.util.NodeModify(node):
            for index in range(node.GetNumberOfControlPoints()):
                locked = node.GetNthControlPointID(index) not in freeIds
                if node.GetNthControlPointLocked(index) != locked:
                    node.SetNthControlPointLocked(index, locked)
            node.SetLocked(not freeIds)
