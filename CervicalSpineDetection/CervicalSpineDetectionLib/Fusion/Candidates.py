"""Tracks -> candidates: all that was seen of one vertebra, gathered around its body."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from CervicalSpineDetectionLib.Fusion import Settings
from CervicalSpineDetectionLib.Fusion.SliceBoxes import SliceBoxes
from CervicalSpineDetectionLib.Fusion.Tracks import Track, TrackGrid, continuous, join, linkTracks
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS, Level


@dataclass(frozen=True, eq=False)
class Candidate:
    """What may be one vertebra.

    :param track: its boxes.
    :param body: track of its body, or None where none was seen.
    """

    track: Track
    body: Track | None

    @property
    def likelyLevel(self) -> Level:
        """What the network mostly took it for."""
        return likelyLevelOf(self.track)


def likelyLevelOf(track: Track) -> Level:
    """The level that the network mostly took a track for; T5 for all below T4."""
    return SPINE_LEVELS[track.classScores.argmax()]


def candidatesOf(slices: Sequence[SliceBoxes], sliceSpacing: float) -> list[Candidate]:
    """Gather the boxes of all slices.

    :param slices: one SliceBoxes a slice.
    :param sliceSpacing: mm.
    :return: list of Candidate; each body belongs to one at most.
    """
    seen = [Candidate(track, None) for track in linkTracks(
        [found.bodyBoxes for found in slices], [found.bodyScores[:, None] for found in slices], sliceSpacing)]
    parts = [continuous(body.track) for body in _merged(seen, len(slices))]
    bodies = TrackGrid([body for body in parts if body.width >= Settings.MINIMUM_BODY_WIDTH_MM], len(slices))
    tracks = linkTracks([found.boxes for found in slices], [found.scores for found in slices], sliceSpacing)
    candidates = _merged([Candidate(track, _bodyOf(track, bodies)) for track in tracks], len(slices))
    return [candidate for candidate in candidates if candidate.track.width >= Settings.MINIMUM_WIDTH_MM
            and candidate.track.evidence >= Settings.MINIMUM_EVIDENCE_MM]


def absorbParts(named: Sequence[Candidate], others: Sequence[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """Give the candidates that got no level to the named one they are part of, for its full extent.

    :param named: those that have a level, in cranio-caudal order.
    :param others: those that have none.
    :return: (the named ones, grown; those left over).
    """
    candidates = [*named, *others]
    grid = TrackGrid([c.track for c in candidates], max((c.track.slices[-1] + 1 for c in candidates), default=0))
    left = []
    for index in sorted(range(len(named), len(candidates)), key=lambda i: -candidates[i].track.evidence):
        likenesses = _likenesses(index, candidates, grid)
        likeness, best = max(((likenesses[i], i) for i in range(len(named))), default=(0.0, -1))
        if likeness >= Settings.MINIMUM_ABSORBED_LIKENESS:
            candidates[best] = _joined(candidates[best], candidates[index])
            grid.put(best, candidates[best].track)
        else:
            left.append(candidates[index])
    return [replace(candidate, track=continuous(candidate.track)) for candidate in candidates[:len(named)]], left


def _merged(candidates: Iterable[Candidate], sliceCount: int) -> list[Candidate]:
    """Join those that are parts of one object, the most alike first.

    A vertebra can come apart where the picture changes fast from slice to slice (pedicle to facet), or be seen as two
    overlapping boxes for a while.
    """
    candidates = list(candidates)
    grid = TrackGrid([candidate.track for candidate in candidates], sliceCount)
    likeness = np.array([_likenesses(index, candidates, grid) for index in range(len(candidates))])
    gone: list[int] = []
    while likeness.max(initial=0) >= Settings.MINIMUM_PART_LIKENESS:
        i, j = sorted(map(int, np.unravel_index(likeness.argmax(), likeness.shape)))
        candidates[i] = _joined(candidates[i], candidates[j])
        grid.put(i, candidates[i].track)
        gone.append(j)
        likeness[i] = likeness[:, i] = _likenesses(i, candidates, grid)
        likeness[gone] = likeness[:, gone] = 0
    return [candidate for index, candidate in enumerate(candidates) if index not in gone]


def _likenesses(index: int, candidates: Sequence[Candidate], grid: TrackGrid) -> Array:
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


def _joined(first: Candidate, second: Candidate) -> Candidate:
    return replace(first, track=join(first.track, second.track), body=first.body or second.body)


def _bodyOf(track: Track, bodies: TrackGrid) -> Track | None:
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
    distances = _bodyDistances(likelyLevelOf(track), boxes, inner, evidence)
    return bodies.tracks[met[distances.argmin()]] if distances.min() < Settings.MAXIMUM_BODY_DISTANCE_MM else None


def _bodyDistances(level: Level, boxes: Array, bodies: Array, evidence: Array) -> Array:
    """mm between bodies and where this vertebra's body is expected; more for those that are little seen.

    :param level: the vertebra's.
    :param boxes: shape (n, 4), its box in the slices where both it and the body are seen.
    :param bodies: shape (n, 4), boxes of the bodies.
    :param evidence: shape (n,), that of the bodies.
    :return: shape (n,).
    """
    heights = boxes[:, 3] - boxes[:, 1]
    front, top = np.abs(bodies[:, 0] - boxes[:, 0]), bodies[:, 1] - boxes[:, 1]
    weak = Settings.WEAK_BODY_MM * np.maximum(1 - evidence / Settings.SURE_BODY_EVIDENCE_MM, 0)
    if level == "C1":
        # Its anterior arch, at half its height.
        return np.asarray(weak + front + np.abs(bodies[:, 1::2].sum(axis=1) - boxes[:, 1::2].sum(axis=1)) / 2)
    if level == "C2":
        # Where the field of view cuts off the dens, the body is at the top.
        beside = np.maximum.reduce([-top, top - Settings.AXIS_BODY_TOP * heights, np.zeros_like(top)])
        return np.asarray(weak + front + beside + Settings.BELOW_DENS * np.maximum(top, 0))
    return np.asarray(weak + Settings.BODY_FRONT_SHARE * front + np.abs(top - Settings.BODY_TOP_MM))


def _medians(values: Array, wanted: Array) -> Array:
    """Medians of the wanted rows of each table.

    :param values: shape (tables, rows, n).
    :param wanted: bool, shape (tables, rows), at least one of each table.
    :return: shape (tables, n).
    """
    ordered = np.sort(np.where(wanted[..., None], values, np.inf), axis=1)
    tables, count = np.arange(len(values)), wanted.sum(axis=1)
    return np.asarray((ordered[tables, (count - 1) // 2] + ordered[tables, count // 2]) / 2)
