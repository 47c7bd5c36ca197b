"""Where in a scan the detector has to look: a few slices show where the spine is, the others are cut to it. First come
those through the bodies, which show how far the vertebrae can reach to the sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.SliceDetector.Detector import CLEAR_SCORE, SliceDetections
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS, LEVELS

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
# Where so many levels from C1 on are clearly seen, the names don't rest on what lies beside the bodies of the chest.
UPPER_LEVELS = 4
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


def bodyRegion(detections: Sequence[SliceDetections], looked: Array, count: int, pixelSize: float, sliceSpacing: float,
               stride: int) -> SpineRegion | None:
    """The part of a scan that can hold the bodies of its spine, and all that stands in the slices through them.

    :param detections: list of SliceDetections of a few slices.
    :param looked: their indices, shape (n,), rising, equally spaced.
    :param count: slices of the scan.
    :param pixelSize, sliceSpacing: mm.
    :param stride: pixels.
    :return: SpineRegion; None where no vertebral body was seen, so that it may be anywhere.
    """
    evidence = _bodyEvidence(detections)
    if not evidence.any():
        return None
    bodies = looked[evidence >= BODY_EVIDENCE * evidence.max()]
    # The outermost body may end just before the next slice looked at.
    reach = int(looked[1] - looked[0]) if len(looked) > 1 else int(np.ceil(FIRST_LOOK_MM / sliceSpacing))
    boxes = np.concatenate([found.bodyBoxes for found in detections] + [found.boxes for found in detections])
    scores = np.concatenate([found.bodyScores for found in detections]
                            + [found.scores.max(axis=1) for found in detections])
    rows, columns = _around(boxes[scores >= min(CLEAR_SCORE, scores.max())], pixelSize, stride)
    return SpineRegion(range(max(bodies[0] - reach, 0), min(bodies[-1] + reach + 1, count)), rows, columns)


def besideRegions(detections: Sequence[SliceDetections], seen: SpineRegion, count: int, pixelSize: float,
                  sliceSpacing: float, stride: int) -> list[SpineRegion]:
    """The parts of a scan that can hold the ends of its cervical vertebrae beside the bodies.

    :param detections: list of SliceDetections, one for each slice of ``seen``.
    :param seen: see ``bodyRegion``.
    :param count, pixelSize, sliceSpacing, stride: see there.
    :return: list of SpineRegion; where two hold a slice, it is to be looked at in the first.
    """
    reach = int(np.ceil(BEYOND_BODY_MM / sliceSpacing))
    most = range(max(seen.slices[0] - reach, 0), min(seen.slices[-1] + reach + 1, count))
    boxes = np.concatenate([found.boxes for found in detections])
    scores = np.concatenate([found.scores for found in detections])
    levels = np.where(scores.max(axis=1) >= CLEAR_SCORE, scores.argmax(axis=1), len(LEVELS))
    if not set(range(UPPER_LEVELS)) <= set(levels.tolist()):
        return [SpineRegion(most, seen.rows, seen.columns)]
    evidence = _bodyEvidence(detections)
    bodies = seen.slices[0] + np.flatnonzero(evidence >= BODY_EVIDENCE * evidence.max())
    slices = range(max(bodies[0] - reach, most.start), min(bodies[-1] + reach + 1, most.stop))
    # Further off, in a neck that leans to a side, is the atlas at most.
    return [SpineRegion(where, *map(_shared, _around(boxes[levels < lowest], pixelSize, stride),
                                    (seen.rows, seen.columns)))
            for where, lowest in ((slices, len(CERVICAL_LEVELS)), (most, 1))]


def _around(boxes: Array, pixelSize: float, stride: int) -> tuple[slice, slice]:
    """Rows and columns of all boxes, shape (n, 4), with a margin."""
    margin = MARGIN_MM / pixelSize
    low = np.floor((boxes[:, :2].min(axis=0) - margin) / stride).clip(0).astype(int) * stride
    high = np.ceil((boxes[:, 2:].max(axis=0) + margin) / stride).astype(int) * stride
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _shared(one: slice, other: slice) -> slice:
    return slice(max(one.start, other.start), min(one.stop, other.stop))
