"""One picture of a result: sagittal and coronal views through the spine and a 3D view."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageDraw, ImageFont

from CervicalSpineDetectionLib.Detection.Vertebra import DetectionResult
from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.OffscreenViews import SliceView, ThreeDView
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae
from CervicalSpineDetectionLib.Scene.VolumeNodes import LPS_TO_RAS, volumeNodeFromImage

VIEW_SIZE = (498, 840)
GAP = 3
CAPTION_HEIGHT = 57
BACKGROUND = (0.07, 0.08, 0.1)
MARGIN_MM = 25


def writePreview(path: Path, image: sitk.Image, result: DetectionResult) -> None:
    """Write a PNG of 1500 x 900 pixels.

    :param image: CT in HU, in any orientation.
    :raises OSError: the file can't be written.
    """
    Image.fromarray(previewPicture(image, result)).save(path)


def previewPicture(image, result):
    """uint8 RGB, shape (900, 1500, 3)."""
    with headlessScene() as (scene, applicationLogic):
        volumeNode = volumeNodeFromImage(scene, image, "CT")
        addVertebrae(scene, result, volumeNode)
        frame = _frame(volumeNode, result)
        bounds = frame["bounds"]
        scale = max((bounds[5] - bounds[4]) / VIEW_SIZE[1], (bounds[3] - bounds[2]) / VIEW_SIZE[0],
                    (bounds[1] - bounds[0]) / VIEW_SIZE[0])
        pictures = []
        for name, plane in (("Yellow", frame["sagittal"]), ("Green", frame["coronal"])):
            view = SliceView(scene, applicationLogic, name, VIEW_SIZE, volumeNode)
            view.show(plane, scale)
            pictures.append(view.picture())
        view = ThreeDView(scene, applicationLogic, "1", VIEW_SIZE, BACKGROUND)
        view.look(bounds, (-0.7, 1, 0.25), (0, 0, 1))
        pictures.append(view.picture())
    return _compose(pictures, result)


def _frame(volumeNode, result):
    bounds = np.zeros(6)
    if result.vertebrae:
        corners = np.array([[v.bounds.minimum, v.bounds.maximum] for v in result.vertebrae]).reshape(-1, 3)
        corners = corners @ LPS_TO_RAS
        bounds[::2] = corners.min(axis=0) - MARGIN_MM
        bounds[1::2] = corners.max(axis=0) + MARGIN_MM
        centre = np.median([LPS_TO_RAS @ v.centre for v in result.vertebrae], axis=0)
        centre[2] = bounds[4:].mean()
        centre[1] = bounds[2:4].mean()
    else:
        volumeNode.GetRASBounds(bounds)
        centre = bounds.reshape(3, 2).mean(axis=1)
    sagittal, coronal = np.eye(4), np.eye(4)
    sagittal[:3, :3] = np.array([[0, 0, 1], [-1, 0, 0], [0, 1, 0]])
    coronal[:3, :3] = np.array([[-1, 0, 0], [0, 0, 1], [0, 1, 0]])
    sagittal[:3, 3] = centre
    coronal[:3, 3] = centre
    return {"bounds": bounds, "sagittal": sagittal, "coronal": coronal}


def _compose(pictures, result):
    canvas = Image.new("RGB", (1500, 900))
    for n, picture in enumerate(pictures):
        canvas.paste(Image.fromarray(picture), (n * (VIEW_SIZE[0] + GAP), 0))
    draw = ImageDraw.Draw(canvas)
    levels = ", ".join(v.level for v in result.vertebrae) or "no vertebra found"
    draw.text((12, 860), f"{levels}   Research use only", font=ImageFont.load_default(22), fill="white")
    return np.asarray(canvas)
