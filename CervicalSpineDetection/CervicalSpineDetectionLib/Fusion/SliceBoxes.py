"""What a detector saw in a slice, in mm: here pixels end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from CervicalSpineDetectionLib.SliceDetector.Detector import SliceDetections
from CervicalSpineDetectionLib.Spine.Arrays import Array


@dataclass(frozen=True)
class SliceBoxes:
    """Boxes of one sagittal slice: (front, top, back, bottom) in mm from the picture's upper front corner.

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
    return [SliceBoxes(found.boxes * pixelSize, found.scores, found.bodyBoxes * pixelSize, found.bodyScores)
            for found in detections]
