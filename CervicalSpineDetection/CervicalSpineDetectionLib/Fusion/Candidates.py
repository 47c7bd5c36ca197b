"""Tracks -> candidates: all that was seen of one vertebra, gathered around its body."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from CervicalSpineDetectionLib.Fusion.Tracks import Track, TrackGrid, continuous, join, linkTracks
from CervicalSpineDetectionLib.Spine.Levels import LEVELS

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
    parts = [continuous(body.track) for body in _merged(seen, len(detections))]
    bodies = TrackGrid([body for body in parts if len(body.slices) >= MINIMUM_BODY_SLICES], len(detections))
    # What looks most like a vertebra below the levels is none of them.
    named = [np.flatnonzero(d.scores.argmax(axis=1) < len(LEVELS)) for d in detections]
    tracks = linkTracks([d.boxes[kept] for d, kept in zip(detections, named, strict=True)],
                        [d.scores[kept, :len(LEVELS)] for d, kept in zip(detections, named, strict=True)])
    candidates = _merged([Candidate(track, _bodyOf(track, bodies)) for track in tracks], len(detections))
    return [candidate for candidate in candidates
            if len(candidate.track.slices) >= MINIMUM_SLICES and candidate.track.evidence >= MINIMUM_EVIDENCE]


def absorbParts(candidates, named):
    """Give the candidates that got no level to the named one they are part of, for its full extent.

    :param candidates: list of Candidate.
    :param named: indices of those that have a level.
    :return: (candidates, the named ones grown; list of those left over).
    """
    candidates = list(candidates)
    grid = TrackGrid([c.track for c in candidates], max((c.track.slices[-1] + 1 for c in candidates), default=0))
    left = []
    for index in sorted(set(range(len(candidates))) - set(named), key=lambda i: -candidates[i].track.evidence):
        likenesses = _likenesses(index, candidates, grid)
        likeness, best = max(((likenesses[i], i) for i in named), default=(0.0, -1))
        if likeness >= MINIMUM_ABSORBED_LIKENESS:
            candidates[best] = _joined(candidates[best], candidates[index])
            grid.put(best, candidates[best].track)
        else:
            left.append(candidates[index])
    for index in named:
        candidates[index] = replace(candidates[index], track=continuous(candidates[index].track))
    return candidates, left


def _merged(candidates, sliceCount):
    """Join those that are parts of one object, the most alike first.

    A vertebra can come apart where the picture changes fast from slice to slice (pedicle to facet), or be seen as two
    overlapping boxes for a while.
    """
    candidates = list(candidates)
    grid = TrackGrid([candidate.track for candidate in candidates], sliceCount)
    likeness = np.array([_likenesses(index, candidates, grid) for index in range(len(candidates))])
    gone = []
    while likeness.max(initial=0) >= MINIMUM_PART_LIKENESS:
        i, j = sorted(map(int, np.unravel_index(likeness.argmax(), likeness.shape)))
        candidates[i] = _joined(candidates[i], candidates[j])
        grid.put(i, candidates[i].track)
        gone.append(j)
        likeness[i] = likeness[:, i] = _likenesses(i, candidates, grid)
        likeness[gone] = likeness[:, gone] = 0
    return [candidate for index, candidate in enumerate(candidates) if index not in gone]


def _likenesses(index, candidates, grid):
    """0 to 1, of one candidate with each of the others. Those with one body are one vertebra, those with two are two.

    :param grid: TrackGrid of the candidates' tracks.
    """
    likenesses = grid.partLikeness(index)
    body = candidates[index].body
    for i, other in enumerate(candidates):
        if body is not None and other.body is not None:
            likenesses[i] = other.body is body
    likenesses[index] = 0
    return likenesses


def _joined(first, second):
    return replace(first, track=join(first.track, second.track), body=first.body or second.body)


def _bodyOf(track, bodies):
    """The body at the front of a track's boxes, or None.

    :param bodies: TrackGrid.
    """
    shared = bodies.gaps[:, track.slices] == 0
    met = np.flatnonzero(shared.any(axis=1))
    if not len(met):
        return None
    boxes = _medians(np.broadcast_to(track.boxes, (len(met), *track.boxes.shape)), shared[met])
    inner = _medians(bodies.boxes[met[:, None], track.slices], shared[met])
    evidence = np.array([bodies.tracks[i].evidence for i in met])
    distances = _bodyDistances(LEVELS[track.classScores.argmax()], boxes, inner, evidence)
    return bodies.tracks[met[distances.argmin()]] if distances.min() < MAXIMUM_BODY_DISTANCE else None


def _bodyDistances(level, boxes, bodies, evidence):
    """Pixels between bodies and where this vertebra's body is expected; more for those that are little seen.

    :param level: the vertebra's.
    :param boxes: shape (n, 4), its box in the slices where both it and the body are seen.
    :param bodies: shape (n, 4), boxes of the bodies.
    :param evidence: shape (n,), that of the bodies.
    :return: shape (n,).
    """
    heights = boxes[:, 3] - boxes[:, 1]
    front, top = np.abs(bodies[:, 0] - boxes[:, 0]), bodies[:, 1] - boxes[:, 1]
    weak = WEAK_BODY * np.maximum(1 - evidence / SURE_BODY_EVIDENCE, 0)
    if level == "C1":
        return weak + front + np.abs(bodies[:, 1::2].sum(axis=1) - boxes[:, 1::2].sum(axis=1)) / 2
    if level == "C2":
        # Where the field of view cuts off the dens, the body is at the top.
        beside = np.maximum.reduce([-top, top - AXIS_BODY_TOP * heights, np.zeros_like(top)])
        return weak + front + beside + BELOW_DENS * np.maximum(top, 0)
    return weak + 0.5 * front + np.abs(top - BODY_TOP)


def _medians(values, wanted):
    """Medians of the wanted rows of each table.

    :param values: shape (tables, rows, n).
    :param wanted: bool, shape (tables, rows), at least one of each table.
    :return: shape (tables, n).
    """
    ordered = np.sort(np.where(wanted[..., None], values, np.inf), axis=1)
    tables, count = np.arange(len(values)), wanted.sum(axis=1)
    return (ordered[tables, (count - 1) // 2] + ordered[tables, count // 2]) / 2
