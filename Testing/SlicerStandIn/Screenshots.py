"""Pictures of the preview window after Detect, after a drag and after a shift, an animated one of all three, and one of
a review."""

import numpy as np
import slicer
from PIL import Image

from SlicerStandIn.PreviewWindow import grab, waitFor

ANIMATION = "detect-drag-shift.webp"
ANIMATION_WIDTH = 1000
DRAG_STEPS, DRAG_MM = 6, 6
# Pixels beside a handle where it is taken hold of: another box's locked center may lie as near.
BESIDE_HANDLE = (0, 2, -2, 4, -4)
# Milliseconds that a frame is shown: the CT alone, results to look at, steps of a drag.
CT_SHOWN, RESULT_SHOWN, STEP_SHOWN = 1200, 2200, 220


def takeScreenshots(window, folder):
    """Write detect.png, drag.png, shift.png and the animated picture of all three.

    :param window: PreviewWindow with a CT.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ui, widget = window.module.widget.ui, window.module.widget
    frames = []

    def take(name, milliseconds):
        _settle()
        grab(window, folder / name)
        picture = Image.open(folder / name).convert("RGB")
        height = round(picture.height * ANIMATION_WIDTH / picture.width)
        frames.append((picture.resize((ANIMATION_WIDTH, height), Image.Resampling.LANCZOS), milliseconds))

    # The seconds in the pictures are those of a warm worker.
    waitFor(lambda: widget.logic.isIdle, 600)
    take("step.png", CT_SHOWN)
    ui.detectButton.click()
    waitFor(lambda: not widget.logic.isBusy, 600)
    take("detect.png", RESULT_SHOWN)
    dragUpperFace(window, DRAG_MM, DRAG_STEPS, lambda: take("step.png", STEP_SHOWN))
    take("drag.png", RESULT_SHOWN)
    ui.shiftDownButton.click()
    take("shift.png", RESULT_SHOWN)
    (folder / "step.png").unlink()
    (first, shown), *others = frames
    first.save(folder / ANIMATION, save_all=True, append_images=[picture for picture, _ in others], loop=0,
               duration=[shown, *(milliseconds for _, milliseconds in others)], quality=60, method=6)


def takeReview(window, results, folder):
    """Write review.png: one CT of a cohort reviewed, the next one shown.

    :param results: folder of a cohort's results, whose first CT is marked as reviewed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ui = window.module.widget.ui
    ui.reviewCollapsibleButton.collapsed = False
    window.module.widget.reviewSection.open(results)
    if ui.reviewStatusLabel.text.startswith("0 "):
        ui.confirmScanButton.click()
    _settle()
    window.scrollTo(ui.reviewDatasetButton)
    _settle()
    grab(window, folder / "review.png")


def dragUpperFace(window, millimetres, steps=10, onStep=None):
    """Drag the upper face of the chosen box in the sagittal view."""
    (nodeId,) = window.module.widget.correctionPanel.table.selectedIds()
    roi = slicer.mrmlScene.GetNodeByID(nodeId)
    view = window.layoutManager.views["Yellow"]
    view.picture()
    toWorld = slicer.util.arrayFromVTKMatrix(roi.GetObjectToWorldMatrix())
    height = roi.GetSize()[2]
    face = np.array([0, 0, height / 2])
    start, end = (np.array(view.toPixels((toWorld @ [*point, 1])[:3])) for point in (face, face + [0, 0, millimetres]))
    for beside in BESIDE_HANDLE:
        if roi.GetSize()[2] == height:
            view.drag(start + [beside, 0], end + [beside, 0], steps, onStep=onStep)


def _settle():
    for _ in range(10):
        slicer.app.processEvents()
