"""One picture of a result: sagittal and coronal slices through the spine and a 3D view."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from PIL import Image, ImageDraw, ImageFont
from vtk.util.numpy_support import numpy_to_vtk

from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.Levels import levelColour
from CervicalSpineDetectionLib.Scene.OffscreenViews import SliceView, ThreeDView
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, label
from CervicalSpineDetectionLib.Scene.VertebraState import boxCorners
from CervicalSpineDetectionLib.Scene.VolumeNodes import LPS_TO_RAS, volumeNodeFromImage
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

WIDTH, HEIGHT = 1500, 900
VIEW_SIZE = (498, 844)
GAP = 3
BACKGROUND = (0.06, 0.07, 0.09)
MARGIN_MM = 22
# So that a single vertebra is still seen with its surroundings.
SMALLEST_SPAN_MM = 120

BONE_HU = 250
BONE_SPACING_MM = 1.0
BONE_COLOUR = (0.88, 0.85, 0.77)
# RAS, from the spine to the eye: from the front, the patient's left and a little above.
EYE = (-0.75, 1.0, 0.3)


def writePreview(path: Path, image: sitk.Image, result: DetectionResult) -> None:
    """Write a PNG of 1500 x 900 pixels.

    The slices are fitted to the body centres. Anterior is left in the sagittal view, the patient's right is left in the
    coronal view.

    :param image: CT in HU, in any orientation.
    :raises OSError: the file can't be written.
    """
    Image.fromarray(previewPicture(image, result)).save(path)


def previewPicture(image: sitk.Image, result: DetectionResult) -> np.ndarray:
    """As ``writePreview``.

    :return: uint8 RGB, shape (900, 1500, 3).
    """
    with headlessScene() as (scene, applicationLogic):
        volumeNode = volumeNodeFromImage(scene, image, "CT")
        nodes = addVertebrae(scene, result, volumeNode)
        corners = _corners(volumeNode, result.vertebrae)
        if nodes:
            _showAllNames(nodes[-1].GetDisplayNode())
            _addBone(scene, image, result.vertebrae)
        seen = _seenBounds(volumeNode, corners)
        sagittal, coronal = slicePlanes(result.vertebrae, seen)
        spans = seen[1::2] - seen[::2]
        millimetresPerPixel = max(spans[2] / VIEW_SIZE[1], spans[0] / VIEW_SIZE[0], spans[1] / VIEW_SIZE[0])
        pictures = []
        for name, plane in (("Yellow", sagittal), ("Green", coronal)):
            view = SliceView(scene, applicationLogic, name, VIEW_SIZE, volumeNode)
            view.show(plane, millimetresPerPixel)
            pictures.append(view.picture())
        view = ThreeDView(scene, applicationLogic, "1", VIEW_SIZE, BACKGROUND)
        view.look(corners, EYE, up=(0, 0, 1))
        pictures.append(view.picture())
    return _compose(pictures, result)


def slicePlanes(vertebrae, seen):
    """Sagittal and coronal plane, tilted to pass through the body centres.

    :param seen: RAS mm, shape (6,), as MRML's bounds; the planes' origins lie in its middle.
    :return: two matrices of shape (4, 4), slice to RAS mm.
    """
    middle = (seen[::2] + seen[1::2]) / 2
    centres = np.array([LPS_TO_RAS @ vertebra.centre for vertebra in vertebrae]) if vertebrae else middle[None]
    passes = centres.mean(axis=0)
    spine = np.linalg.svd(centres - passes)[2][0] if len(centres) > 2 else np.array([0.0, 0, 1])
    if abs(spine[2]) < np.cos(np.radians(45)):
        spine = np.array([0.0, 0, 1])
    spine = spine * np.sign(spine[2])
    # Tilted about their horizontal axis only, so that up stays up.
    return (
        _plane(right=np.array([0.0, -1, 0]), up=spine * [1, 0, 1], passes=passes, middle=middle),
        _plane(right=np.array([-1.0, 0, 0]), up=spine * [0, 1, 1], passes=passes, middle=middle),
    )


def _plane(right, up, passes, middle):
    up = up / np.linalg.norm(up)
    normal = np.cross(right, up)
    plane = np.eye(4)
    plane[:3] = np.stack([right, up, normal, middle - normal * np.dot(middle - passes, normal)], axis=1)
    return plane


def _corners(volumeNode, vertebrae):
    """Of the boxes, or of the CT where there is no box. RAS mm, shape (n, 3)."""
    if vertebrae:
        return np.concatenate([boxCorners(vertebra.orientedBox) for vertebra in vertebrae]) @ LPS_TO_RAS
    bounds = np.zeros(6)
    volumeNode.GetRASBounds(bounds)
    return np.stack(np.meshgrid(*bounds.reshape(3, 2), indexing="ij"), axis=-1).reshape(8, 3)


def _seenBounds(volumeNode, corners):
    """Bounds of the corners with a margin where the CT goes on. RAS mm, shape (6,), as MRML's bounds."""
    volume = np.zeros(6)
    volumeNode.GetRASBounds(volume)
    lower, upper = corners.min(axis=0), corners.max(axis=0)
    margin = np.maximum(MARGIN_MM, (SMALLEST_SPAN_MM - (upper - lower)) / 2)
    seen = np.empty(6)
    seen[::2] = np.maximum(lower - margin, np.minimum(volume[::2], lower))
    seen[1::2] = np.minimum(upper + margin, np.maximum(volume[1::2], upper))
    return seen


