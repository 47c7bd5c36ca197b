"""Slice and 3D views drawn off screen by Slicer's own displayable managers; no window, no Qt."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

SLICE_MANAGERS = ("vtkMRMLModelSliceDisplayableManager", "vtkMRMLMarkupsDisplayableManager")
THREE_D_MANAGERS = ("vtkMRMLCameraDisplayableManager", "vtkMRMLViewDisplayableManager",
                    "vtkMRMLModelDisplayableManager", "vtkMRMLMarkupsDisplayableManager")


class _View:
    def __init__(self, size):
        self.renderer = vtk.vtkRenderer()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.ShowWindowOff()
        self.window.SetMultiSamples(0)
        self.window.SetSize(*size)
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        self.interactor.Initialize()
        self.managers = slicer.vtkMRMLDisplayableManagerGroup()
        self.managers.SetRenderer(self.renderer)

    def _useManagers(self, factoryClass, applicationLogic, names):
        factory = factoryClass.GetInstance()
        factory.SetMRMLApplicationLogic(applicationLogic)
        for name in names:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.managers.Initialize(factory, self.renderer)

    def picture(self):
        """What the view shows, uint8 of shape (rows, columns, 3), first row on top."""
        self.interactor.Render()
        grabber = vtk.vtkWindowToImageFilter()
        grabber.SetInput(self.window)
        grabber.ReadFrontBufferOff()
        grabber.SetInputBufferTypeToRGB()
        grabber.Update()
        data = grabber.GetOutput()
        columns, rows, _ = data.GetDimensions()
        pixels = numpy_support.vtk_to_numpy(data.GetPointData().GetScalars())
        return pixels.reshape(rows, columns, 3)[::-1].copy()


class SliceView(_View):
    """A slice of the volume nodes of a scene with the markups that cross it.

    :param headless: HeadlessScene.
    :param orientation: "Axial", "Sagittal" or "Coronal".
    :param size: (columns, rows) in pixels.
    """

    def __init__(self, headless, orientation, size):
        super().__init__(size)
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        # The image goes in before the displayable managers, or the filled boxes lie under it.
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        actor = vtk.vtkActor2D()
        actor.SetMapper(self._mapper)
        actor.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(actor)
        self._useManagers(slicer.vtkMRMLSliceViewDisplayableManagerFactory, headless.applicationLogic, SLICE_MANAGERS)
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(headless.applicationLogic)
        headless.applicationLogic.GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(headless.scene)
        self.node = self.logic.AddSliceNode(orientation)
        self.node.SetOrientation(orientation)
        self.node.SetMappedInLayout(1)
        self.managers.SetMRMLDisplayableNode(self.node)

    def show(self, volumeNode, centre, height):
        """Look at a place of a volume.

        :param centre: shape (3,), RAS mm, comes to the middle of the view.
        :param height: mm from the view's bottom to its top.
        """
        self.logic.GetSliceCompositeNode().SetBackgroundVolumeID(volumeNode.GetID())
        columns, rows = self.window.GetSize()
        self.logic.ResizeSliceNode(columns, rows)
        self.node.SetFieldOfView(height * columns / rows, height, self.node.GetFieldOfView()[2])
        self.node.JumpSliceByCentering(*centre)
        self.logic.UpdatePipeline()
        self._mapper.SetInputConnection(self.logic.GetImageDataConnection())

    def pixelOf(self, ras):
        """(column, row) of a place in ``picture``."""
        toXy = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.node.GetXYToRAS(), toXy)
        x, y = toXy.MultiplyPoint([*ras, 1.0])[:2]
        return float(x), self.window.GetSize()[1] - 1 - float(y)


class ThreeDView(_View):
    """A 3D view of the markups and models of a scene.

    :param headless: HeadlessScene.
    :param size: (columns, rows) in pixels.
    """

    def __init__(self, headless, size):
        super().__init__(size)
        self.renderer.SetUseDepthPeeling(1)
        self._useManagers(slicer.vtkMRMLThreeDViewDisplayableManagerFactory, headless.applicationLogic,
                          THREE_D_MANAGERS)
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetMRMLApplicationLogic(headless.applicationLogic)
        headless.applicationLogic.GetViewLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(headless.scene)
        self.node = self.logic.AddViewNode("3D")
        self.node.SetMappedInLayout(1)
        self.node.SetBackgroundColor(0.07, 0.08, 0.11)
        self.node.SetBackgroundColor2(0.16, 0.18, 0.24)
        self.node.SetBoxVisible(False)
        self.node.SetAxisLabelsVisible(False)
        self.managers.SetMRMLDisplayableNode(self.node)

    def lookAt(self, centre, direction, height):
        """Place the camera.

        :param centre: shape (3,), RAS mm.
        :param direction: shape (3,), from the centre to the eye.
        :param height: mm seen at the centre.
        """
        camera = self.renderer.GetActiveCamera()
        direction = np.asarray(direction, float) / np.linalg.norm(direction)
        distance = height / 2 / np.tan(np.deg2rad(camera.GetViewAngle() / 2))
        camera.SetFocalPoint(*centre)
        camera.SetPosition(*(np.asarray(centre) + direction * distance))
        camera.SetViewUp(0, 0, 1)
        self.renderer.ResetCameraClippingRange()

    def pixelOf(self, ras):
        """(column, row) of a place in ``picture``."""
        self.renderer.SetWorldPoint(*ras, 1.0)
        self.renderer.WorldToDisplay()
        x, y, _ = self.renderer.GetDisplayPoint()
        return float(x), self.window.GetSize()[1] - 1 - float(y)
