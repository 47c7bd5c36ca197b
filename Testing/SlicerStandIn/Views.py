"""Slice and 3D views one can work in: drawn off screen by Slicer's displayable managers, painted by Qt, the mouse
sent on to Slicer's own widgets. And the layout manager through which a module reaches them.
"""

from functools import cache

import numpy as np
import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from vtk.util.numpy_support import vtk_to_numpy

# The crosshair's scrolls, pans, zooms and changes the window.
SLICE_MANAGERS = (
    "vtkMRMLModelSliceDisplayableManager", "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager", "vtkMRMLCrosshairDisplayableManager",
)
THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager", "vtkMRMLViewDisplayableManager", "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D", "vtkMRMLMarkupsDisplayableManager",
)
ORIENTATIONS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
COLOURS = {"Red": "#f34a4b", "Yellow": "#edd54c", "Green": "#6eb04b", "1": "#7a7a9e"}
BUTTONS = {QtCore.Qt.LeftButton: "Left", QtCore.Qt.MiddleButton: "Middle", QtCore.Qt.RightButton: "Right"}


class View:
    """Render window, interactor and displayable managers of one view."""

    def __init__(self):
        self.renderer = vtk.vtkRenderer()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(True)
        self.window.ShowWindowOff()
        self.window.SetMultiSamples(0)
        self.window.SetSize(300, 300)
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        self.interactor.Initialize()
        self.managers = slicer.vtkMRMLDisplayableManagerGroup()
        self.managers.SetRenderer(self.renderer)

    def _addManagers(self, factoryClass, names):
        factory = factoryClass.GetInstance()
        factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        for name in names:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.managers.Initialize(factory, self.renderer)

    def resize(self, width, height):
        self.window.SetSize(width, height)
        self.interactor.SetSize(width, height)

    def picture(self):
        """:return: uint8 RGBA, shape (height, width, 4), first row on top."""
        self.interactor.Render()
        width, height = self.window.GetSize()
        pixels = vtk.vtkUnsignedCharArray()
        self.window.GetRGBACharPixelData(0, 0, width - 1, height - 1, 0, pixels)
        return np.ascontiguousarray(vtk_to_numpy(pixels).reshape(height, width, 4)[::-1])

    def send(self, event, x=0, y=0, control=False, shift=False):
        """An event as the window system would send it; x, y in pixels from the lower left."""
        self.interactor.SetEventInformation(int(x), int(y), control, shift, "\0", 0, None)
        self.interactor.InvokeEvent(event)

    def click(self, x, y):
        self.drag((x, y), (x, y), steps=0)

    def drag(self, start, end, steps=10, button="Left", onStep=None):
        """:param onStep: called without arguments after each step, with the button still down."""
        self.send("EnterEvent", *start)
        self.send("MouseMoveEvent", start[0] - 3, start[1])
        self.send("MouseMoveEvent", *start)
        self.send(f"{button}ButtonPressEvent", *start)
        for step in range(1, steps + 1):
            self.send("MouseMoveEvent", *(np.array(start) + (np.array(end) - start) * step / steps))
            if onStep:
                onStep()
        self.send(f"{button}ButtonReleaseEvent", *end)


class SliceView(View):
    """:param name: layout name such as "Red"."""

    def __init__(self, name):
        super().__init__()
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._image = vtk.vtkActor2D()
        self._image.SetMapper(self._mapper)
        self._image.GetProperty().SetDisplayLocationToBackground()
        self._image.SetVisibility(False)
        # Added before the displayable managers' actors, or it would hide them.
        self.renderer.AddViewProp(self._image)
        self._addManagers(slicer.vtkMRMLSliceViewDisplayableManagerFactory, SLICE_MANAGERS)
        applicationLogic = slicer.app.applicationLogic()
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(applicationLogic)
        applicationLogic.GetSliceLogics().AddItem(self.logic)
        self._style = slicer.vtkMRMLSliceViewInteractorStyle()
        self._style.SetSliceLogic(self.logic)
        self._style.SetDisplayableManagers(self.managers)
        self.logic.SetMRMLScene(slicer.mrmlScene)
        self.node = self.logic.AddSliceNode(name)
        self.managers.SetMRMLDisplayableNode(self.node)
        self.setUpNode()
        self.interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self._style.SetInteractor(self.interactor)
        self.logic.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._connectImage())

    def setUpNode(self):
        self.node.SetOrientation(ORIENTATIONS[self.node.GetLayoutName()])
        self.node.SetMappedInLayout(1)
        self.logic.ResizeSliceNode(*self.window.GetSize())

    def resize(self, width, height):
        super().resize(width, height)
        self.logic.ResizeSliceNode(width, height)

    def zoom(self, millimetres):
        """Show so many mm from top to bottom, around the middle of the view."""
        width, height = self.window.GetSize()
        self.node.SetFieldOfView(millimetres * width / height, millimetres, 1)

    def toPixels(self, ras):
        """World RAS mm to pixels from the lower left, shape (2,)."""
        rasToXy = np.linalg.inv(slicer.util.arrayFromVTKMatrix(self.node.GetXYToRAS()))
        return (rasToXy @ [*ras, 1])[:2]

    def _connectImage(self):
        connection = self.logic.GetImageDataConnection()
        self._mapper.SetInputConnection(connection)
        self._image.SetVisibility(connection is not None)


