"""What a detector saw in a slice, in mm: here pixels end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.SliceDetector.Detector import SliceDetections
from CervicalSpineDetectionLib.Spine.Arrays import Array


@dataclass(frozen=True)
class SliceBoxes:
    """Boxes of one sagittal slice: (front, top, back, bottom) in mm from the middle of the picture's first pixel.

    :param boxes: shape (n, 4), whole vertebrae.
    :param scores: shape (n, levels + 1), see ``SliceDetections``.
    :param bodyBoxes: shape (m, 4), vertebral bodies.
    :param bodyScores: shape (m,).
    """

    boxes: Array
    scores: Array
    bodyBoxes: Array
    bodyScores: Array


def sliceBoxesOf(detections: Sequence[SliceDetections], pixelSize: float) -> list[SliceBoxes]:
    """:param detections: one a slice, in pixel edges.
    :param pixelSize: mm.
    """
    return [SliceBoxes(_toMm(found.boxes, pixelSize), found.scores, _toMm(found.bodyBoxes, pixelSize), found.bodyScores)
            for found in detections]


def toPixelEdges(boxes: Array, pixelSize: float) -> Array:
    """Boxes in mm, shape (..., 4), back to pixel edges, as pictures and data sets count them.

    :param pixelSize: mm.
    """
    return np.asarray(boxes / pixelSize + 0.5)


def _toMm(edges: Array, pixelSize: float) -> Array:
    # The first pixel's outer edge lies half a pixel before its middle.
    return (edges.astype(float) - 0.5) * pixelSize
