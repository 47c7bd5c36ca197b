"""Which results a person should look at first."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS
from CervicalSpineDetectionLib.Spine.Morphometry import usualDistance
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

# A neighbour nearer or further than the usual distance by this factor is no neighbour: posture, disc height and
# stature together change it by less (``LevelChain.SPACING_DEVIATION``).
SPACING_TOLERANCE = 1.7
# From this ``doubtOf`` on a person should look at a result.
SURE_DOUBT = 0.5


def conflictsOf(result: DetectionResult) -> list[str]:
    """What in a result contradicts itself.

    :param result: DetectionResult.
    :return: list of sentences.
    """
    conflicts = []
    for upper, lower in pairwise(result.vertebrae):
        step = lower.level.order - upper.level.order
        if step > 1:
            conflicts.append(f"Between {upper.level} and {lower.level} a level is missing.")
        if lower.centre[2] >= upper.centre[2]:
            conflicts.append(f"{lower.level} lies above {upper.level}.")
        usual = usualDistance(upper.level.order, lower.level.order)
        distance = np.linalg.norm(lower.centre - upper.centre)
        if not usual / SPACING_TOLERANCE < distance < usual * SPACING_TOLERANCE:
            conflicts.append(f"{upper.level} and {lower.level} are {distance:.0f} mm apart, usual are {usual:.0f} mm.")
    return conflicts


def lowestConfidence(result: DetectionResult) -> float:
    """0 to 1, 0 where nothing was found."""
    return float(min((vertebra.confidence for vertebra in result.vertebrae), default=0.0))


def doubtOf(result: DetectionResult) -> float:
    """How much a result needs a person: what the lowest confidence lacks to 1, and 1 for each inferred level and each
    conflict. A CT without any vertebra counts as one with all cervical levels unseen.

    :param result: DetectionResult.
    """
    inferred = sum(vertebra.inferred for vertebra in result.vertebrae) if result.vertebrae else len(CERVICAL_LEVELS)
    return 1 - lowestConfidence(result) + inferred + len(conflictsOf(result))


def isDoubtful(result: DetectionResult) -> bool:
    """Whether a person should look at a result."""
    return doubtOf(result) >= SURE_DOUBT or any(vertebra.uncertain for vertebra in result.vertebrae)


def reasonsOf(result: DetectionResult) -> list[str]:
    """For people: conflicts, then what is to be said of single levels, then the warnings of the run."""
    if not result.vertebrae:
        return ["No cervical vertebra was found.", *result.warnings]
    remarks = [f"{vertebra.level}: {vertebra.remark}." for vertebra in result.vertebrae if vertebra.remark]
    return conflictsOf(result) + remarks + list(result.warnings)
