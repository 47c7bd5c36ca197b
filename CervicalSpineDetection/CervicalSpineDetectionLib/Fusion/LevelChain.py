"""Which vertebra is which: the most probable consistent assignment of levels to candidates.

The candidates, from the head down, are a hidden Markov chain: each is one level or none (an outlier); levels rise along
the chain, a missed one costs; the distance between two must fit the levels between them. The best assignment is
Viterbi's, the confidences are the marginals of the forward-backward algorithm (Rabiner 1989, A tutorial on hidden
Markov models, Proc. IEEE 77(2):257-286).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Morphometry import DISTANCE_MM, NAMELESS_SPACING_MM, SPACING_MM

SPACING_DEVIATION = 0.27  # of the logarithm: posture, disc height, and the scatter of found centres
# Slices of one vertebra are not independent; evidence counts up to this much, in mm, and so much (log) each mm.
SIGHTED_MM, PER_MM = 8.0, 0.5
SKIP_COST = 3.0  # a level between two found ones was missed
OUTLIER_COST = 0.6  # per mm of evidence, up to SIGHTED_MM
# The network may misjudge a level by one all the way down the neck; it does not see bodies that are not there.
BODY_OUTLIER_COST = 15.0
SETTLED_COST = 1e3  # more than all the rest together, and still a number to reckon with
# Where a person named levels, the others follow from the distances: the network errs by one all along the neck.
BESIDE_SETTLED = 0.05
FLOOR = 0.05


@dataclass(frozen=True)
class Link:
    """One candidate with its level.

    :param candidate: index into the candidates given.
    :param level: index into ``Levels.LEVELS``.
    :param confidence: marginal probability of the level, given all candidates.
    """

    candidate: int
    level: int
    confidence: float


def assignLevels(centres: Array, scores: Sequence[Array], withBody: Sequence[bool] | None = None,
                 settled: Sequence[int | None] | None = None) -> list[Link]:
    """Levels of candidates.

    :param centres: shape (n, 3), LPS mm, in cranio-caudal order.
    :param scores: list of n arrays (slices, levels), class scores of each candidate, times the slices' distance in mm.
    :param withBody: n flags: the vertebral body was seen, so there is a vertebra, whatever its level.
    :param settled: n entries: the level (index) that a person gave to the candidate, or None.
    :return: list of Link in cranio-caudal order.
    """
    if not len(centres):
        return []
    emission = np.array([_levelLogLikelihood(s) for s in scores])
    outlier = np.array([OUTLIER_COST * min(s.max(axis=1).sum(), SIGHTED_MM) for s in scores])
    outlier += BODY_OUTLIER_COST * np.array(withBody if withBody is not None else np.zeros(len(scores)))
    if any(level is not None for level in settled or ()):
        emission *= BESIDE_SETTLED
    for index, level in enumerate(settled or ()):
        if level is not None:
            emission[index] = np.where(np.arange(emission.shape[1]) == level, 0, -SETTLED_COST)
            outlier[index] = SETTLED_COST
    scale = 1.0
    # The chain gives the person's scale, the scale gives a better chain.
    for _ in range(3):
        score = _transitions(centres, scale, outlier)
        path = _bestPath(emission, score, outlier)
        measured = _measuredScale(centres, path)
        if measured is None or abs(measured - scale) < 0.01:
            break
        scale = measured
    confidence = _marginals(emission, score, outlier)
    return [Link(track, level, float(confidence[track, level])) for track, level in path if level <= len(SPACING_MM)]


def _levelLogLikelihood(scores: Array) -> Array:
    strength = scores.max(axis=1).sum()
    share = scores.sum(axis=0) / max(strength, 1e-9)
    share = (share + FLOOR) / (share + FLOOR).sum()
    share = np.concatenate([share, np.repeat(share[-1:], len(NAMELESS_SPACING_MM))])
    return np.asarray(min(strength, SIGHTED_MM) * PER_MM * np.log(share))


def _transitions(centres: Array, scale: float, outlier: Array) -> Array:
    """Log score of going from track i at level l to track j at level m, shape (n, n, levels, levels)."""
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    steps = np.arange(len(DISTANCE_MM)) - np.arange(len(DISTANCE_MM))[:, None]
    # Log score of the candidates between i and j being outliers.
    before = np.concatenate([[0], np.cumsum(outlier)])
    between = before[:-1] - before[1:, None]
    with np.errstate(divide="ignore"):  # levels that don't rise
        ratios = np.maximum(distances, 1.0)[..., None, None] / (scale * DISTANCE_MM)
    deviation = np.log(ratios) / SPACING_DEVIATION
    score = -0.5 * np.minimum(deviation**2, 25) - SKIP_COST * (steps - 1) - between[..., None, None]
    below = np.triu(np.ones_like(distances, bool), 1)[..., None, None]
    return np.where(below & (steps > 0), score, -np.inf)


def _bestPath(emission: Array, score: Array, outlier: Array) -> list[tuple[int, int]]:
    count, levels = emission.shape
    before = np.concatenate([[0], np.cumsum(outlier)])
    best = emission - before[:count, None]
    origin = np.full((count, levels, 2), -1)
    for j in range(1, count):
        # From every level of every candidate above.
        through = (best[:j, :, None] + score[:j, j] + emission[j]).reshape(-1, levels)
        better = through.max(axis=0) > best[j]
        best[j] = np.where(better, through.max(axis=0), best[j])
        origin[j][better] = np.transpose(np.divmod(through.argmax(axis=0), levels))[better]
    final = best - (before[-1] - before[1:])[:, None]
    track, level = np.unravel_index(final.argmax(), final.shape)
    path = []
    while track >= 0:
        path.append((int(track), int(level)))
        track, level = origin[track, level]
    return path[::-1]


def _marginals(emission: Array, score: Array, outlier: Array) -> Array:
    """Probability of each level for each track, shape (n, levels); the rest to one is the outlier."""
    count = len(emission)
    before = np.concatenate([[0], np.cumsum(outlier)])
    forward = emission - before[:count, None]
    for j in range(1, count):
        through = emission[j] + _logSum(forward[:j, :, None] + score[:j, j], axis=1)
        forward[j] = np.logaddexp.reduce([forward[j], *through])
    backward = np.tile(-(before[-1] - before[1:])[:, None], (1, emission.shape[1]))
    for i in range(count - 2, -1, -1):
        through = _logSum(score[i, i + 1 :] + (emission[i + 1 :] + backward[i + 1 :])[:, None], axis=2)
        backward[i] = np.logaddexp.reduce([backward[i], *through])
    total = _logSum((forward - (before[-1] - before[1:])[:, None]).ravel(), axis=0)
    return np.asarray(np.exp(np.minimum(forward + backward - total, 0)))


def _logSum(values: Array, axis: int) -> Array:
    top = values.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(values - top).sum(axis=axis)) + top.squeeze(axis))


def _measuredScale(centres: Array, path: Sequence[tuple[int, int]]) -> float | None:
    ratios = [
        np.linalg.norm(centres[below] - centres[above]) / DISTANCE_MM[upper, lower]
        for (above, upper), (below, lower) in zip(path[:-1], path[1:], strict=True)
    ]
    return float(np.clip(np.median(ratios), 0.7, 1.4)) if len(ratios) >= 2 else None
