"""2D boxes of neighbouring slices -> 3D tracks, one per vertebra (or vertebral body)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A vertebra may be missed in a few slices (6 mm) and is still the same one beyond.
MAXIMUM_GAP = 3
MINIMUM_SIMILARITY = 0.25
MINIMUM_SLICES = 3
MINIMUM_EVIDENCE = 0.8
# The outermost slices of a track count for its width only if the detector was this sure of them.
EDGE_SCORE = 0.12


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

        The vertebra's edge is the outermost one of any slice (the spinous process shows in few), but an edge counts
        only if a second slice beside it agrees: extremes of the running median over three slices.

        :return: (first, last), each shape (3,): continuous (slice, row, column) of the box faces.
        """
        sure = np.flatnonzero(self.strengths >= min(EDGE_SCORE, self.strengths.max()))
        inside = slice(sure[0], sure[-1] + 1)
        edges = runningMedian(self.boxes[inside])
        first = [self.slices[inside][0] - 0.5, edges[:, 1].min() - 0.5, edges[:, 0].min() - 0.5]
        last = [self.slices[inside][-1] + 0.5, edges[:, 3].max() - 0.5, edges[:, 2].max() - 0.5]
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
    :return: list of Track, without those too short or too weak to be a vertebra.
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
    joined = mergeParts([Track(*(np.array(column) for column in zip(*track, strict=True))) for track in tracks])
    return [t for t in joined if len(t.slices) >= MINIMUM_SLICES and t.evidence >= MINIMUM_EVIDENCE]


def mergeParts(tracks):
    """Join tracks that are parts of one object: same height and alike class scores, hardly a slice in common.

    The two sides of a vertebra can come apart where the middle was missed.
    """
    tracks = sorted(tracks, key=lambda track: -track.evidence)
    merged = []
    for track in tracks:
        for i, other in enumerate(merged):
            shared = np.intersect1d(track.slices, other.slices)
            if len(shared) > 0.25 * min(len(track.slices), len(other.slices)):
                continue
            if _overlap(_rows(track), _rows(other)) > 0.5 and _alike(
                track.scores.sum(axis=0), other.scores.sum(axis=0)) > 0.6:
                merged[i] = _join(other, track)
                break
        else:
            merged.append(track)
    return merged


def _join(first, second):
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


def _rows(track):
    return np.median(track.boxes[:, [1, 3]], axis=0)


def _overlap(first, second):
    """Intersection over union of two intervals."""
    shared = min(first[1], second[1]) - max(first[0], second[0])
    return max(0.0, shared) / (max(first[1], second[1]) - min(first[0], second[0]))


def _alike(first, second):
    """Cosine of two score vectors."""
    return float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second) + 1e-9))


def runningMedian(values):
    """Median over three rows beside each other, shape kept; the outermost rows repeat themselves."""
    padded = np.concatenate([values[:1], values, values[-1:]])
    return np.median([padded[:-2], padded[1:-1], padded[2:]], axis=0)