class ThreeDView(View):
    """:param name: layout name such as "1"."""

    def __init__(self, name):
        super().__init__()
        self._addManagers(slicer.vtkMRMLThreeDViewDisplayableManagerFactory, THREE_D_MANAGERS)
        self.renderer.SetUseDepthPeeling(True)
        applicationLogic = slicer.app.applicationLogic()
        self._style = slicer.vtkMRMLThreeDViewInteractorStyle()
        self._style.SetDisplayableManagers(self.managers)
        self._style.SetInteractor(self.interactor)
        self.interactor.SetInteractorStyle(vtk.vtkInteractorStyle3D())
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetMRMLApplicationLogic(applicationLogic)
        applicationLogic.GetViewLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(slicer.mrmlScene)
        self.node = self.logic.AddViewNode(name)
        self.managers.SetMRMLDisplayableNode(self.node)
        self.setUpNode()

    def setUpNode(self):
        self.node.SetMappedInLayout(1)
        self.node.SetBackgroundColor(0.1, 0.1, 0.14)
        self.node.SetBackgroundColor2(0.25, 0.25, 0.35)
        self.node.SetBoxVisible(False)
        self.node.SetAxisLabelsVisible(False)

    def lookFromLeftFront(self):
        """Fit what is shown."""
        bounds = np.zeros(6)
        self.renderer.ComputeVisiblePropBounds(bounds)
        camera = self.managers.GetDisplayableManagerByClassName("vtkMRMLCameraDisplayableManager").GetCameraNode()
        middle = (bounds[::2] + bounds[1::2]) / 2
        camera.SetFocalPoint(middle)
        camera.SetPosition(middle + [-300.0, 400.0, 80.0])
        camera.SetViewUp(0, 0, 1)
        self.renderer.ResetCamera(bounds)


class ViewPane(QtWidgets.QWidget):
    """A view as a Qt widget."""

    def __init__(self, view, name):
        super().__init__()
        self.view = view
        self._colour = QtGui.QColor(COLOURS[name])
        self._picture = None
        self.setMouseTracking(True)
        self.setMinimumSize(220, 180)
        self._timer = QtCore.QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(10)
        self._timer.timeout.connect(self.draw)
        self._observations = [
            (view.managers, view.managers.AddObserver(vtk.vtkCommand.UpdateEvent, lambda *_: self._timer.start())),
            (view.logic, view.logic.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._timer.start())),
        ]

    def release(self):
        """Let go of the view."""
        self._timer.stop()
        for subject, tag in self._observations:
            subject.RemoveObserver(tag)
        self._observations = []

    def draw(self):
        pixels = self.view.picture()
        height, width, _ = pixels.shape
        image = QtGui.QImage(pixels.data, width, height, 4 * width, QtGui.QImage.Format_RGBX8888).copy()
        image.setDevicePixelRatio(self.devicePixelRatioF())
        self._picture = image
        self.update()

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        if self._picture is not None:
            painter.drawImage(0, 0, self._picture)
        painter.fillRect(0, 0, self.width, 4, self._colour)

    def resizeEvent(self, event):
        ratio = self.devicePixelRatioF()
        self.view.resize(max(1, int(event.size().width() * ratio)), max(1, int(event.size().height() * ratio)))
        self._timer.start()

    def mousePressEvent(self, event):
        self._send(event, BUTTONS.get(event.button(), "Left") + "ButtonPressEvent")

    def mouseReleaseEvent(self, event):
        self._send(event, BUTTONS.get(event.button(), "Left") + "ButtonReleaseEvent")

    def mouseMoveEvent(self, event):
        self._send(event, "MouseMoveEvent")

    def wheelEvent(self, event):
        self._send(event, f"MouseWheel{'Forward' if event.angleDelta().y() > 0 else 'Backward'}Event")

    def enterEvent(self, event):
        self._send(event, "EnterEvent")

    def leaveEvent(self, event):
        self.view.send("LeaveEvent", -1, -1)
        self._timer.start()

    def _send(self, event, name):
        ratio, modifiers = self.devicePixelRatioF(), event.modifiers()
        x, y = event.position().x() * ratio, self.view.window.GetSize()[1] - 1 - event.position().y() * ratio
        self.view.send(name, x, y, bool(modifiers & QtCore.Qt.ControlModifier),
                       bool(modifiers & QtCore.Qt.ShiftModifier))
        self._timer.start()


@cache
def layoutManager():
    """The views of this process: a scene has one node a layout name."""
    return LayoutManager()


class LayoutManager(QtCore.QObject):
    """``slicer.app.layoutManager()``: Slicer's "four-up" layout."""

    # ctkLayoutManager declares one without an argument too and never emits it.
    layoutChanged = QtCore.Signal(int)
    _signatures = {"layoutChanged(int)"}

    def __init__(self):
        super().__init__()
        self.views = {name: SliceView(name) for name in ORIENTATIONS}
        self.views["1"] = ThreeDView("1")
        # Closing a scene resets the views' nodes to Slicer's defaults.
        slicer.mrmlScene.AddObserver(slicer.mrmlScene.EndCloseEvent, lambda *_: self._setUpNodes())

    def _setUpNodes(self):
        for view in self.views.values():
            view.setUpNode()

    def sliceViewNames(self):
        return list(ORIENTATIONS)

    def sliceWidget(self, name):
        return SliceWidget(self.views[name])

    @property
    def threeDViewCount(self):
        return 1

    def threeDWidget(self, index):
        return ThreeDWidget(self.views["1"])

    def mrmlSliceLogics(self):
        return slicer.app.applicationLogic().GetSliceLogics()


class _RenderView:
    def __init__(self, view):
        self._view = view

    def interactor(self):
        return self._view.interactor

    def renderWindow(self):
        return self._view.window


class SliceWidget:
    def __init__(self, view):
        self._view = view

    def sliceView(self):
        return _RenderView(self._view)

    def mrmlSliceNode(self):
        return self._view.node


class ThreeDWidget:
    def __init__(self, view):
        self._view = view

    def threeDView(self):
        return _RenderView(self._view)
