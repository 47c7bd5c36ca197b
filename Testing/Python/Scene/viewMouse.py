"""Mouse and keyboard in off-screen views: events go through Slicer's own interactor styles and markups widgets."""

from __future__ import annotations

import slicer
import vtk


class ViewMouse:
    """Mouse of an ``OffscreenViews`` slice view.

    Markups widgets take a press only after the pointer came near, so each press is preceded by moves.

    :param view: SliceView.
    """

    def __init__(self, view):
        self.view = view
        self._style = slicer.vtkMRMLSliceViewInteractorStyle()
        self._style.SetSliceLogic(view.logic)
        self._style.SetDisplayableManagers(view.managers)
        # Slicer's style is an observer beside VTK's own, which would also act.
        view.interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self._style.SetInteractor(view.interactor)
        view.window.Render()

    def pixel(self, positionRas):
        """Display position of a place in the world, which need not lie in the slice.

        :param positionRas: RAS mm, shape (3,).
        :return: x, y in pixels from the lower left.
        """
        rasToXy = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.view.node.GetXYToRAS(), rasToXy)
        return tuple(round(value) for value in rasToXy.MultiplyPoint([*positionRas, 1])[:2])

    def move(self, pixel):
        self._send("MouseMoveEvent", pixel)

    def press(self, pixel, button="Left"):
        self._send("EnterEvent", pixel)
        self.move((pixel[0] - 3, pixel[1]))
        self.move(pixel)
        self._send(f"{button}ButtonPressEvent", pixel)

    def release(self, pixel, button="Left"):
        self._send(f"{button}ButtonReleaseEvent", pixel)

    def drag(self, startRas, endRas, button="Left", steps=10):
        """Press at one place, move to another, release. Both RAS mm."""
        start, end = self.pixel(startRas), self.pixel(endRas)
        self.press(start, button)
        for step in range(1, steps + 1):
            self.move(tuple(round(a + (b - a) * step / steps) for a, b in zip(start, end, strict=True)))
        self.release(end, button)

    def click(self, positionRas, button="Left"):
        pixel = self.pixel(positionRas)
        self.press(pixel, button)
        self.release(pixel, button)

    def key(self, positionRas, name, shift=False):
        """Press a key while the pointer is at a place, e.g. "Delete"."""
        pixel = self.pixel(positionRas)
        self._send("EnterEvent", pixel)
        self.move((pixel[0] - 3, pixel[1]))
        self.move(pixel)
        code = "\x7f" if name == "Delete" else name[0]
        for event in ("KeyPressEvent", "KeyReleaseEvent"):
            self._send(event, pixel, code, name, shift)

    def _send(self, event, pixel, keyCode="\0", keySymbol=None, shift=False):
        self.view.interactor.SetEventInformation(*pixel, 0, int(shift), keyCode, 0, keySymbol)
        self.view.interactor.InvokeEvent(event)
