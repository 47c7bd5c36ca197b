"""Names found in views of CTs with known levels: right, left open, or silently wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.Evaluation.Windows import View, ViewedLevel
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS, Level
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra

# Found and known centres this near to each other are of one vertebra; neighbours are 14 mm apart at least.
SAME_VERTEBRA_MM = 11.0
BINS = 10


@dataclass(frozen=True)
class NameScore:
    """One vertebra of one view.

    :param level: its true level; None where there is no vertebra.
    :param found: the name it was given, None where it got none.
    :param confidence: of the name, 0 where there is none.
    :param uncertain: the name was flagged.
    :param view: number of the view.
    :param isDue: it is one of the cervical levels in view, which are to be found, each once; False for a further name.
    """

    case: str
    kind: str
    hasLandmark: bool
    level: str | None
    found: str | None
    confidence: float
    uncertain: bool
    view: int = 0
    isDue: bool = True

    @property
    def isRight(self) -> bool:
        return self.found is not None and self.found == self.level

    @property
    def isWrong(self) -> bool:
        return self.found is not None and self.found != self.level


def scoreView(view: View, vertebrae: Sequence[Vertebra], number: int = 0) -> list[NameScore]:
    """Each cervical level in view, and everything that was given a cervical name though it has another one.

    Found names that lie beyond the known levels of the CT (which may go on there) count where the distance shows that
    they can't be right; others beyond them are not judged.

    :param vertebrae: what was found, cervical names only.
    :param number: of the view, to count views by.
    """
    known = list(view.levels)
    scores = []
    matched = _matched(vertebrae, known)

    def scored(level: str | None, vertebra: Vertebra | None, isDue: bool) -> NameScore:
        return NameScore(view.case, view.kind, view.hasLandmark, level, None if vertebra is None else vertebra.level,
                         0.0 if vertebra is None else vertebra.confidence,
                         vertebra is not None and vertebra.uncertain, number, isDue)

    for place, one in enumerate(known):
        found = [vertebrae[i] for i, j in matched.items() if j == place]
        isDue = one.inView and one.level in CERVICAL_LEVELS
        if isDue and not found:
            scores.append(scored(str(one.level), None, True))
        # A level that is hardly in view need not be named, but must not be named wrongly.
        scores += [scored(str(one.level), vertebra, isDue and vertebra is found[0]) for vertebra in found
                   if one.inView or vertebra.level != one.level]
    for index, vertebra in enumerate(vertebrae):
        if index not in matched and _isImpossible(vertebra, known):
            scores.append(scored(None, vertebra, False))
    return scores


def _matched(vertebrae: Sequence[Vertebra], known: Sequence[ViewedLevel]) -> dict[int, int]:
    """Which found vertebra is which known one, each once: the nearest bodies first, then those whose bodies are out of
    view, of these first what is most like the part that is shown.

    :return: index of a found one -> index of a known one.
    """
    pairs = sorted((not one.bodyInView, _unlikeness(vertebra, one), index, place)
                   for index, vertebra in enumerate(vertebrae) for place, one in enumerate(known)
                   if _mayBe(vertebra, one))
    matched: dict[int, int] = {}
    for _, _, index, place in pairs:
        if index not in matched and place not in matched.values():
            matched[index] = place
    return matched


def _mayBe(vertebra: Vertebra, one: ViewedLevel) -> bool:
    """Their centres are near to each other; where the body is out of view, and its centre a guess, also where the
    middle of the found box is in the part that is shown."""
    if np.linalg.norm(one.centre - vertebra.centre) < SAME_VERTEBRA_MM:
        return True
    if one.bodyInView or one.shown is None:
        return False
    middle = vertebra.bounds.centre
    return bool(((middle > one.shown.minimum) & (middle < one.shown.maximum)).all())


def _unlikeness(vertebra: Vertebra, one: ViewedLevel) -> float:
    """mm between centres, or, where the body is out of view, between the corners of the boxes."""
    if one.bodyInView or one.shown is None:
        return float(np.linalg.norm(one.centre - vertebra.centre))
    found, shown = vertebra.bounds, one.shown
    return float(np.linalg.norm(found.minimum - shown.minimum) + np.linalg.norm(found.maximum - shown.maximum)) / 2


def _isImpossible(vertebra: Vertebra, known: Sequence[ViewedLevel]) -> bool:
    """No vertebra of this name can be there: between known ones, or on the wrong side of the known ones."""
    if not known:
        return True
    order = Level(vertebra.level).order
    axis = known[-1].centre - known[0].centre
    if len(known) < 2 or not np.linalg.norm(axis):
        return True
    place = float((vertebra.centre - known[0].centre) @ axis / (axis @ axis))
    if 0 <= place <= 1:
        return True
    return order >= known[0].level.order if place < 0 else order <= known[-1].level.order


def viewFigures(scores: Sequence[NameScore]) -> dict:
    """Counts and shares over the vertebrae of many views.

    :return: name -> number: "levels" (cervical ones in view), "right" (and not flagged), "rightFlagged",
        "silentlyWrong" (wrong and not flagged, of these levels or of what is none of them), "wrongFlagged", "missed";
        "rightShare" and "silentlyWrongPer1000" of the levels; "calibrationError" (expected calibration error over ten
        bins of confidence, Naeini et al., AAAI 2015).
    """
    total = sum(one.isDue for one in scores)
    right = sum(one.isRight and not one.uncertain for one in scores)
    silent = sum(one.isWrong and not one.uncertain for one in scores)
    return {
        "views": len({one.view for one in scores}),
        "levels": total,
        "right": right,
        "rightFlagged": sum(one.isRight and one.uncertain for one in scores),
        "silentlyWrong": silent,
        "wrongFlagged": sum(one.isWrong and one.uncertain for one in scores),
        "missed": sum(one.found is None for one in scores),
        "rightShare": right / total if total else float("nan"),
        "silentlyWrongPer1000": 1000 * silent / total if total else float("nan"),
        "calibrationError": calibrationError([one for one in scores if one.found is not None]),
    }


def calibrationError(named: Sequence[NameScore]) -> float:
    """Expected calibration error of the confidences of names, nan without any."""
    if not named:
        return float("nan")
    confidence = np.array([one.confidence for one in named])
    right = np.array([one.isRight for one in named], float)
    bins = np.clip((confidence * BINS).astype(int), 0, BINS - 1)
    return float(sum(abs(confidence[bins == i].mean() - right[bins == i].mean()) * np.mean(bins == i)
                     for i in np.unique(bins)))


def riskAndCoverage(scores: Sequence[NameScore]) -> tuple[Array, Array]:
    """What share of the names is wrong among the surest, and what share of all levels these are.

    El-Yaniv and Wiener 2010, On the foundations of noise-free selective classification, JMLR 11:1605-1641.

    :return: (coverage, risk), each shape (names,), by falling confidence.
    """
    named = sorted((one for one in scores if one.found is not None), key=lambda one: -one.confidence)
    wrong = np.cumsum([one.isWrong for one in named])
    counts = np.arange(1, len(named) + 1)
    return counts / max(len(scores), 1), wrong / counts


def byKind(scores: Iterable[NameScore]) -> dict[str, list[NameScore]]:
    """Kind of view -> its scores, kinds in the order of their first view."""
    groups: dict[str, list[NameScore]] = {}
    for one in scores:
        groups.setdefault(one.kind, []).append(one)
    return groups
