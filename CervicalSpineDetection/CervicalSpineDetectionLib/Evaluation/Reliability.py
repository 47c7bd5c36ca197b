"""Is a confidence worth it: how often levels of a given confidence are right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from CervicalSpineDetectionLib.Evaluation.Metrics import VERSE_RADIUS_MM, CaseScore

BIN_EDGES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


def reliability(cases: Sequence[CaseScore], radius: float = VERSE_RADIUS_MM) -> dict[str, Any]:
    """Confidence against truth, over all found levels whose truth is known.

    :param cases: list of CaseScore.
    :param radius: mm, what counts as right (see ``LevelScore.isHit``); a false level is wrong.
    :return: dict: "bins" (list of "from", "to", "levels", "meanConfidence", "right" share), "expectedCalibrationError"
        (Guo et al. 2017, On calibration of modern neural networks, ICML) and the counts "wrongFlagged",
        "wrongUnflagged", "rightFlagged", "rightUnflagged"; flagged means ``Vertebra.uncertain``.
    """
    triples = [(score.confidence, score.isHit(radius), score.uncertain) for case in cases for score in case.levels
             if score.found and score.hasCentre]
    triples += [(confidence, False, level in case.uncertainFalse) for case in cases
                for level, confidence in case.falseLevels.items()]
    confidence, right, flagged = np.array(triples, float).reshape(-1, 3).T
    right, flagged = right.astype(bool), flagged.astype(bool)
    index = np.clip(np.digitize(confidence, BIN_EDGES) - 1, 0, len(BIN_EDGES) - 2)
    bins = []
    for number, (lower, upper) in enumerate(zip(BIN_EDGES[:-1], BIN_EDGES[1:], strict=True)):
        inside = index == number
        bins.append({
            "from": lower, "to": upper, "levels": int(inside.sum()),
            "meanConfidence": float(confidence[inside].mean()) if inside.any() else None,
            "right": float(right[inside].mean()) if inside.any() else None,
        })
    gaps = [b["levels"] * abs(b["meanConfidence"] - b["right"]) for b in bins if b["levels"]]
    return {
        "radius": radius,
        "bins": bins,
        "expectedCalibrationError": sum(gaps) / len(triples) if triples else None,
        "wrongFlagged": int((~right & flagged).sum()),
        "wrongUnflagged": int((~right & ~flagged).sum()),
        "rightFlagged": int((right & flagged).sum()),
        "rightUnflagged": int((right & ~flagged).sum()),
    }
