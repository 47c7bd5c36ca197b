"""Slice views drawn off screen by Slicer's own displayable managers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

SLICE_MANAGERS = ("vtkMRMLModelSliceDisplayableManager", "vtkMRMLMarkupsDisplayableManager")


class _View:
    """Render window of a view node.

    :param size: width and height in pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.renderer = vtk.vtkRenderer()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(True)
        self.window.ShowWindowOff()
        self.window.SetSize(*size)
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        self.interactor.Initialize()
        self.managers = slicer.vtkMRMLDisplayableManagerGroup()
        self.managers.SetRenderer(self.renderer)

    def _addManagers(self, factoryClass: type[slicer.vtkMRMLDisplayableManagerFactory], names: Iterable[str],
                     applicationLogic: slicer.vtkSlicerApplicationLogic) -> None:
        factory = factoryClass.GetInstance()
        factory.SetMRMLApplicationLogic(applicationLogic)
        for name in names:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.managers.Initialize(factory, self.renderer)

    def picture(self) -> np.ndarray:
        """:return: uint8 RGB, shape (height, width, 3), first row on top."""
        self.window.Render()
        capture = vtk.vtkWindowToImageFilter()
        capture.SetInput(self.window)
        capture.ReadFrontBufferOff()
        capture.SetInputBufferTypeToRGB()
        capture.Update()
        width, height, _ = capture.GetOutput().GetDimensions()
        return vtk_to_numpy(capture.GetOutput().GetPointData().GetScalars()).reshape(height, width, 3)[::-1]


class SliceView(_View):
    """Slice view of a volume.

    :param name: layout name such as "Yellow".
    """

    def __init__(self, scene: slicer.vtkMRMLScene, applicationLogic: slicer.vtkSlicerApplicationLogic, name: str,
                 size: tuple[int, int], volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        super().__init__(size)
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        image = vtk.vtkActor2D()
        image.SetMapper(mapper)
        image.GetProperty().SetDisplayLocationToBackground()
        # Added before the displayable managers' actors, or it would hide them.
        self.renderer.AddViewProp(image)
        self._addManagers(slicer.vtkMRMLSliceViewDisplayableManagerFactory, SLICE_MANAGERS, applicationLogic)
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(applicationLogic)
        applicationLogic.GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(scene)
        self.node = self.logic.AddSliceNode(name)
        self.node.SetMappedInLayout(1)
        self.managers.SetMRMLDisplayableNode(self.node)
        self.logic.GetSliceCompositeNode().SetBackgroundVolumeID(volumeNode.GetID())
        self.logic.ResizeSliceNode(*size)
        mapper.SetInputConnection(self.logic.GetImageDataConnection())

    def show(self, sliceToRas: np.ndarray, millimetresPerPixel: float) -> None:
        """Put the slice.

        :param sliceToRas: shape (4, 4): columns are the view's right, its up, the plane's normal and its centre.
        """
        width, height = self.window.GetSize()
        self.node.GetSliceToRAS().DeepCopy(sliceToRas.ravel())
        self.node.SetFieldOfView(width * millimetresPerPixel, height * millimetresPerPixel, 1)
        self.node.UpdateMatrices()
