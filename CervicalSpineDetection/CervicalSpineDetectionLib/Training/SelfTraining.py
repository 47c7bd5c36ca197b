"""Unlabelled CTs -> training slices: the fused, consistent chain is the teacher of the slice detector.

Pseudo-labels as in Lee 2013 (Pseudo-Label, ICML workshop), kept only where the whole chain of a scan is consistent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.Detection.Boxes3D import boundsOf, isComplete, pairBodies, vertebraeFrom
from CervicalSpineDetectionLib.Detection.Pipeline import chainOf, tracksOf
from CervicalSpineDetectionLib.Detection.Slices import windowed, withNeighbours
from CervicalSpineDetectionLib.Detection.Tracks import absorbParts, runningMedian
from CervicalSpineDetectionLib.Detection.Volume import correctHuOffset, resampleSagittal
from CervicalSpineDetectionLib.LabelMaps.SliceBoxes import BODY_CLASS

MINIMUM_LEVELS = 6
MINIMUM_CONFIDENCE = 0.8
MINIMUM_STRENGTH = 2.5  # summed class score of each vertebra
MAXIMUM_LEFT_OVER = 4.0  # the same for one that got no level
# Neighbouring bodies are 12 to 28 mm apart, and each distance is like the ones beside it.
DISTANCE_MM = (11.0, 29.0)
DISTANCE_CHANGE = 1.6
# The first body stands this far below the ring of C1.
RING_DISTANCE_MM = (8.0, 30.0)


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
    image, _ = correctHuOffset(image)
    volume = resampleSagittal(image, detector.pixelSize, detector.sliceSpacing)
    pictures = withNeighbours(windowed(volume, detector.window))
    tracks, bodies = tracksOf(detector.detect(pictures), volume)
    links = chainOf(tracks, volume)
    tracks, left = absorbParts(tracks, [link.track for link in links])
    vertebrae = vertebraeFrom(links, tracks, bodies, volume)
    reason = _inconsistency(links, tracks, left, vertebrae)
    if reason:
        return None, reason
    boxes = [[] for _ in pictures]
    for link in links:
        _addTrack(boxes, tracks[link.track], link.level)
    for body in pairBodies(links, tracks, bodies).values():
        _addTrack(boxes, body, BODY_CLASS)
    return TaughtScan(_blanked(pictures, links, tracks, volume), boxes, min(link.confidence for link in links)), ""


def _inconsistency(links, tracks, left, vertebrae):
    """Why a chain is not to be learned from, or nothing."""
    levels = [link.level for link in links]
    if len(levels) < MINIMUM_LEVELS:
        return "short chain"
    if len(vertebrae) != len(links):
        return "missed level"
    if max((track.evidence for track in left), default=0) > MAXIMUM_LEFT_OVER:
        return "vertebrae out of the chain"
    if min(link.confidence for link in links) < MINIMUM_CONFIDENCE:
        return "uncertain level"
    if min(tracks[link.track].evidence for link in links) < MINIMUM_STRENGTH:
        return "weak vertebra"
    centres = np.array([vertebra.centre for vertebra in vertebrae])
    distances = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    if levels[0] == 0:
        if not RING_DISTANCE_MM[0] < distances[0] < RING_DISTANCE_MM[1]:
            return "distance of C1 and C2"
        distances = distances[1:]
    if distances.min() < DISTANCE_MM[0] or distances.max() > DISTANCE_MM[1]:
        return "distance of bodies"
    change = distances[1:] / distances[:-1]
    if change.max() > DISTANCE_CHANGE or change.min() < 1 / DISTANCE_CHANGE:
        return "uneven distances"
    return ""


def _addTrack(boxes, track, kind):
    """Smoothed boxes of a track, gaps between its slices filled."""
    smooth = runningMedian(track.boxes)
    for index in range(track.slices[0], track.slices[-1] + 1):
        box = [np.interp(index, track.slices, smooth[:, edge]) for edge in range(4)]
        boxes[index].append((kind, *box))


def _blanked(pictures, links, tracks, volume):
    """Cut off what lies above and below the chain: vertebrae there have no boxes and would be learned as background."""
    pictures = pictures.copy()
    used = [tracks[link.track] for link in links]
    lowest = max(track.boxes[:, 3].max() for track in used)
    if isComplete(boundsOf(used[-1], volume), volume):
        pictures[:, :, int(lowest) + 3 :] = 0
    if links[0].level > 0:
        highest = min(track.boxes[:, 1].min() for track in used)
        pictures[:, :, : max(0, int(highest) - 3)] = 0
    return pictures
