"""Tracks -> candidates: all that was seen of one vertebra, gathered around its body."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from CervicalSpineDetectionLib.Detection.Anatomy import LEVELS
from CervicalSpineDetectionLib.Detection.Tracks import Track, continuous, join, linkTracks, partLikeness

MINIMUM_PART_LIKENESS = 0.4
MINIMUM_ABSORBED_LIKENESS = 0.3
MINIMUM_SLICES = 3
MINIMUM_EVIDENCE = 0.8
MINIMUM_BODY_SLICES = 2
# A body lies at the upper front corner of its vertebra's box, a little lower where the neck is bent forward. Bodies
# are at least 14 mm apart, so this tells neighbours apart (mm).
BODY_TOP = 3.0
MAXIMUM_BODY_DISTANCE = 12.0
# A body seen in a slice or two may be a phantasm between two true ones.
WEAK_BODY, SURE_BODY_EVIDENCE = 6.0, 3.0
# The atlas' is its anterior arch, at half its height. The axis' body hangs below its dens, this part of the box down
# (see ``SliceBoxes.AXIS_BODY_FRACTION``).
AXIS_BODY_TOP = 0.4
BELOW_DENS = 0.1  # of two that fit, the upper one is the axis'


@dataclass(frozen=True)
class Candidate:
    """What may be one vertebra.

    :param track: its boxes.
    :param body: track of its body, or None where none was seen.
    """

    track: Track
    body: Track | None


def candidatesOf(detections):
    """Gather the boxes of all slices.

    :param detections: list of SliceDetections, one a slice.
    :return: list of Candidate; each body belongs to one at most.
    """
    seen = [Candidate(track, None) for track in linkTracks(
        [d.bodyBoxes for d in detections], [d.bodyScores[:, None] for d in detections])]
    bodies = [continuous(body.track) for body in _merged(seen)]
    bodies = [body for body in bodies if len(body.slices) >= MINIMUM_BODY_SLICES]
    tracks = linkTracks([d.boxes for d in detections], [d.scores for d in detections])
    return [candidate for candidate in _merged([Candidate(track, _bodyOf(track, bodies)) for track in tracks])
            if len(candidate.track.slices) >= MINIMUM_SLICES and candidate.track.evidence >= MINIMUM_EVIDENCE]


def absorbParts(candidates, named):
    """Give the candidates that got no level to the named one they are part of, for its full extent.

    :param candidates: list of Candidate.
    :param named: indices of those that have a level.
    :return: (candidates, the named ones grown; list of those left over).
    """
    candidates = list(candidates)
    left = []
    for index in sorted(set(range(len(candidates))) - set(named), key=lambda i: -candidates[i].track.evidence):
        likeness, best = max(((_likeness(candidates[index], candidates[i]), i) for i in named), default=(0.0, -1))
        if likeness >= MINIMUM_ABSORBED_LIKENESS:
            candidates[best] = _joined(candidates[best], candidates[index])
        else:
            left.append(candidates[index])
    for index in named:
        candidates[index] = replace(candidates[index], track=continuous(candidates[index].track))
    return candidates, left


def _merged(candidates):
    """Join those that are parts of one object, the most alike first.

    A vertebra can come apart where the picture changes fast from slice to slice (pedicle to facet), or be seen as two
    overlapping boxes for a while.
    """
    candidates = list(candidates)
    count = len(candidates)
    likeness = np.zeros((count, count))
    for i in range(count):
        for j in range(i + 1, count):
            likeness[i, j] = _likeness(candidates[i], candidates[j])
    gone = set()
    while count > 1 and likeness.max() >= MINIMUM_PART_LIKENESS:
        i, j = map(int, np.unravel_index(likeness.argmax(), likeness.shape))
        candidates[i] = _joined(candidates[i], candidates[j])
        gone.add(j)
        likeness[j] = likeness[:, j] = 0
        for k in set(range(count)) - gone - {i}:
            likeness[min(i, k), max(i, k)] = _likeness(candidates[i], candidates[k])
    return [candidate for index, candidate in enumerate(candidates) if index not in gone]


def _likeness(first, second):
    """0 to 1. Those with one body are one vertebra, those with two are two."""
    if first.body is not None and second.body is not None:
        return float(first.body is second.body)
    return partLikeness(first.track, second.track)


def _joined(first, second):
    return replace(first, track=join(first.track, second.track), body=first.body or second.body)


def _bodyOf(track, bodies):
    """The body at the front of a track's boxes, or None."""
    level = LEVELS[track.scores.sum(axis=0).argmax()]
    distances = [_bodyDistance(track, level, body) for body in bodies]
    return bodies[int(np.argmin(distances))] if min(distances, default=np.inf) < MAXIMUM_BODY_DISTANCE else None


def _bodyDistance(track, level, body):
    """Pixels between a body and where this vertebra's body is expected, in the slices both are seen in; more for one
    that is little seen."""
    _, own, other = np.intersect1d(track.slices, body.slices, return_indices=True)
    if not len(own):
        return np.inf
    box, inner = np.median(track.boxes[own], axis=0), np.median(body.boxes[other], axis=0)
    front, top = abs(inner[0] - box[0]), inner[1] - box[1]
    weak = WEAK_BODY * max(0.0, 1 - body.evidence / SURE_BODY_EVIDENCE)
    if level == "C1":
        return weak + front + abs(inner[1] + inner[3] - box[1] - box[3]) / 2
    if level == "C2":
        # Where the field of view cuts off the dens, the body is at the top.
        return weak + front + max(-top, top - AXIS_BODY_TOP * (box[3] - box[1]), 0) + BELOW_DENS * max(top, 0)
    return weak + 0.5 * front + abs(top - BODY_TOP)
