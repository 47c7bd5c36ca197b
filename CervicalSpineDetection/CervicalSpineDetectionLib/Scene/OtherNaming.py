"""The next most probable naming of what a detection found, kept with each vertebra, so that undo and files keep it too.

Node attributes, with the prefix ``CervicalSpineDetection.``: ``OtherShift`` is the number of levels that all names
would move by, negative towards the head, ``OtherShiftProbability`` the probability of that naming, 0 to 1. Absent where
the names are sure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from CervicalSpineDetectionLib.Scene.Translation import tr as _
from CervicalSpineDetectionLib.Scene.VertebraState import VertebraState
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, levelIndex
from CervicalSpineDetectionLib.Spine.Vertebra import MENTIONED_PROBABILITY, DetectionResult


@dataclass(frozen=True)
class OtherNaming:
    """:param shift: levels that the names move by, negative towards the head.
    :param probability: 0 to 1.
    :param names: "C5 to T1", of the vertebrae that would be named anew.
    """

    shift: int
    probability: float
    names: str


def otherNamingValues(result: DetectionResult) -> dict[str, str]:
    """Attributes of the result's vertebrae, without the prefix; none where the names are sure."""
    basis = result.basis
    if basis is None or basis.shift == 0 or basis.shiftProbability < MENTIONED_PROBABILITY:
        return {}
    if basis.anchors and not any(vertebra.uncertain for vertebra in result.vertebrae):
        return {}
    return {"OtherShift": str(basis.shift), "OtherShiftProbability": repr(float(basis.shiftProbability))}


def otherNamingOf(states: Iterable[VertebraState]) -> OtherNaming | None:
    """The other naming of the vertebrae whose level no person settled or locked; None where none is within C1 to T4.

    :param states: ``VertebraState`` of one CT.
    """
    unsettled = [state for state in states if state.levelIsOpen]
    told = {(state.value("OtherShift"), state.value("OtherShiftProbability")) for state in unsettled}
    if len(told) != 1:
        return None
    (values,) = told
    try:
        shift, probability = int(values[0]), float(values[1])
    except (TypeError, ValueError):
        # Sure names have none; a scene from elsewhere may hold anything.
        return None
    orders = [levelIndex(state.level) + shift for state in unsettled]
    first, last = min(orders), max(orders)
    if first < 0 or last >= len(LEVELS):
        return None
    names = LEVELS[first] if first == last else _("{first} to {last}").format(first=LEVELS[first], last=LEVELS[last])
    return OtherNaming(shift, probability, names)
