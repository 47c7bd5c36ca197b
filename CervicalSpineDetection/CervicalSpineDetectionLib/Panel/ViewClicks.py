"""Clicks in Slicer's views: which box was picked, where a vertebra is to be inserted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from CervicalSpineDetectionLib.Panel.Events import Later
from CervicalSpineDetectionLib.Scene.ViewSelection import boxAlong, boxAt

if TYPE_CHECKING:
    from CervicalSpineDetectionLib.Spine.Arrays import Array

# Further apart, press and release are a drag.
CLICK_PIXELS = 3
# Before the views' own observers, which may keep an event for themselves.
PRIORITY = 10.0


class BoxPicker(VTKObservationMixin):
    """Says which box the user clicks in a slice or 3D view, and when the middle button is down. Drags are left alone.

    :param nodeIds: function that gives the IDs of the boxes.
    :param onPick: called with a node ID and whether it was in a slice view.
    :param onMiddleButton: called with True before a view gets the press, with False after it handled the release.
    :param onLayout: called without arguments when the layout has other views.
    """

    def __init__(self, nodeIds: Callable[[], Collection[str]], onPick: Callable[[str, bool], None],
                 onMiddleButton: Callable[[bool], None], onLayout: Callable[[], object]) -> None:
        VTKObservationMixin.__init__(self)
        self._nodeIds, self._onPick = nodeIds, onPick
        self._onMiddleButton, self._onLayout = onMiddleButton, onLayout
        self._isMiddleDown = False
        self._middleUpLater = Later(lambda: self._setMiddleDown(False))
        self._pressed: Array | None = None
        self._picked: tuple[str, bool] | None = None
        # Not inside the view's event: it may still be working on it.
        self._tellLater = Later(lambda: self._onPick(*self._picked))
        self._layoutManager: slicer.qMRMLLayoutManager | None = None

    def watch(self) -> None:
        """Follow the views of the layout, until ``release``."""
        self._layoutManager = slicer.app.layoutManager()
        # Slicer may run without a main window.
        if self._layoutManager is not None:
            self._layoutManager.connect("layoutChanged(int)", self._onLayoutChanged)
            self._watchViews()

    def release(self) -> None:
        self.removeObservers()
        self._setMiddleDown(False)
        if self._layoutManager is not None:
            self._layoutManager.disconnect("layoutChanged(int)", self._onLayoutChanged)
            self._layoutManager = None

    def _onLayoutChanged(self) -> None:
        self._watchViews()
        self._onLayout()

    def _watchViews(self) -> None:
        self.removeObservers()
        layoutManager = self._layoutManager
        for name in layoutManager.sliceViewNames():
            widget = layoutManager.sliceWidget(name)
            self._follow(widget.sliceView().interactor(), self._inSlice, widget.mrmlSliceNode())
        for index in range(layoutManager.threeDViewCount):
            view = layoutManager.threeDWidget(index).threeDView()
            self._follow(view.interactor(), self._inThreeD, view.renderWindow().GetRenderers().GetFirstRenderer())

    def _follow(self, interactor: vtk.vtkRenderWindowInteractor, find: Callable[[Any, Array], str | None],
                view: vtk.vtkObject) -> None:
        def onRelease(caller: vtk.vtkRenderWindowInteractor, event: str) -> None:
            pressed, self._pressed = self._pressed, None
            released = np.array(caller.GetEventPosition())
            if pressed is not None and np.abs(released - pressed).max() <= CLICK_PIXELS:
                nodeId = find(view, released)
                if nodeId:
                    self._picked = nodeId, find == self._inSlice
                    self._tellLater.start()

        def onPress(caller: vtk.vtkRenderWindowInteractor, event: str) -> None:
            # The release may have come where no view saw it.
            self._setMiddleDown(False)
            interactionNode = slicer.app.applicationLogic().GetInteractionNode()
            placing = interactionNode.GetCurrentInteractionMode() == interactionNode.Place
            self._pressed = None if placing else np.array(caller.GetEventPosition())

        self.addObserver(interactor, vtk.vtkCommand.LeftButtonPressEvent, onPress, priority=PRIORITY)
        self.addObserver(interactor, vtk.vtkCommand.LeftButtonReleaseEvent, onRelease, priority=PRIORITY)
        self.addObserver(interactor, vtk.vtkCommand.MiddleButtonPressEvent, lambda caller, event:
                         self._setMiddleDown(True), priority=PRIORITY)
        self.addObserver(interactor, vtk.vtkCommand.MiddleButtonReleaseEvent, lambda caller, event:
                         self._middleUpLater.start(), priority=PRIORITY)

    def _setMiddleDown(self, isDown: bool) -> None:
        self._middleUpLater.stop()
        if isDown != self._isMiddleDown:
            self._isMiddleDown = isDown
            self._onMiddleButton(isDown)

    def _inSlice(self, sliceNode: slicer.vtkMRMLSliceNode, position: Array) -> str | None:
        ras = sliceNode.GetXYToRAS().MultiplyPoint((*map(float, position), 0, 1))[:3]
        return boxAt(slicer.mrmlScene, self._nodeIds(), ras)

    def _inThreeD(self, renderer: vtk.vtkRenderer, position: Array) -> str | None:
        near, far = (_displayToWorld(renderer, (*position, depth)) for depth in (0, 1))
        return boxAlong(slicer.mrmlScene, self._nodeIds(), near, far - near)


class PointPlacer(VTKObservationMixin):
    """Lets the user click one point in a view, in Slicer's place mode.

    :param onPlaced: called with the point, world RAS mm, shape (3,).
    :param onEnded: called without arguments when place mode was left, with or without a point.
    """

    def __init__(self, onPlaced: Callable[[Array], None], onEnded: Callable[[], object]) -> None:
        VTKObservationMixin.__init__(self)
        self._onPlaced, self._onEnded = onPlaced, onEnded
        # Views may still work on the event, so that the node is removed after it.
        self._finishLater = Later(self._finish)
        self._node: slicer.vtkMRMLMarkupsFiducialNode | None = None

    def start(self) -> None:
        scene = slicer.mrmlScene
        self._node = scene.CreateNodeByClass("vtkMRMLMarkupsFiducialNode")
        self._node.UnRegister(None)
        self._node.SetName(_("Vertebra to insert"))
        # Before the node is in the scene: the Data tree looks only then.
        self._node.SetHideFromEditors(True)
        self._node.SetSaveWithScene(False)
        scene.AddNode(self._node)
        self._node.CreateDefaultDisplayNodes()
        self._node.GetDisplayNode().SetSaveWithScene(False)
        logic = slicer.app.applicationLogic()
        logic.GetSelectionNode().SetReferenceActivePlaceNodeClassName("vtkMRMLMarkupsFiducialNode")
        logic.GetSelectionNode().SetActivePlaceNodeID(self._node.GetID())
        interactionNode = logic.GetInteractionNode()
        interactionNode.SetPlaceModePersistence(0)
        interactionNode.SetCurrentInteractionMode(interactionNode.Place)
        later = lambda *_: self._finishLater.start()  # noqa: E731
        self.addObserver(self._node, self._node.PointPositionDefinedEvent, later)
        self.addObserver(interactionNode, interactionNode.InteractionModeChangedEvent, later)

    def stop(self) -> None:
        """Leave place mode, without a point."""
        if self._node is None:
            return
        self.removeObservers()
        node, self._node = self._node, None
        interactionNode = slicer.app.applicationLogic().GetInteractionNode()
        interactionNode.SetCurrentInteractionMode(interactionNode.ViewTransform)
        if node.GetScene():
            slicer.mrmlScene.RemoveNode(node.GetDisplayNode())
            slicer.mrmlScene.RemoveNode(node)
        self._onEnded()

    def _finish(self) -> None:
        if self._node is None:
            return
        position = None
        if self._node.GetNumberOfDefinedControlPoints():
            position = np.zeros(3)
            self._node.GetNthControlPointPositionWorld(0, position)
        self.stop()
        if position is not None:
            self._onPlaced(position)


def _displayToWorld(renderer: vtk.vtkRenderer, position: Sequence[float]) -> Array:
    renderer.SetDisplayPoint(*map(float, position))
    renderer.DisplayToWorld()
    world = np.array(renderer.GetWorldPoint())
    return world[:3] / world[3]
