"""2D boxes of neighbouring slices -> 3D tracks, one per vertebra (or vertebral body)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from CervicalSpineDetectionLib.Fusion import Settings
from CervicalSpineDetectionLib.Spine.Arrays import Array


@dataclass(frozen=True, eq=False)
class Track:
    """Boxes of one object over the slices.

    :param slices: shape (n,), rising slice indices.
    :param boxes: shape (n, 4), (front, top, back, bottom) in mm, see ``SliceBoxes``.
    :param scores: shape (n, classes).
    :param sliceSpacing: mm between slices.
    :param sides: shape (2,), where it begins and ends across the slices, mm from the middle of the volume's first
        slice; None: at the outermost slices that it was clearly seen in.
    """

    slices: Array
    boxes: Array
    scores: Array
    sliceSpacing: float
    sides: Array | None = None

    @cached_property
    def strengths(self) -> Array:
        """Best class score of each slice, shape (n,)."""
        return np.asarray(self.scores.max(axis=1))

    @cached_property
    def evidence(self) -> float:
        """How much was clearly seen of it, in mm: the sum of the best class scores times the slices' distance."""
        return float(self.strengths.sum()) * self.sliceSpacing

    @cached_property
    def width(self) -> float:
        """How much was seen of it at all, in mm across the slices."""
        return len(self.slices) * self.sliceSpacing

    @cached_property
    def classScores(self) -> Array:
        """Sum of the scores over the slices, shape (classes,)."""
        return np.asarray(self.scores.sum(axis=0))

    def part(self, chosen: slice | Array) -> Track:
        """The same with a part of its slices. :param chosen: what an array is indexed by."""
        return replace(self, slices=self.slices[chosen], boxes=self.boxes[chosen], scores=self.scores[chosen])

    def between(self, score: float) -> slice:
        """The part between the outermost slices that it was seen in with this score, as a slice of its arrays."""
        sure = np.flatnonzero(self.strengths >= min(score, self.strengths.max()))
        return slice(int(sure[0]), int(sure[-1]) + 1)

    def extent(self) -> tuple[Array, Array]:
        """3D edges from robust statistics over the slices.

        The vertebra's edge is the outermost one of any slice, but an edge counts only if the slices beside it agree:
        extremes of the running median. Behind, where the tip of the spinous process may show in a single slice, one
        clear sighting will do.

        :return: (first, last), each shape (3,): mm across slices, rows and columns from the middle of the volume's
            first voxel to the box faces.
        """
        inside = self.part(self.between(Settings.EDGE_SCORE))
        edges = runningMedian(inside.boxes, Settings.agreeingSlices(self.sliceSpacing))
        clear = inside.strengths >= min(Settings.CLEAR_SCORE, self.strengths.max())
        agreed = edges[:, 2].max()
        backs = inside.boxes[clear, 2]
        back = max(backs[backs <= agreed + Settings.SPINOUS_TIP_MM].max(initial=0), agreed)
        xs = self.sides
        if xs is None:
            xs = (inside.slices[[0, -1]] + np.array([-0.5, 0.5])) * self.sliceSpacing
        return np.array([xs[0], edges[:, 1].min(), edges[:, 0].min()]), np.array([xs[1], edges[:, 3].max(), back])

    def near(self, x: float, halfWidth: float) -> Array:
        """Which slices lie near to a place, shape (n,), bool; all where none does. :param x, halfWidth: mm."""
        near = np.abs(self.slices * self.sliceSpacing - x) <= halfWidth
        return near if near.any() else np.ones(len(self.slices), bool)

    def middle(self, halfWidth: float) -> Array:
        """Robust centre of the boxes near the track's middle slice.

        :param halfWidth: mm to each side of the middle.
        :return: shape (3,), mm, as in ``extent``.
        """
        x = float(np.average(self.slices * self.sliceSpacing, weights=self.strengths))
        near = self.near(x, halfWidth)
        column, row = np.median(self.boxes[near, :2] + self.boxes[near, 2:], axis=0) / 2
        return np.array([x, row, column])


class TrackGrid:
    """Tracks side by side over the same slices, to compare one with all of them at once.

    ``boxes``, shape (tracks, slices, 4), holds a box for every slice: where a track was not seen, that of the nearest
    slice where it was; ``gaps``, shape (tracks, slices), tells how many slices away that is.

    :param tracks: Tracks.
    :param sliceCount: slices of the volume.
    """

    def __init__(self, tracks: Iterable[Track], sliceCount: int) -> None:
        self.tracks = list(tracks)
        self.boxes = np.empty((len(self.tracks), sliceCount, 4))
        self.gaps = np.empty((len(self.tracks), sliceCount), int)
        for index, track in enumerate(self.tracks):
            self.put(index, track)

    def put(self, index: int, track: Track) -> None:
        """Have another track in the place of one."""
        gaps = np.abs(np.arange(self.gaps.shape[1])[:, None] - track.slices)
        self.tracks[index] = track
        self.boxes[index] = track.boxes[gaps.argmin(axis=1)]
        self.gaps[index] = gaps.min(axis=1)

    def partLikeness(self, index: int) -> Array:
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
        return np.asarray(overlap * _alike(scores, scores[index]))