def _showAllNames(displayNode):
    """Draw centres and names readably, also where they lie off the slice or inside bone."""
    with slicer.util.NodeModify(displayNode):
        displayNode.SetTextScale(4.5)
        # White names on bright bone.
        displayNode.GetTextProperty().SetBackgroundOpacity(0.5)
        displayNode.SliceProjectionOn()
        displayNode.SetSliceProjectionOpacity(1)
        displayNode.OccludedVisibilityOn()
        displayNode.SetOccludedOpacity(1)


def _addBone(scene, image, vertebrae):
    """Surface of the bone inside the vertebrae's bounds."""
    lower = np.min([vertebra.bounds.minimum for vertebra in vertebrae], axis=0) - 2 * BONE_SPACING_MM
    upper = np.max([vertebra.bounds.maximum for vertebra in vertebrae], axis=0) + 2 * BONE_SPACING_MM
    size = np.ceil((upper - lower) / BONE_SPACING_MM).astype(int)
    region = sitk.Resample(
        image, size.tolist(), sitk.Transform(), sitk.sitkLinear, lower.tolist(), [BONE_SPACING_MM] * 3,
        np.eye(3).ravel().tolist(), -1000.0, sitk.sitkFloat32,
    )
    hu = sitk.GetArrayViewFromImage(region)
    inside = np.full_like(hu, -1000)
    for vertebra in vertebrae:
        first = np.round((vertebra.bounds.minimum - lower) / BONE_SPACING_MM).astype(int)
        last = np.round((vertebra.bounds.maximum - lower) / BONE_SPACING_MM).astype(int) + 1
        box = tuple(slice(a, b) for a, b in zip(first[::-1], last[::-1], strict=True))
        inside[box] = hu[box]
    # The grid is LPS, the model RAS: half a turn about the z axis.
    imageData = vtk.vtkImageData()
    imageData.SetDimensions(size)
    imageData.SetSpacing([BONE_SPACING_MM] * 3)
    imageData.SetOrigin(LPS_TO_RAS @ lower)
    imageData.SetDirectionMatrix(*LPS_TO_RAS.ravel())
    imageData.GetPointData().SetScalars(numpy_to_vtk(inside.ravel()))
    surface = vtk.vtkFlyingEdges3D()
    surface.SetInputData(imageData)
    surface.SetValue(0, BONE_HU)
    surface.Update()
    model = scene.AddNewNodeByClass("vtkMRMLModelNode", "Bone")
    model.SetAndObservePolyData(surface.GetOutput())
    model.CreateDefaultDisplayNodes()
    model.GetDisplayNode().SetColor(BONE_COLOUR)
    model.GetDisplayNode().SetScalarVisibility(False)


def _compose(pictures, result):
    canvas = Image.new("RGB", (WIDTH, HEIGHT), tuple(round(255 * component) for component in BACKGROUND))
    draw = ImageDraw.Draw(canvas)
    small, large = ImageFont.load_default(20), ImageFont.load_default(26)
    width, height = VIEW_SIZE
    for index, (picture, title, left, right) in enumerate(zip(
        pictures, ("Sagittal", "Coronal", "3D, from left anterior"), ("A", "R", ""), ("P", "L", ""), strict=True
    )):
        x = index * (width + GAP)
        canvas.paste(Image.fromarray(picture), (x, 0))
        for text, position, anchor in (
            (title, (x + width / 2, 10), "ma"),
            (left, (x + 10, height / 2), "lm"),
            (right, (x + width - 10, height / 2), "rm"),
        ):
            draw.text(position, text, "white", small, anchor, stroke_width=2, stroke_fill="black")

    middle = (height + HEIGHT) / 2
    x = 14
    for vertebra in result.vertebrae:
        colour = tuple(round(255 * component) for component in levelColour(vertebra.level))
        draw.text((x, middle), label(vertebra), colour, large, "lm")
        x += draw.textlength(label(vertebra), large) + 22
    if not result.vertebrae:
        draw.text((x, middle), "No vertebra found", "white", large, "lm")
    note = "Research use only"
    if any(label(vertebra) != vertebra.level for vertebra in result.vertebrae):
        note = "?: please check    " + note
    draw.text((WIDTH - 14, middle), note, "white", small, "rm")
    return np.asarray(canvas)
