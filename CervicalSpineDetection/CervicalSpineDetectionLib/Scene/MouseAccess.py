"""Which vertebra the mouse may change in the views."""

from __future__ import annotations

from CervicalSpineDetectionLib.Scene.OwnNodes import centresNodeOf


class MouseAccess:
    """Handles to drag on one box of a CT; centre points that a drag has to leave alone.

    :param scene: vtkMRMLScene.
    :param volumeNode: the CT.
    """

    def __init__(self, scene, volumeNode):
        self._scene, self._volumeNode = scene, volumeNode
        self._chosen = None

    def choose(self, nodeId):
        """Handles on this box from the next ``apply`` on; None for no box."""
        self._chosen = nodeId

    def apply(self, states):
        """Handles on the chosen box, on none if it is locked."""
        for state in states:
            displayNode = self._scene.GetNodeByID(state.nodeId).GetDisplayNode()
            displayNode.SetHandlesInteractive(state.nodeId == self._chosen and not state.locked)

    def applyIfChosen(self, states):
        if self._chosen:
            self.apply(states)

    def holdOtherPoints(self, node, held, states):
        """A drag with the middle button moves a whole list but its locked points: hold those not under the mouse.

        :param node: what is dragged; a box holds nothing.
        :param held: False when the drag is over.
        """
        if node is not centresNodeOf(self._scene, self._volumeNode):
            return
        locked = {state.pointId for state in states if state.locked}
        active = node.GetDisplayNode().GetActiveComponentIndex()
        for index in range(node.GetNumberOfControlPoints()):
            hold = held and index != active
            node.SetNthControlPointLocked(index, hold or node.GetNthControlPointID(index) in locked)
