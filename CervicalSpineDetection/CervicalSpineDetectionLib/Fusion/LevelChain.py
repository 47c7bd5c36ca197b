"""Which vertebra is which, and how sure that is: one probabilistic model from C1 to L5.

The candidates, from the head down, are a hidden Markov chain: each is one level or none (a false one); levels rise
along the chain, a missed one costs; the distance between two must fit the levels between them and the person's scale,
which is integrated over. Probabilities are the marginals of the forward-backward algorithm (Rabiner 1989, A tutorial on
hidden Markov models, Proc. IEEE 77(2):257-286), the names the rising path with the greatest expected number of right
ones.

The network can err by one level all along the neck. Since the chain holds every shifted naming as a path of its own,
the probability of a shift is what its marginals say, provided that the network's opinion is not counted once per
vertebra and slice as if these were independent: it is tempered, see ``LevelModel``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.Fusion import Settings
from CervicalSpineDetectionLib.Fusion.LevelModel import LevelModel
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, SPINE_LEVELS, Level
from CervicalSpineDetectionLib.Spine.Morphometry import DEPTH_MM, DISTANCE_MM

# The network's class of each level: its own down to T4, one class for all below.
CLASS_OF_LEVEL = np.minimum(np.arange(len(SPINE_LEVELS)), len(LEVELS))


@dataclass(frozen=True)
class Sighting:
    """What is known of one candidate before it has a name.

    :param centre: shape (3,), LPS mm.
    :param classScores: shape (classes,), sum of the scores over the slices: C1 to T4, and "below".
    :param evidence: mm, see ``Track.evidence``.
    :param bodyEvidence: mm, the same of its body, 0 where none was seen.
    :param depth: mm, front to back; ``depthIsCut``: by the edge of the field of view, so that it can be larger.
    :param settled: the level that a person gave it, or None.
    """

    centre: Array
    classScores: Array
    evidence: float
    bodyEvidence: float
    depth: float
    depthIsCut: bool
    settled: Level | None = None


@dataclass(frozen=True)
class LevelPosterior:
    """:param marginals: shape (sightings, levels of the spine), probability of each level; the rest to one: no
        vertebra.
    """

    marginals: Array

    def names(self) -> list[tuple[int, int]]:
        """The rising path with the greatest expected number of right names (maximum expected accuracy).

        :return: (sighting, order of the level) in cranio-caudal order; without those that are likelier no vertebra.
        """
        kept = np.flatnonzero(self.marginals.sum(axis=1) >= Settings.VERTEBRA_PROBABILITY)
        gain = self.marginals[kept]
        count, levels = gain.shape
        best = np.zeros((count + 1, levels + 1))
        for i in range(count - 1, -1, -1):
            for level in range(levels - 1, -1, -1):
                best[i, level] = max(best[i + 1, level], best[i, level + 1], gain[i, level] + best[i + 1, level + 1])
        path, i, level = [], 0, 0
        while i < count and level < levels:
            if best[i, level] == best[i + 1, level]:
                i += 1
            elif best[i, level] == best[i, level + 1]:
                level += 1
            else:
                path.append((int(kept[i]), level))
                i, level = i + 1, level + 1
        return path

    def alternative(self) -> tuple[int, float]:
        """The likeliest other naming, all names moved by the same number of levels.

        :return: (levels moved by, negative: towards the head; its probability, mean over the chain); (0, 0.0) without
            any name.
        """
        path = self.names()
        if not path:
            return 0, 0.0
        sightings, levels = np.array(path).T
        shares = {}
        for shift in range(-len(SPINE_LEVELS) + 1, len(SPINE_LEVELS)):
            moved = levels + shift
            inside = (moved >= 0) & (moved < len(SPINE_LEVELS))
            if shift and inside.any():
                shares[shift] = float(self.marginals[sightings[inside], moved[inside]].sum() / len(path))
        shift = max(shares, key=lambda one: shares[one])
        return shift, shares[shift]


def levelPosterior(sightings: Sequence[Sighting], model: LevelModel) -> LevelPosterior:
    """Probabilities of the levels of all candidates.

    :param sightings: in cranio-caudal order.
    """
    count = len(sightings)
    if not count:
        return LevelPosterior(np.zeros((0, len(SPINE_LEVELS))))
    emission = _classLogLikelihood(sightings, model) + _depthLogLikelihood(sightings, model)
    cost = _falseCosts(sightings, model)
    for index, sighting in enumerate(sightings):
        if sighting.settled is not None:
            isLevel = np.arange(len(SPINE_LEVELS)) == sighting.settled.order
            emission[:, index] = np.where(isLevel, 0, -Settings.SETTLED_COST)
            cost[index] = Settings.SETTLED_COST
    # Probabilities, each relative to the best level of its candidate: they stay far from what numbers can't hold.
    best = emission.max(axis=(0, 2), keepdims=True)
    emission, best = np.exp(emission - best), best.ravel()
    cost += best
    isFalse = np.exp(-cost)
    steps = _steps(np.array([sighting.centre for sighting in sightings]), isFalse, model)
    # All others above, and below, are false.
    first, last = np.cumprod([1, *isFalse[:-1]]), np.cumprod([1, *isFalse[:0:-1]])[::-1]
    forward, backward = np.empty_like(emission), np.empty_like(emission)
    for j in range(count):
        reached = (forward[:, :j, None] @ steps[:, :j, j]).sum(axis=1)[:, 0]
        forward[:, j] = emission[:, j] * (first[j] + reached)
    for i in range(count - 1, -1, -1):
        after = emission[:, i + 1 :] * backward[:, i + 1 :]
        backward[:, i] = last[i] + (steps[:, i, i + 1 :] @ after[..., None]).sum(axis=1)[..., 0]
    total = (forward * last[:, None]).sum(axis=(1, 2)) + isFalse.prod()
    prior = np.exp(-0.5 * (np.log(Settings.SCALES) / Settings.SCALE_DEVIATION) ** 2)
    return LevelPosterior(np.tensordot(prior, forward * backward, 1) / (prior @ total))


def _classLogLikelihood(sightings: Sequence[Sighting], model: LevelModel) -> Array:
    """Shape (1, n, levels)."""
    evidence = np.array([sighting.evidence for sighting in sightings])
    scores = np.array([sighting.classScores for sighting in sightings])
    share = scores / np.maximum(scores.sum(axis=1, keepdims=True), 1e-9) + model.classFloor
    share /= share.sum(axis=1, keepdims=True)
    crowd = max(int((evidence >= Settings.WHOLE_EVIDENCE_MM).sum()), 1)
    weight = model.evidenceWeight * crowd**-model.crowding
    weight *= np.minimum(evidence / Settings.WHOLE_EVIDENCE_MM, 1)
    if any(sighting.settled is not None for sighting in sightings):
        weight *= Settings.BESIDE_SETTLED
    return np.asarray(weight[:, None] * np.log(share[:, CLASS_OF_LEVEL]))[None]


def _depthLogLikelihood(sightings: Sequence[Sighting], model: LevelModel) -> Array:
    """Shape (scales, n, levels)."""
    depth = np.array([max(sighting.depth, 1.0) for sighting in sightings])
    mayBeDeeper = np.array([sighting.depthIsCut or sighting.evidence < Settings.WHOLE_EVIDENCE_MM
                            for sighting in sightings])
    deviation = np.log(depth[:, None] / DEPTH_MM) - np.log(Settings.SCALES)[:, None, None]
    deviation = np.where(mayBeDeeper[:, None], np.maximum(deviation, 0), deviation) / Settings.DEPTH_DEVIATION
    return np.asarray(-0.5 * model.depthWeight * np.minimum(deviation**2, Settings.MOST_DEVIATIONS**2))


def _falseCosts(sightings: Sequence[Sighting], model: LevelModel) -> Array:
    """Log odds that each candidate is a vertebra and not other bone, shape (n,)."""
    evidence = np.array([sighting.evidence for sighting in sightings])
    body = np.array([sighting.bodyEvidence for sighting in sightings])
    return np.asarray(model.falseCost * np.minimum(evidence, Settings.WHOLE_EVIDENCE_MM)
                      + model.bodyCost * np.minimum(body / Settings.SURE_BODY_EVIDENCE_MM, 1))


def _steps(centres: Array, isFalse: Array, model: LevelModel) -> Array:
    """Factor of going from candidate i at level l to j at level m, shape (scales, n, n, levels, levels).

    :param centres: shape (n, 3), mm.
    :param isFalse: shape (n,), factor of a candidate that is no vertebra; those between i and j are none.
    """
    count, levels = len(centres), len(SPINE_LEVELS)
    above, below = np.triu_indices(count, 1)
    distances = np.log(np.maximum(np.linalg.norm(centres[below] - centres[above], axis=1), 1.0))
    upper, lower = np.triu_indices(levels, 1)
    expected = np.log(DISTANCE_MM[upper, lower]) + np.log(Settings.SCALES)[:, None, None]
    deviation = (distances[:, None] - expected) / Settings.SPACING_DEVIATION
    score = -0.5 * np.minimum(deviation**2, Settings.MOST_SPACING_DEVIATIONS**2) - model.missedCost * (
        lower - upper - 1)
    between = np.array([isFalse[i + 1 : j].prod() for i, j in zip(above, below, strict=True)])
    steps = np.zeros((len(Settings.SCALES), count, count, levels, levels))
    steps[:, above[:, None], below[:, None], upper, lower] = np.exp(score) * between[:, None]
    return steps
