"""Where in a scan the detector has to look: a few slices show where the spine is, the others are cut to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.SliceDetector.Detector import CLEAR_SCORE, SliceDetections
from CervicalSpineDetectionLib.Spine.Arrays import Array

FIRST_LOOK_MM = 12.0
# Slices in the middle that are looked at first: 24 mm to each side.
MIDDLE_LOOKS = 5
# So many bodies, each sure, are a spine.
SPINE_EVIDENCE = 2.0
# A slice through some of the bodies, against that through most of them; ribs and joints are taken for a body or two.
BODY_EVIDENCE = 0.2
# From the edge of a body to the tip of the widest transverse process, that of the atlas (about 90 mm wide, its anterior
# arch and the bodies about 24 mm).
BEYOND_BODY_MM = 33.0
# What the few slices did not show of the spine; on top of it comes the rounding to the network's stride.
MARGIN_MM = 24.0


@dataclass(frozen=True)
class SpineRegion:
    """Part of the slices of a scan, as half-open index ranges.

    Rows and columns start and end on multiples of the network's stride, so that it sees a cut picture on the same grid
    as the whole one; they may end beyond the picture.
    """

    slices: range
    rows: slice
    columns: slice


def firstLook(count: int, sliceSpacing: float) -> tuple[Array, Array]:
    """A few slices spread over the scan, those in its middle, where the spine should be, and the others.

    :param count: slices of the scan.
    :param sliceSpacing: mm.
    :return: two arrays of indices.
    """
    step = max(int(FIRST_LOOK_MM / sliceSpacing), 1)
    looked = np.arange(min(step // 2, count - 1), count, step)
    start = max(len(looked) - MIDDLE_LOOKS, 0) // 2
    middle = slice(start, start + MIDDLE_LOOKS)
    return looked[middle], np.delete(looked, middle)


def holdsSpine(detections: Sequence[SliceDetections]) -> bool:
    """True where the bodies of a spine were seen, and fewer to both sides of them.

    :param detections: list of SliceDetections of a few slices in order.
    """
    evidence = _bodyEvidence(detections)
    return bool(evidence.max() >= SPINE_EVIDENCE and evidence[[0, -1]].max() < BODY_EVIDENCE * evidence.max())


def _bodyEvidence(detections: Sequence[SliceDetections]) -> Array:
    """How many bodies, each sure, the slices show, shape (n,)."""
    return np.array([found.bodyScores.sum() for found in detections])


def spineRegion(detections: Sequence[SliceDetections], looked: Array, count: int, pixelSize: float, sliceSpacing: float,
                stride: int) -> SpineRegion:
    """The part of a scan that can hold its cervical vertebrae.

    :param detections: list of SliceDetections of a few slices.
    :param looked: their indices, shape (n,), rising, equally spaced.
    :param count: slices of the scan.
    :param pixelSize, sliceSpacing: mm.
    :param stride: pixels.
    :return: SpineRegion, the whole scan where no vertebral body was seen.
    """
    evidence = _bodyEvidence(detections)
    if not evidence.any():
        return SpineRegion(range(count), slice(0, None), slice(0, None))
    bodies = looked[evidence >= BODY_EVIDENCE * evidence.max()]
    # The outermost body may end just before the next slice looked at.
    reach = int(np.ceil(BEYOND_BODY_MM / sliceSpacing)) + int(looked[1] - looked[0] if len(looked) > 1 else 0)
    boxes = np.concatenate([found.bodyBoxes for found in detections] + [found.boxes for found in detections])
    scores = np.concatenate([found.bodyScores for found in detections]
                            + [found.scores.max(axis=1) for found in detections])
    boxes = boxes[scores >= min(CLEAR_SCORE, scores.max())]
    margin = MARGIN_MM / pixelSize
    low = np.floor((boxes[:, :2].min(axis=0) - margin) / stride).clip(0).astype(int) * stride
    high = np.ceil((boxes[:, 2:].max(axis=0) + margin) / stride).astype(int) * stride
    return SpineRegion(range(max(bodies[0] - reach, 0), min(bodies[-1] + reach + 1, count)),
                       slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0])))
