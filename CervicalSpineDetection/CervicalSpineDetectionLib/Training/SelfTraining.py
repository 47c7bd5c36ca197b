"""Unlabelled CTs -> training slices: the fused, consistent chain is the teacher of the slice detector.

Pseudo-labels as in Lee 2013 (Pseudo-Label, ICML workshop), kept only where the whole chain of a scan is consistent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.Fusion.Candidates import absorbParts, candidatesOf
from CervicalSpineDetectionLib.Fusion.Placement import boundsOf, isComplete, vertebraeFrom
from CervicalSpineDetectionLib.Fusion.Tracks import CLEAR_SCORE, SPINOUS_TIP, runningMedian
from CervicalSpineDetectionLib.Pipeline import chainOf, slicesFor
from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS

MINIMUM_LEVELS = 6
MINIMUM_CONFIDENCE = 0.6
MINIMUM_STRENGTH = 2.5  # summed class score of each vertebra
MAXIMUM_LEFT_OVER = 6.0  # the same for one that got no level
# Neighbouring bodies are 12 to 28 mm apart, and each distance is like the ones beside it.
DISTANCE_MM = (11.0, 29.0)
DISTANCE_CHANGE = 1.6
# The first body stands this far below the ring of C1.
RING_DISTANCE_MM = (8.0, 30.0)
BACK = 2  # of a box's edges, the last column


@dataclass(frozen=True)
class TaughtScan:
    """Pictures of one scan and the teacher's boxes.

    :param pictures: uint8, shape (slices, 3, rows, columns).
    :param boxes: one list a slice of (class, firstColumn, firstRow, lastColumn, lastRow).
    :param confidence: lowest confidence in the chain.
    """

    pictures: np.ndarray
    boxes: list
    confidence: float


def teach(image, detector):
    """Boxes for an unlabelled CT, if the whole chain found in it is consistent.

    :param image: sitk CT.
    :param detector: the teacher.
    :return: (TaughtScan or None, reason for None).
    """
    volume, pictures, _ = slicesFor(image, detector)
    candidates, links = chainOf(candidatesOf(detector.detect(pictures)), volume)
    candidates, left = absorbParts(candidates, [link.candidate for link in links])
    vertebrae = vertebraeFrom(links, candidates, volume)
    if len(vertebrae) != len(links):
        return None, "missed level"
    named = [candidates[link.candidate] for link in links]
    count = _consistentPart(links, named, vertebrae)
    if count < MINIMUM_LEVELS:
        return None, "short or inconsistent chain"
    links, named = links[:count], named[:count]
    lowest = _middleRow(named[-1].track)
    if any(other.track.evidence > MAXIMUM_LEFT_OVER and _middleRow(other.track) < lowest for other in left):
        return None, "vertebrae out of the chain"
    boxes = [[] for _ in pictures]
    for link, candidate in zip(links, named, strict=True):
        _addTrack(boxes, candidate.track, link.level)
        if candidate.body is not None:
            _addTrack(boxes, candidate.body, BODY_CLASS)
    return TaughtScan(_blanked(pictures, links, named, volume), boxes, min(link.confidence for link in links)), ""


def _consistentPart(links, candidates, vertebrae):
    """How many vertebrae from the head down are to be learned from: each sure, clear, and at a fitting distance."""
    previous = None
    for index, (link, candidate, vertebra) in enumerate(zip(links, candidates, vertebrae, strict=True)):
        if link.confidence < MINIMUM_CONFIDENCE or candidate.track.evidence < MINIMUM_STRENGTH:
            return index
        if index:
            distance = np.linalg.norm(vertebra.centre - vertebrae[index - 1].centre)
            lower, upper = RING_DISTANCE_MM if links[index - 1].level == 0 else DISTANCE_MM
            if not lower < distance < upper:
                return index
            if previous and not 1 / DISTANCE_CHANGE < distance / previous < DISTANCE_CHANGE:
                return index
            previous = distance if links[index - 1].level else None
    return len(links)


def _middleRow(track):
    return float(np.median(track.boxes[:, [1, 3]]))


def _addTrack(boxes, track, kind):
    """Smoothed boxes of a track between its outermost clear sightings, gaps between its slices filled.

    Learned from faint sightings, a vertebra would grow wider with each round of self-training; learned from smoothed
    backs, its spinous process, whose tip may show in one slice only, would grow shorter.
    """
    inside = track.between(CLEAR_SCORE)
    slices, seen = track.slices[inside], track.boxes[inside]
    smooth = runningMedian(seen)
    smooth[:, BACK] = np.clip(seen[:, BACK], smooth[:, BACK] - SPINOUS_TIP, smooth[:, BACK] + SPINOUS_TIP)
    for index in range(slices[0], slices[-1] + 1):
        box = [np.interp(index, slices, smooth[:, edge]) for edge in range(4)]
        boxes[index].append((kind, *box))


def _blanked(pictures, links, candidates, volume):
    """Cut off what lies above and below the chain: vertebrae there have no boxes and would be learned as background."""
    pictures = pictures.copy()
    used = [candidate.track for candidate in candidates]
    lowest = max(track.boxes[:, 3].max() for track in used)
    if isComplete(boundsOf(used[-1], volume), volume):
        pictures[:, :, int(lowest) + 3 :] = 0
    if links[0].level > 0:
        highest = min(track.boxes[:, 1].min() for track in used)
        pictures[:, :, : max(0, int(highest) - 3)] = 0
    return pictures
