"""2D boxes of neighbouring slices -> 3D tracks, one per vertebra (or vertebral body)."""

from __future__ import annotations

from dataclasses import dataclass

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

    @property
    def strengths(self):
        """Best class score of each slice, shape (n,)."""
        return self.scores.max(axis=1)

    @property
    def evidence(self):
        """Sum of the best class scores: how many clear sightings the track is worth."""
        return float(self.strengths.sum())

    def extent(self):
        """3D edges from robust statistics over the slices.

        The vertebra's edge is the outermost one of any slice, but an edge counts only if a second slice beside it
        agrees: extremes of the running median over three slices. Behind, where the tip of the spinous process may show
        in a single slice, one clear sighting will do.

        :return: (first, last), each shape (3,): continuous (slice, row, column) of the box faces.
        """
        sure = np.flatnonzero(self.strengths >= min(EDGE_SCORE, self.strengths.max()))
        inside = slice(sure[0], sure[-1] + 1)
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
        columns, rows = (self.boxes[near, i] + self.boxes[near, i + 2] - 1 for i in (0, 1))
        return np.array([position, np.median(rows) / 2, np.median(columns) / 2])


def linkTracks(boxesPerSlice, scoresPerSlice):
    """Join boxes over the slices.

    Each box goes to the open track it resembles most (overlap in height, weighted by agreement of the class scores;
    the depth of a vertebra changes much from slice to slice, its height little), best pairs first.

    :param boxesPerSlice: list of arrays (n, 4).
    :param scoresPerSlice: list of arrays (n, classes).
    :return: list of Track; one object can still be in several parts.
    """
    tracks = []  # each a list of (slice, box, scores)
    for index, (boxes, scores) in enumerate(zip(boxesPerSlice, scoresPerSlice, strict=True)):
        open_ = [track for track in tracks if index - track[-1][0] <= MAXIMUM_GAP]
        pairs = sorted(
            ((_similarity(track, box, score), t, b) for t, track in enumerate(open_)
             for b, (box, score) in enumerate(zip(boxes, scores, strict=True))),
            reverse=True,
        )
        usedTracks, usedBoxes = set(), set()
        for similarity, t, b in pairs:
            if similarity < MINIMUM_SIMILARITY:
                break
            if t in usedTracks or b in usedBoxes:
                continue
            usedTracks.add(t)
            usedBoxes.add(b)
            open_[t].append((index, boxes[b], scores[b]))
        tracks += [[(index, boxes[b], scores[b])] for b in range(len(boxes)) if b not in usedBoxes]
    return [Track(*(np.array(column) for column in zip(*track, strict=True))) for track in tracks]


def continuous(track):
    """The strongest part of a track that runs without a gap and without a jump from one slice to the next.

    Beside the atlas the skull base looks much like it; what was joined to a track there lies at another height. Jaw and
    hyoid, far to the side, lie before the vertebra that was seen in them.
    """
    columns, rows = track.boxes[:, [0, 2]], track.boxes[:, [1, 3]]
    jumps = [i for i in range(1, len(rows)) if track.slices[i] - track.slices[i - 1] > MAXIMUM_PART_GAP
             or min(_overlap(rows[i - 1], rows[i]), _overlap(columns[i - 1], columns[i])) < MINIMUM_CONTINUITY]
    starts, ends = [0, *jumps], [*jumps, len(rows)]
    parts = [Track(track.slices[a:b], track.boxes[a:b], track.scores[a:b]) for a, b in zip(starts, ends, strict=True)]
    return max(parts, key=lambda part: part.evidence)


def partLikeness(first, second):
    """0 to 1: agreement in height, where the two come nearest to each other, times agreement of the class scores."""
    shared, own, other = np.intersect1d(first.slices, second.slices, return_indices=True)
    if not len(shared):
        distances = np.abs(first.slices[:, None] - second.slices[None])
        own, other = (index[:1] for index in np.nonzero(distances == distances.min()))
    rows, otherRows = first.boxes[own][:, [1, 3]], second.boxes[other][:, [1, 3]]
    common = np.minimum(rows[:, 1], otherRows[:, 1]) - np.maximum(rows[:, 0], otherRows[:, 0])
    union = np.maximum(rows[:, 1], otherRows[:, 1]) - np.minimum(rows[:, 0], otherRows[:, 0])
    overlap = np.mean(np.maximum(common, 0) / union)
    return overlap * _alike(first.scores.sum(axis=0), second.scores.sum(axis=0))


def join(first, second):
    """Both tracks as one; where they share a slice the stronger box stays."""
    slices = np.concatenate([first.slices, second.slices])
    boxes = np.concatenate([first.boxes, second.boxes])
    scores = np.concatenate([first.scores, second.scores])
    order = np.lexsort((-scores.max(axis=1), slices))
    order = order[np.unique(slices[order], return_index=True)[1]]
    return Track(slices[order], boxes[order], scores[order])


def _similarity(track, box, scores):
    _, lastBox, lastScores = track[-1]
    if min(box[2], lastBox[2]) <= max(box[0], lastBox[0]):
        return 0.0
    return _overlap(box[[1, 3]], lastBox[[1, 3]]) * (0.4 + 0.6 * _alike(scores, lastScores))


def _overlap(first, second):
    """Intersection over union of two intervals."""
    shared = min(first[1], second[1]) - max(first[0], second[0])
    return max(0.0, shared) / (max(first[1], second[1]) - min(first[0], second[0]))


def _alike(first, second):
    """Cosine of two score vectors."""
    return float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second) + 1e-9))


def runningMedian(values):
    """Median over three rows beside each other, shape kept; the outermost rows are those of their neighbours."""
    padded = np.concatenate([values[1:2], values, values[-2:-1]]) if len(values) > 1 else np.repeat(values, 3, axis=0)
    return np.median([padded[:-2], padded[1:-1], padded[2:]], axis=0)
