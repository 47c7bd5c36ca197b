"""The CTs of a scene, one shown at a time: each keeps its corrections and undo, the others' boxes are hidden."""

from __future__ import annotations

from collections.abc import Callable

import slicer
import vtk
from slicer.util import VTKObservationMixin

from CervicalSpineDetectionLib.Scene.Corrections import Corrections
from CervicalSpineDetectionLib.Scene.VertebraFolder import showOnly
from CervicalSpineDetectionLib.Scene.ViewSelection import viewsShow


class CtSessions(VTKObservationMixin):
    """:param onSceneChange: called with a CT's node when its vertebrae changed.
    :param onViewsChange: called without arguments when slice views show other volumes.
    """

    def __init__(self, onSceneChange: Callable[[slicer.vtkMRMLScalarVolumeNode | None], None],
                 onViewsChange: Callable[[], object]) -> None:
        VTKObservationMixin.__init__(self)
        self._onSceneChange, self._onViewsChange = onSceneChange, onViewsChange
        self._corrections = {}

    def correctionsOf(self, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> Corrections | None:
        """:return: ``Scene.Corrections.Corrections``, the same for a CT until it is gone; None for None."""
        self._corrections = {node: each for node, each in self._corrections.items() if not each.isOver}
        if volumeNode is None:
            return None
        if volumeNode not in self._corrections:
            self._corrections[volumeNode] = Corrections(slicer.mrmlScene, volumeNode)
            self._corrections[volumeNode].observe(lambda: self._onSceneChange(volumeNode))
        return self._corrections[volumeNode]

    def release(self) -> None:
        self.leaveViews()
        for corrections in self._corrections.values():
            corrections.release()
        self._corrections = {}

    def watchViews(self) -> None:
        """Follow which volumes the slice views of the layout show, until ``leaveViews``."""
        self.leaveViews()
        scene = slicer.mrmlScene
        for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
            node = scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, lambda caller, event: self._onViewsChange())

    def leaveViews(self) -> None:
        self.removeObservers()

    def bringToViews(self, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> bool:
        """Show a CT in the slice views.

        :return: whether they showed another one.
        """
        if slicer.app.layoutManager() is None or viewsShow(slicer.mrmlScene, volumeNode):
            return False
        slicer.util.setSliceViewerLayers(background=volumeNode, fit=True)
        return True

    def showOnly(self, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Hide the vertebrae of other CTs, and those of this one too while the views show another volume. Without a CT,
        as when the module is left or the scene is closed, all stays as it is."""
        if volumeNode:
            showOnly(slicer.mrmlScene, volumeNode if viewsShow(slicer.mrmlScene, volumeNode) else None)
