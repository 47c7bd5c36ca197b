"""A picture of a labelled CT: a flipped axis or shifted names are seen at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageDraw

from CervicalSpineDetectionLib.Imaging.Resampling import resampleLabels, resampleSagittal
from CervicalSpineDetectionLib.Imaging.SagittalVolume import windowed
from CervicalSpineDetectionLib.SliceDetector.Detector import BELOW_CLASS, BODY_CLASS, CLASS_NAMES
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Truth.SliceBoxes import SliceBox, boxesInSlice, middlesOf

SCALE = 3
BOX_COLOUR, BODY_COLOUR, TEXT_COLOUR = (255, 200, 0), (90, 200, 255), (255, 255, 255)
CAPTION_HEIGHT = 18


class Geometry(Protocol):
    """What of ``Training.Dataset.SliceGeometry`` is drawn with."""

    @property
    def pixelSize(self) -> float: ...
    @property
    def window(self) -> tuple[float, float]: ...


def drawCase(ct: sitk.Image, labels: sitk.Image, geometry: Geometry, caption: str) -> Image.Image:
    """Mid-sagittal slice with the boxes the detector will learn, and coronal slice with the labels' extents.

    :param ct: sitk image in HU.
    :param labels: sitk uint8 image, codes as in ``Levels.SPINE_LEVELS``.
    :param caption: text above.
    :return: PIL image; left slice: anterior is left; right slice: the patient's right is left.
    """
    # Along the patient's axes a pixel has the same size.
    size = geometry.pixelSize
    volume = resampleSagittal(ct, size, size)
    levels = resampleLabels(labels, volume)
    pictures = windowed(volume, geometry.window)
    xs = volume.origin[0] + np.arange(len(levels)) * size
    middles = middlesOf(levels, xs, size)
    middle = int(np.rint((np.median(list(middles.values())) - xs[0]) / size))
    sagittal = boxesInSlice(levels[middle], xs[middle], middles, size)
    column = int(np.median(np.nonzero(levels)[2]))
    coronal = []
    for code in middles:
        # As seen from the front, since a bent neck crosses no one plane.
        columns, rows = np.nonzero((levels == code).any(axis=2))
        coronal.append((min(code - 1, BELOW_CLASS), columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    halves = [_drawn(pictures[middle], sagittal), _drawn(pictures[:, :, column].T, coronal)]
    sheet = Image.new("RGB", (sum(half.width for half in halves) + 4, halves[0].height + CAPTION_HEIGHT))
    ImageDraw.Draw(sheet).text((4, 3), f"{caption}   sagittal (anterior left) | coronal (patient's right left)",
                               fill=TEXT_COLOUR)
    sheet.paste(halves[0], (0, CAPTION_HEIGHT))
    sheet.paste(halves[1], (halves[0].width + 4, CAPTION_HEIGHT))
    return sheet


def _drawn(picture: Array, boxes: Iterable[SliceBox]) -> Image.Image:
    image = Image.fromarray(picture).convert("RGB")
    image = image.resize((image.width * SCALE, image.height * SCALE), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(image)
    for kind, *corners in boxes:
        corners = [float(corner) * SCALE for corner in corners]
        if kind == BODY_CLASS:
            draw.rectangle(corners, outline=BODY_COLOUR)
        else:
            draw.rectangle(corners, outline=BOX_COLOUR, width=2)
            draw.text((corners[2] + 3, (corners[1] + corners[3]) / 2 - 6), CLASS_NAMES[kind], fill=TEXT_COLOUR)
    return image