def linkTracks(boxesPerSlice: Sequence[Array], scoresPerSlice: Sequence[Array], sliceSpacing: float) -> list[Track]:
    """Join boxes over the slices.

    Each box goes to the open track it resembles most (overlap in height, weighted by agreement of the class scores;
    the depth of a vertebra changes much from slice to slice, its height little), best pairs first.

    :param boxesPerSlice: arrays (n, 4), mm.
    :param scoresPerSlice: arrays (n, classes).
    :param sliceSpacing: mm.
    :return: list of Track; one object can still be in several parts.
    """
    counts = [len(boxes) for boxes in boxesPerSlice]
    ends = np.cumsum(counts)
    slices = np.repeat(np.arange(len(counts)), counts)
    boxes, scores = np.concatenate(boxesPerSlice), np.concatenate(scoresPerSlice)
    similarity = _similarities(slices, boxes, scores, sliceSpacing)
    tracks: list[list[int]] = []  # of indices of boxes
    for start, end in zip(ends - counts, ends, strict=True):
        found = similarity[[track[-1] for track in tracks], start:end]
        pairs = [(found[t, b], t, start + b) for t, b in np.argwhere(found >= Settings.MINIMUM_SIMILARITY)]
        grown, used = set(), set()
        for _, t, box in sorted(pairs, reverse=True):
            if t not in grown and box not in used:
                grown.add(t)
                used.add(box)
                tracks[t].append(box)
        tracks += [[box] for box in range(start, end) if box not in used]
    return [Track(slices[track], boxes[track], scores[track], sliceSpacing) for track in tracks]


def continuous(track: Track) -> Track:
    """The strongest part of a track that runs without a gap and without a jump from one slice to the next.

    Beside the atlas the skull base looks much like it; what was joined to a track there lies at another height. Jaw and
    hyoid, far to the side, lie before the vertebra that was seen in them.
    """
    columns, rows = track.boxes[:, 0::2], track.boxes[:, 1::2]
    continuity = np.minimum(_overlap(rows[:-1], rows[1:]), _overlap(columns[:-1], columns[1:]))
    gaps = np.diff(track.slices) * track.sliceSpacing
    largest = max(Settings.MAXIMUM_PART_GAP_MM, track.sliceSpacing)
    jumps = np.flatnonzero((gaps > largest) | (continuity < Settings.MINIMUM_CONTINUITY)) + 1
    starts, ends = [0, *jumps], [*jumps, len(rows)]
    return max((track.part(slice(a, b)) for a, b in zip(starts, ends, strict=True)), key=lambda part: part.evidence)


def join(first: Track, second: Track) -> Track:
    """Both tracks as one; where they share a slice the stronger box stays."""
    slices = np.concatenate([first.slices, second.slices])
    boxes = np.concatenate([first.boxes, second.boxes])
    scores = np.concatenate([first.scores, second.scores])
    order = np.lexsort((-np.concatenate([first.strengths, second.strengths]), slices))
    order = order[np.diff(slices[order], prepend=-1) > 0]
    return Track(slices[order], boxes[order], scores[order], first.sliceSpacing)


def runningMedian(values: Array, reach: int = 1) -> Array:
    """Median over neighbouring rows, shape kept; beyond the outermost rows their neighbours are taken once more.

    :param values: shape (n, columns).
    :param reach: rows to each side.
    """
    last = len(values) - 1
    reach = min(reach, last)
    rows = np.abs(np.arange(last + 1)[:, None] + np.arange(-reach, reach + 1))
    return np.asarray(np.sort(values[last - np.abs(last - rows)], axis=1)[:, reach])


def _similarities(slices: Array, boxes: Array, scores: Array, sliceSpacing: float) -> Array:
    """How much each box (first axis) resembles each of the next few slices (second axis), shape (n, n).

    0 where one lies wholly before the other, and for all other slices.
    """
    steps = slices[None] - slices[:, None]
    first, second = np.nonzero((steps > 0) & (steps * sliceSpacing <= max(Settings.MAXIMUM_GAP_MM, sliceSpacing)))
    one, other = boxes[first], boxes[second]
    meet = np.minimum(one[:, 2], other[:, 2]) > np.maximum(one[:, 0], other[:, 0])
    similarity = np.zeros(steps.shape, boxes.dtype)
    similarity[first, second] = meet * _overlap(one[:, 1::2], other[:, 1::2]) * (
        Settings.OVERLAP_SHARE + (1 - Settings.OVERLAP_SHARE) * _alike(scores[first], scores[second]))
    return similarity


def _overlap(first: Array, second: Array) -> Array:
    """Intersection over union of intervals, shape (..., 2)."""
    shared = np.minimum(first[..., 1], second[..., 1]) - np.maximum(first[..., 0], second[..., 0])
    union = np.maximum(first[..., 1], second[..., 1]) - np.minimum(first[..., 0], second[..., 0])
    return np.asarray(np.maximum(shared, 0) / union)


def _alike(first: Array, second: Array) -> Array:
    """Cosine of score vectors, shape (..., classes)."""
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return np.asarray((first * second).sum(axis=-1) / (lengths + 1e-9))
