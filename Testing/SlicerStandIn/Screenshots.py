"""Pictures of the preview window after Detect, after a drag and after a shift."""

import numpy as np
import slicer

from SlicerStandIn.PreviewWindow import grab, waitFor


def takeScreenshots(window, folder):
    """Write detect.png, drag.png and shift.png.

    :param window: PreviewWindow with a CT.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ui, widget = window.module.widget.ui, window.module.widget
    # The seconds in the pictures are those of a warm worker.
    waitFor(lambda: widget.logic.isIdle, 600)
    ui.detectButton.click()
    waitFor(lambda: not widget.logic.isBusy, 600)
    _settle()
    grab(window, folder / "detect.png")
    dragUpperFace(window, 6)
    _settle()
    grab(window, folder / "drag.png")
    ui.shiftDownButton.click()
    _settle()
    grab(window, folder / "shift.png")


def dragUpperFace(window, millimetres):
    """Drag the upper face of the chosen box in the sagittal view."""
    (nodeId,) = window.module.widget.correctionPanel.table.selectedIds()
    roi = slicer.mrmlScene.GetNodeByID(nodeId)
    view = window.layoutManager.views["Yellow"]
    view.picture()
    toWorld = slicer.util.arrayFromVTKMatrix(roi.GetObjectToWorldMatrix())
    face = np.array([0, 0, roi.GetSize()[2] / 2])
    start, end = (view.toPixels((toWorld @ [*point, 1])[:3]) for point in (face, face + [0, 0, millimetres]))
    view.drag(start, end)


def _settle():
    for _ in range(10):
        slicer.app.processEvents()
