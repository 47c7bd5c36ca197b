"""Unlabelled CTs -> training slices: the fused, consistent chain is the teacher of the slice detector.

Pseudo-labels as in Lee 2013 (Pseudo-Label, ICML workshop), kept only where the whole chain of a scan is consistent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Fusion.Fuse import FusionResult, fuse
from CervicalSpineDetectionLib.Fusion.Placement import NamedCandidate, boundsOf, isComplete
from CervicalSpineDetectionLib.Fusion.Settings import CLEAR_SCORE, SPINOUS_TIP_MM, agreeingSlices
from CervicalSpineDetectionLib.Fusion.SliceBoxes import toPixelEdges
from CervicalSpineDetectionLib.Fusion.Tracks import Track, runningMedian
from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume
from CervicalSpineDetectionLib.Pipeline import slicesFor
from CervicalSpineDetectionLib.SliceDetector.Detector import BELOW_CLASS, BODY_CLASS, SliceDetector
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import LEVELS
from CervicalSpineDetectionLib.Spine.Morphometry import usualDistance
from CervicalSpineDetectionLib.Truth.SliceBoxes import SliceBox

MINIMUM_LEVELS = 6
MINIMUM_CONFIDENCE = 0.6
MINIMUM_EVIDENCE_MM = 5.0  # of each vertebra
MAXIMUM_LEFT_OVER_MM = 12.0  # of one that got no level
# Of the usual distance to the vertebra above: 12 to 28 mm between bodies, and each like the one above. A bent neck
# brings the ring of C1 near to the axis' body.
NEAREST, FURTHEST, NEAREST_TO_RING = 0.6, 1.5, 0.35
DISTANCE_CHANGE = 1.6
BACK = 2  # of a box's edges, the last column


@dataclass(frozen=True)
class TaughtScan:
    """Pictures of one scan and the teacher's boxes.

    :param pictures: uint8, shape (slices, 3, rows, columns).
    :param boxes: one list a slice of (class, firstColumn, firstRow, lastColumn, lastRow).
    :param confidence: lowest confidence in the chain.
    """

    pictures: Array
    boxes: list[list[SliceBox]]
    confidence: float


def teach(image: sitk.Image, detector: SliceDetector) -> tuple[TaughtScan | None, str]:
    """Boxes for an unlabelled CT, if the whole chain found in it is consistent.

    :param image: sitk CT.
    :param detector: the teacher.
    :return: (TaughtScan or None, reason for None).
    """
    volume, pictures, _ = slicesFor(image, detector)
    fused = fuse(detector.detect(pictures), volume)
    if len(fused.vertebrae) != len(fused.links):
        return None, "missed level"
    count = _consistentPart(fused)
    if count < MINIMUM_LEVELS:
        return None, "short or inconsistent chain"
    links = fused.links[:count]
    lowest = _middleHeight(links[-1].candidate.track)
    if any(other.track.evidence > MAXIMUM_LEFT_OVER_MM and _middleHeight(other.track) < lowest
           for other in fused.leftOvers):
        return None, "vertebrae out of the chain"
    boxes: list[list[SliceBox]] = [[] for _ in pictures]
    # What lies below T4 is taught as such, where the chain reaches it without a gap.
    if count == len(fused.links) and links[-1].level == LEVELS[-1]:
        links = links + fused.lowerLinks
    for link in links:
        _addTrack(boxes, link.candidate.track, min(link.level.order, BELOW_CLASS), volume.pixelSize)
        if link.candidate.body is not None:
            _addTrack(boxes, link.candidate.body, BODY_CLASS, volume.pixelSize)
    return TaughtScan(_blanked(pictures, links, volume), boxes, min(link.confidence for link in links)), ""


def _consistentPart(fused: FusionResult) -> int:
    """How many vertebrae from the head down are to be learned from: each sure, clear, and at a fitting distance."""
    previous = None
    for index, (link, vertebra) in enumerate(zip(fused.links, fused.vertebrae, strict=True)):
        if link.confidence < MINIMUM_CONFIDENCE or link.candidate.track.evidence < MINIMUM_EVIDENCE_MM:
            return index
        if index:
            above = fused.vertebrae[index - 1]
            ring = above.level == "C1"
            distance = np.linalg.norm(vertebra.centre - above.centre)
            usual = usualDistance(above.level.order, vertebra.level.order)
            if not (NEAREST_TO_RING if ring else NEAREST) < distance / usual < FURTHEST:
                return index
            if previous and not 1 / DISTANCE_CHANGE < distance / usual / previous < DISTANCE_CHANGE:
                return index
            previous = None if ring else distance / usual
    return len(fused.links)


def _middleHeight(track: Track) -> float:
    """mm down the picture."""
    return float(np.median(track.boxes[:, [1, 3]]))


def _addTrack(boxes: list[list[SliceBox]], track: Track, kind: int, pixelSize: float) -> None:
    """Smoothed boxes of a track between its outermost clear sightings, gaps between its slices filled.

    Learned from faint sightings, a vertebra would grow wider with each round of self-training; learned from smoothed
    backs, its spinous process, whose tip may show in one slice only, would grow shorter.
    """
    inside = track.between(CLEAR_SCORE)
    slices, seen = track.slices[inside], track.boxes[inside]
    smooth = runningMedian(seen, agreeingSlices(track.sliceSpacing))
    smooth[:, BACK] = np.clip(seen[:, BACK], smooth[:, BACK] - SPINOUS_TIP_MM, smooth[:, BACK] + SPINOUS_TIP_MM)
    for index in range(slices[0], slices[-1] + 1):
        box = toPixelEdges(np.array([np.interp(index, slices, smooth[:, edge]) for edge in range(4)]), pixelSize)
        boxes[index].append((kind, *box))


def _blanked(pictures: Array, links: Sequence[NamedCandidate], volume: SagittalVolume) -> Array:
    """Cut off what lies above and below the chain: vertebrae there have no boxes and would be learned as background."""
    pictures = pictures.copy()
    used = [toPixelEdges(link.candidate.track.boxes, volume.pixelSize) for link in links]
    lowest = max(boxes[:, 3].max() for boxes in used)
    if isComplete(boundsOf(links[-1].candidate.track, volume), volume):
        pictures[:, :, int(lowest) + 3 :] = 0
    if links[0].level != "C1":
        highest = min(boxes[:, 1].min() for boxes in used)
        pictures[:, :, : max(0, int(highest) - 3)] = 0
    return pictures
