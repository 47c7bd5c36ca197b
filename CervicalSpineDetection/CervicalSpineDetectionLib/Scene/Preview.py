"""One picture of a result: sagittal, coronal and 3D view, each level named."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import vtk
from PIL import Image, ImageDraw, ImageFont
from vtk.util import numpy_support

from CervicalSpineDetectionLib.Scene.HeadlessScene import HeadlessScene
from CervicalSpineDetectionLib.Scene.LevelAppearance import colorOf
from CervicalSpineDetectionLib.Scene.OffscreenViews import SliceView, ThreeDView
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, doubts, labelOf
from CervicalSpineDetectionLib.Scene.Volumes import LPS_TO_RAS, volumeNodeFromImage

VIEW_SIZE = (500, 760)
CAPTION_HEIGHT = 64
MARGIN_MM = 30
BONE_HU = 220
EYE_DIRECTION = (0.75, 0.9, 0.25)  # RAS: from the right, front and a little above


def writePreview(path, image, result):
    """Draw a result off screen.

    :param path: PNG file to write.
    :param image: sitk CT.
    :param result: DetectionResult; an empty one shows the CT alone.
    """
    picture(image, result).save(path)


def picture(image, result):
    """The preview as a PIL image."""
    headless = HeadlessScene()
    volumeNode = volumeNodeFromImage(headless.scene, image, "CT")
    rois, centresNode = addVertebrae(headless.scene, result, volumeNode)
    # Labels are drawn by us, beside the boxes, where they can't cover each other.
    centresNode.GetDisplayNode().SetPointLabelsVisibility(False)
    for roi in rois:
        roi.GetDisplayNode().SetFillOpacity(0.0)
    centre, height = _field(image, result)
    panels = []
    for orientation in ("Sagittal", "Coronal"):
        view = SliceView(headless, orientation, VIEW_SIZE)
        view.show(volumeNode, centre, height)
        panels.append(_labelled(view, result, orientation))
    for roi in rois:
        roi.GetDisplayNode().SetFillOpacity(0.25)
    _addBone(headless.scene, image, result)
    view = ThreeDView(headless, VIEW_SIZE)
    view.lookAt(centre, EYE_DIRECTION, height * 0.8)
    panels.append(_labelled(view, result, "3D"))
    headless.scene.Clear(1)
    return _composed(panels, result)


def _field(image, result):
    """(centre in RAS mm, height in mm) of what the views show."""
    if not result.vertebrae:
        middle = [(size - 1) / 2 for size in image.GetSize()]
        corner = image.TransformContinuousIndexToPhysicalPoint([-0.5] * 3)
        opposite = image.TransformContinuousIndexToPhysicalPoint([size - 0.5 for size in image.GetSize()])
        extent = np.abs(np.subtract(opposite, corner))
        return LPS_TO_RAS @ image.TransformContinuousIndexToPhysicalPoint(middle), float(extent.max())
    lower = np.min([vertebra.bounds.minimum for vertebra in result.vertebrae], axis=0)
    upper = np.max([vertebra.bounds.maximum for vertebra in result.vertebrae], axis=0)
    bodies = np.median([vertebra.centre for vertebra in result.vertebrae], axis=0)
    centre = np.array([*bodies[:2], (lower[2] + upper[2]) / 2])
    return LPS_TO_RAS @ centre, float(upper[2] - lower[2]) + 2 * MARGIN_MM


def _addBone(scene, image, result):
    """A bone surface around the vertebrae, 1.5 mm fine at most, so that it takes little time."""
    if not result.vertebrae:
        return
    lower = np.min([vertebra.bounds.minimum for vertebra in result.vertebrae], axis=0) - 8
    upper = np.max([vertebra.bounds.maximum for vertebra in result.vertebrae], axis=0) + 8
    spacing = 1.5
    size = np.ceil((upper - lower) / spacing).astype(int)
    part = sitk.Resample(image, size.tolist(), sitk.Transform(), sitk.sitkLinear, lower.tolist(), [spacing] * 3,
                         np.eye(3).ravel().tolist(), -1000.0)
    data = vtk.vtkImageData()
    data.SetDimensions(part.GetSize())
    data.SetSpacing(part.GetSpacing())
    data.SetOrigin(part.GetOrigin())
    voxels = sitk.GetArrayFromImage(sitk.Cast(part, sitk.sitkFloat32))
    data.GetPointData().SetScalars(numpy_support.numpy_to_vtk(voxels.ravel(), deep=True))
    surface = vtk.vtkFlyingEdges3D()
    surface.SetInputData(data)
    surface.SetValue(0, BONE_HU)
    toRas = vtk.vtkTransform()
    toRas.Scale(-1, -1, 1)
    turned = vtk.vtkTransformPolyDataFilter()
    turned.SetTransform(toRas)
    turned.SetInputConnection(surface.GetOutputPort())
    turned.Update()
    node = scene.AddNewNodeByClass("vtkMRMLModelNode", "Bone")
    node.SetAndObservePolyData(turned.GetOutput())
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetScalarVisibility(False)
    display.SetColor(0.93, 0.88, 0.78)
    display.SetVisibility2D(False)
    display.SetBackfaceCulling(False)


def _labelled(view, result, title):
    """The view's picture with a level label at the right of each vertebra, joined to it by a line."""
    panel = Image.fromarray(view.picture())
    draw = ImageDraw.Draw(panel)
    anchors = [view.pixelOf(LPS_TO_RAS @ vertebra.centre) for vertebra in result.vertebrae]
    rows = _apart([row for _, row in anchors], 26, 14, panel.height - 14)
    for vertebra, (column, row), labelRow in zip(result.vertebrae, anchors, rows, strict=True):
        color = tuple(int(255 * value) for value in colorOf(vertebra.level))
        right = panel.width - 66
        draw.line([(column, row), (right - 4, labelRow)], fill=color, width=1)
        draw.rectangle([right - 4, labelRow - 12, right + 56, labelRow + 12], fill=(0, 0, 0))
        draw.text((right, labelRow), labelOf(vertebra), fill=color, font=_font(22), anchor="lm")
    draw.text((10, 8), title, fill=(220, 220, 220), font=_font(18))
    for side, (place, anchor) in _sides(title, panel.size).items():
        draw.text(place, side, fill=(230, 200, 90), font=_font(18), anchor=anchor)
    return panel


