"""2D boxes of neighbouring slices -> 3D tracks, one per vertebra (or vertebral body)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

# A vertebra may be missed in a few slices (6 mm) and is still the same one beyond.
MAXIMUM_GAP = 3
# The parts of one vertebra, once it is settled which one it is, are no further apart (10 mm).
MAXIMUM_PART_GAP = 5
MINIMUM_SIMILARITY = 0.35
MINIMUM_CONTINUITY = 0.15
# The outermost slices of a track count for its width only if the detector was this sure of them.
EDGE_SCORE = 0.12
CLEAR_SCORE = 0.3
SPINOUS_TIP = 6  # pixels; what stands out further in one slice only is a slip


@dataclass(frozen=True)
class Track:
    """Boxes of one object over the slices.

    :param slices: shape (n,), rising slice indices.
    :param boxes: shape (n, 4), pixel edges (firstColumn, firstRow, lastColumn, lastRow).
    :param scores: shape (n, classes).
    """

    slices: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray

    @cached_property
    def strengths(self):
        """Best class score of each slice, shape (n,)."""
        return self.scores.max(axis=1)

    @cached_property
    def evidence(self):
        """Sum of the best class scores: how many clear sightings the track is worth."""
        return float(self.strengths.sum())

    @cached_property
    def classScores(self):
        """Sum of the scores over the slices, shape (classes,)."""
        return self.scores.sum(axis=0)

    def between(self, score):
        """The part between the outermost slices that it was seen in with this score, as a slice of its arrays."""
        sure = np.flatnonzero(self.strengths >= min(score, self.strengths.max()))
        return slice(sure[0], sure[-1] + 1)

    def extent(self):
        """3D edges from robust statistics over the slices.

        The vertebra's edge is the outermost one of any slice, but an edge counts only if a second slice beside it
        agrees: extremes of the running median over three slices. Behind, where the tip of the spinous process may show
        in a single slice, one clear sighting will do.

        :return: (first, last), each shape (3,): continuous (slice, row, column) of the box faces.
        """
        inside = self.between(EDGE_SCORE)
        edges = runningMedian(self.boxes[inside])
        clear = self.strengths[inside] >= min(CLEAR_SCORE, self.strengths.max())
        agreed = edges[:, 2].max()
        backs = self.boxes[inside][clear, 2]
        back = max(backs[backs <= agreed + SPINOUS_TIP].max(initial=0), agreed)
        first = [self.slices[inside][0] - 0.5, edges[:, 1].min() - 0.5, edges[:, 0].min() - 0.5]
        last = [self.slices[inside][-1] + 0.5, edges[:, 3].max() - 0.5, back - 0.5]
        return np.array(first), np.array(last)

    def middle(self, halfWidth):
        """Robust centre of the boxes near the track's middle slice.

        :param halfWidth: slices to each side of the middle.
        :return: shape (3,), continuous (slice, row, column).
        """
        position = float(np.average(self.slices, weights=self.strengths))
        near = np.abs(self.slices - position) <= halfWidth
        near = near if near.any() else np.ones(len(self.slices), bool)
        column, row = np.median(self.boxes[near, :2] + self.boxes[near, 2:] - 1, axis=0) / 2
        return np.array([position, row, column])


class TrackGrid:
    """Tracks side by side over the same slices, to compare one with all of them at once.

    ``boxes``, shape (tracks, slices, 4), holds a box for every slice: where a track was not seen, that of the nearest
    slice where it was; ``gaps``, shape (tracks, slices), tells how many slices away that is.

    :param tracks: list of Track.
    :param sliceCount: slices of the volume.
    """

    def __init__(self, tracks, sliceCount):
        self.tracks = list(tracks)
        self.boxes = np.empty((len(self.tracks), sliceCount, 4))
        self.gaps = np.empty((len(self.tracks), sliceCount), int)
        for index, track in enumerate(self.tracks):
            self.put(index, track)

    def put(self, index, track):
        """Have another track in the place of one."""
        gaps = np.abs(np.arange(self.gaps.shape[1])[:, None] - track.slices)
        self.tracks[index] = track
        self.boxes[index] = track.boxes[gaps.argmin(axis=1)]
        self.gaps[index] = gaps.min(axis=1)

    def partLikeness(self, index):
        """How much one track and each of all are parts of one object, 0 to 1, shape (tracks,).

        Agreement in height, where the two come nearest to each other, times agreement of the class scores.
        """
        seen = self.gaps == 0
        compared = seen & seen[index]
        # With those it shares no slice with, in the slice where the other is nearest.
        apart = np.flatnonzero(~compared.any(axis=1))
        compared[apart, np.where(seen[index], self.gaps[apart], np.inf).argmin(axis=1)] = True
        heights = self.boxes[..., 1::2]
        overlap = np.where(compared, _overlap(heights, heights[index]), 0).sum(axis=1) / compared.sum(axis=1)
        scores = np.array([track.classScores for track in self.tracks])
        return overlap * _alike(scores, scores[index])


def linkTracks(boxesPerSlice, scoresPerSlice):
    """Join boxes over the slices.

    Each box goes to the open track it resembles most (overlap in height, weighted by agreement of the class scores;
    the depth of a vertebra changes much from slice to slice, its height little), best pairs first.

    :param boxesPerSlice: list of arrays (n, 4).
    :param scoresPerSlice: list of arrays (n, classes).
    :return: list of Track; one object can still be in several parts.
    """
    counts = [len(boxes) for boxes in boxesPerSlice]
    ends = np.cumsum(counts)
    slices = np.repeat(np.arange(len(counts)), counts)
    boxes, scores = np.concatenate(boxesPerSlice), np.concatenate(scoresPerSlice)
    similarity = _similarities(slices, boxes, scores)
    tracks = []  # each a list of indices of boxes
    for start, end in zip(ends - counts, ends, strict=True):
        found = similarity[[track[-1] for track in tracks], start:end]
        pairs = [(found[t, b], t, start + b) for t, b in np.argwhere(found >= MINIMUM_SIMILARITY)]
        grown, used = set(), set()
        for _, t, box in sorted(pairs, reverse=True):
            if t not in grown and box not in used:
                grown.add(t)
                used.add(box)
                tracks[t].append(box)
        tracks += [[box] for box in range(start, end) if box not in used]
    return [Track(slices[track], boxes[track], scores[track]) for track in tracks]


def continuous(track):
    """The strongest part of a track that runs without a gap and without a jump from one slice to the next.

    Beside the atlas the skull base looks much like it; what was joined to a track there lies at another height. Jaw and
    hyoid, far to the side, lie before the vertebra that was seen in them.
    """
    columns, rows = track.boxes[:, 0::2], track.boxes[:, 1::2]
    continuity = np.minimum(_overlap(rows[:-1], rows[1:]), _overlap(columns[:-1], columns[1:]))
    jumps = np.flatnonzero((np.diff(track.slices) > MAXIMUM_PART_GAP) | (continuity < MINIMUM_CONTINUITY)) + 1
    starts, ends = [0, *jumps], [*jumps, len(rows)]
    parts = [Track(track.slices[a:b], track.boxes[a:b], track.scores[a:b]) for a, b in zip(starts, ends, strict=True)]
    return max(parts, key=lambda part: part.evidence)


def join(first, second):
    """Both tracks as one; where they share a slice the stronger box stays."""
    slices = np.concatenate([first.slices, second.slices])
    boxes = np.concatenate([first.boxes, second.boxes])
    scores = np.concatenate([first.scores, second.scores])
    order = np.lexsort((-np.concatenate([first.strengths, second.strengths]), slices))
    order = order[np.diff(slices[order], prepend=-1) > 0]
    return Track(slices[order], boxes[order], scores[order])


def _similarities(slices, boxes, scores):
    """How much each box (first axis) resembles each of the next few slices (second axis), shape (n, n).

    0 where one lies wholly before the other, and for all other slices.
    """
    steps = slices[None] - slices[:, None]
    first, second = np.nonzero((steps > 0) & (steps <= MAXIMUM_GAP))
    one, other = boxes[first], boxes[second]
    meet = np.minimum(one[:, 2], other[:, 2]) > np.maximum(one[:, 0], other[:, 0])
    similarity = np.zeros(steps.shape, boxes.dtype)
    similarity[first, second] = meet * _overlap(one[:, 1::2], other[:, 1::2]) * (
        0.4 + 0.6 * _alike(scores[first], scores[second]))
    return similarity


def _overlap(first, second):
    """Intersection over union of intervals, shape (..., 2)."""
    shared = np.minimum(first[..., 1], second[..., 1]) - np.maximum(first[..., 0], second[..., 0])
    union = np.maximum(first[..., 1], second[..., 1]) - np.minimum(first[..., 0], second[..., 0])
    return np.maximum(shared, 0) / union


def _alike(first, second):
    """Cosine of score vectors, shape (..., classes)."""
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return (first * second).sum(axis=-1) / (lengths + 1e-9)


def runningMedian(values):
    """Median over three rows beside each other, shape kept; the outermost rows are those of their neighbours."""
    padded = np.concatenate([values[1:2], values, values[-2:-1]]) if len(values) > 1 else np.repeat(values, 3, axis=0)
    return np.sort([padded[:-2], padded[1:-1], padded[2:]], axis=0)[1]
