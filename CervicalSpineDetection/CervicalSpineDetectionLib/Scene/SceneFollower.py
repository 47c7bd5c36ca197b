"""Follows what others do to the vertebrae of one CT: drags in the views, other modules, a new detection."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
import vtk

from CervicalSpineDetectionLib.Scene.CentrePoints import removeStrayPoints
from CervicalSpineDetectionLib.Scene.CorrectionSteps import CorrectionSteps
from CervicalSpineDetectionLib.Scene.OwnNodes import belongsTo, isWithoutCt, markupsNodes, vertebraNodes
from CervicalSpineDetectionLib.Scene.VertebraNodes import readStates, writeStates
from CervicalSpineDetectionLib.Scene.VertebraState import TOLERANCE_MM, VertebraState, movedAlong


class SceneFollower:
    """Nodes are followed until ``end``, the CT's removal or the scene's end.

    :param steps: ``CorrectionSteps``, which each drag and each change becomes a step of.
    :param edited: function that marks a state as changed by a person.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None,
                 steps: CorrectionSteps, edited: Callable[[VertebraState], VertebraState]) -> None:
        self._scene, self._volumeNode = scene, volumeNode
        self._steps, self._edited = steps, edited
        self._observerTags = {}
        self._dragged = None
        self.isOver = False
        self._observeNodes()

    def endDrag(self) -> None:
        """The drag becomes a step. Slicer's key "s" over a point starts one and never ends it."""
        if self._dragged is not None:
            self._dragged = None
            self._steps.record()

    def end(self) -> None:
        """Let go of scene and nodes."""
        for observed in list(self._observerTags):
            self._letGo(observed)
        self._steps.end()
        self._dragged = None
        self.isOver = True
        self._steps.notify()

    def _observeNodes(self) -> None:
        scene = self._scene
        self._follow(scene, self._onNodeAdded, scene.NodeAddedEvent)
        self._follow(scene, self._onNodeRemoved, scene.NodeRemovedEvent)
        self._follow(scene, self._onStartClose, scene.StartCloseEvent)
        self._follow(scene, self._onChange, scene.EndBatchProcessEvent, scene.EndImportEvent)
        self._geometry = self._ctGeometry()
        if self._volumeNode:
            self._follow(self._volumeNode, self._onCtTransform, self._volumeNode.TransformModifiedEvent)
        for node in markupsNodes(scene):
            self._followMarkups(node)

    def _followMarkups(self, node: slicer.vtkMRMLMarkupsNode) -> None:
        self._follow(node, self._onNodeChange, vtk.vtkCommand.ModifiedEvent, node.PointModifiedEvent,
                     node.PointAddedEvent, node.PointRemovedEvent, node.PointPositionUndefinedEvent,
                     node.LockModifiedEvent, node.DisplayModifiedEvent, node.TransformModifiedEvent)
        self._follow(node, self._onDragStart, node.PointStartInteractionEvent)
        self._follow(node, self._onDragEnd, node.PointEndInteractionEvent)

    def _follow(self, observed: vtk.vtkObject, follower: Callable[..., None], *events: int) -> None:
        tags = self._observerTags.setdefault(observed, [])
        tags.extend(observed.AddObserver(event, _weakly(follower)) for event in events)

    def _letGo(self, observed: vtk.vtkObject) -> None:
        for tag in self._observerTags.pop(observed, ()):
            observed.RemoveObserver(tag)

    # Nodes that come and go

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, caller: vtk.vtkObject, event: str, node: slicer.vtkMRMLNode) -> None:
        # All markups: a new one is marked as ours only after it was added.
        if node.IsA("vtkMRMLMarkupsNode"):
            self._followMarkups(node)
            self._onChange()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, caller: vtk.vtkObject, event: str, node: slicer.vtkMRMLNode) -> None:
        if node is self._volumeNode:
            self.end()
        elif node in self._observerTags:
            self._letGo(node)
            self._onNodeChange(node, event)

    def _onStartClose(self, caller: vtk.vtkObject, event: str) -> None:
        self.end()

    # The CT's transform

    def _onCtTransform(self, caller: vtk.vtkObject, event: str) -> None:
        """Boxes and points go under the transform the CT is put under. Where one is hardened on the CT they stay under
        it, and so in place, and a conflict tells that."""
        if self._ctGeometry() != self._geometry:
            return
        with self._steps.quietly():
            for node in vertebraNodes(self._scene, self._volumeNode):
                node.SetAndObserveTransformNodeID(self._volumeNode.GetTransformNodeID())
        self._onChange()

    def _ctGeometry(self) -> tuple[float, ...]:
        matrix = vtk.vtkMatrix4x4()
        if self._volumeNode:
            self._volumeNode.GetIJKToRASMatrix(matrix)
        return tuple(slicer.util.arrayFromVTKMatrix(matrix).ravel())

    # Drags

    def _onDragStart(self, node: slicer.vtkMRMLMarkupsNode, event: str) -> None:
        if belongsTo(node, self._volumeNode):
            self.endDrag()
            self._dragged = node

    def _onDragEnd(self, node: slicer.vtkMRMLMarkupsNode, event: str) -> None:
        if node is self._dragged:
            self.endDrag()
            self._steps.notify()

    # Changes of nodes

    def _onNodeChange(self, node: slicer.vtkMRMLMarkupsNode, event: str) -> None:
        if belongsTo(node, self._volumeNode):
            self._onChange()
        elif isWithoutCt(node) and not self._isBusy():
            # It may be a copy of ours.
            self._steps.notify()

    def _onChange(self, caller: vtk.vtkObject | None = None, event: str | None = None) -> None:
        if self._isBusy():
            return
        present = {state.nodeId: state for state in self._steps.present}
        found = tuple(state.steadied(present.get(state.nodeId)) for state in readStates(self._scene, self._volumeNode))
        if found == self._steps.present:
            if [state.transformId for state in found] != [state.transformId for state in self._steps.present]:
                self._steps.present = found
                self._steps.notify()
            return
        with self._steps.quietly():
            self._steps.present = self._settled(found)
        if self._dragged is None:
            self._steps.recordChangeElsewhere()
        self._steps.notify()

    def _isBusy(self) -> bool:
        return self._steps.isQuiet or self._scene.IsBatchProcessing() or self._scene.IsImporting()

    def _settled(self, found: tuple[VertebraState, ...]) -> tuple[VertebraState, ...]:
        """Boxes and points that were changed from elsewhere belong together, and are marked as edited."""
        before = {state.nodeId: state for state in self._steps.before}
        gone = [state for nodeId, state in before.items() if nodeId not in {present.nodeId for present in found}]
        if gone:
            removeStrayPoints(self._scene, self._volumeNode, gone)
        settled = [self._settledOne(before.get(state.nodeId, state), state) for state in found]
        if settled == list(found) and not gone:
            return found
        return tuple(writeStates(self._scene, self._volumeNode, settled))

    def _settledOne(self, before: VertebraState | None, now: VertebraState) -> VertebraState:
        if (now.box, now.centre, now.name) == (before.box, before.centre, before.name):
            return now
        if self._dragged is not None and before.locked:
            return before
        if now.centre and before.centre and now.box != before.box:
            start, end = before.orientedBox, now.orientedBox
            # A box that was resized keeps its point where it is, one that was moved or turned takes it along.
            stays = not np.allclose(start.size, end.size, rtol=0, atol=TOLERANCE_MM)
            now = now.moved(end, before.centre if stays else movedAlong(before.centre, start, end))
        return self._edited(now)


def _weakly(method: Callable[..., None]) -> Callable[..., None]:
    """An observer that doesn't keep its object alive. With a method, object and node would own each other; VTK crashes
    when Python's garbage collector finds such a cycle after the scene is gone."""
    reference = weakref.WeakMethod(method)

    def follow(*arguments: Any) -> None:
        present = reference()
        if present:
            present(*arguments)

    if hasattr(method, "CallDataType"):
        follow.CallDataType = method.CallDataType  # type: ignore[attr-defined]  # VTK looks there
    return follow