def _sides(title, size):
    """Letters of the patient's sides at the borders of a slice view."""
    left, right = {"Sagittal": ("A", "P"), "Coronal": ("R", "L")}.get(title, (None, None))
    if left is None:
        return {}
    width, height = size
    return {left: ((8, height / 2), "lm"), right: ((width - 8, height - 40), "rm"), "S": ((width / 2, 8), "ma"),
            "I": ((width / 2, height - 8), "ms")}


def _apart(rows, distance, lowest, highest):
    """Rows moved down, then up, so that neighbours are at least ``distance`` pixels apart and inside the picture."""
    placed = []
    for row in rows:
        placed.append(max(row, lowest if not placed else placed[-1] + distance))
    for i in range(len(placed) - 1, -1, -1):
        placed[i] = min(placed[i], highest if i == len(placed) - 1 else placed[i + 1] - distance)
    return placed


def _composed(panels, result):
    gap = 4
    width = sum(panel.width for panel in panels) + gap * (len(panels) - 1)
    whole = Image.new("RGB", (width, panels[0].height + CAPTION_HEIGHT), (20, 22, 28))
    left = 0
    for panel in panels:
        whole.paste(panel, (left, 0))
        left += panel.width + gap
    draw = ImageDraw.Draw(whole)
    top = panels[0].height + 10
    found = "  ".join(f"{vertebra.level} {vertebra.confidence:.2f}" for vertebra in result.vertebrae)
    draw.text((12, top), found or "No cervical vertebra was found", fill=(235, 235, 235), font=_font(19))
    uncertain = [vertebra.level for vertebra in result.vertebrae if doubts(vertebra)]
    remark = f"Look twice at {', '.join(uncertain)} (marked ?).   " if uncertain else ""
    draw.text((12, top + 25), f"{remark}Confidence of each level.   Research use only, not a medical device.",
              fill=(190, 190, 190), font=_font(16))
    return whole


def _font(size):
    return ImageFont.load_default(size)


