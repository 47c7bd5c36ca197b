"""What does not fit together among the vertebrae of a scene, each with the way to mend it. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from CervicalSpineDetectionLib.Scene.Translation import tr as _
from CervicalSpineDetectionLib.Scene.VertebraState import VertebraState, levelOfName
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, levelIndex

# A centre point this far outside its box no longer belongs to it.
APART_MM = 1.0


@dataclass(frozen=True)
class Conflict:
    """:param nodeIds: of the boxes concerned.
    :param message: one sentence: the cause and the way to mend it.
    """

    nodeIds: tuple
    message: str


def conflicts(states: Sequence[VertebraState], transformId: str | None) -> list[Conflict]:
    """All conflicts.

    :param states: in cranio-caudal order of their names, as ``VertebraNodes.readStates`` gives them.
    :param transformId: of the transform node the CT is under.
    """
    return contradictions(states, transformId) + doubts(states)


def contradictions(states: Iterable[VertebraState], transformId: str | None) -> list[Conflict]:
    """Conflicts that leave open what is meant, so that nothing can be exported."""
    found = []
    for level, ofLevel in groupby((state for state in states if state.level), key=lambda state: state.level):
        group = list(ofLevel)
        if len(group) > 1:
            text = (_("{level} is assigned twice: give one another level, or delete one.") if len(group) == 2
                    else _("{level} is assigned {count} times: give the others another level, or delete them."))
            found.append(Conflict(tuple(state.nodeId for state in group), text.format(level=level, count=len(group))))
    for state in states:
        for message in _ownContradictions(state, transformId):
            found.append(Conflict((state.nodeId,), message))
    return found


def doubts(states: Iterable[VertebraState]) -> list[Conflict]:
    """Conflicts that only make it likely that something is wrong."""
    found = []
    for state in states:
        if state.level and state.centre and _isApart(state):
            text = _("The center point of {level} lies outside its box: drag the point or the box, or reset it.")
            found.append(Conflict((state.nodeId,), text.format(level=state.level)))
    placed = [state for state in states if state.level and state.centre]
    for upper, lower in pairwise(placed):
        missing = LEVELS[levelIndex(upper.level) + 1:levelIndex(lower.level)]
        ids = (upper.nodeId, lower.nodeId)
        if missing:
            text = (_("{missing} is missing between {upper} and {lower}: insert it, or shift or rename what is wrong.")
                    if len(missing) == 1 else
                    _("{missing} are missing between {upper} and {lower}: insert them, or shift or rename what is "
                      "wrong."))
            found.append(Conflict(ids, text.format(missing=", ".join(missing), upper=upper.level, lower=lower.level)))
        if upper.level != lower.level and not _isAbove(upper, lower):
            text = _("{lower} lies above {upper}: swap their levels, or move the one that is in the wrong place.")
            found.append(Conflict(ids, text.format(lower=lower.level, upper=upper.level)))
    return found


def _ownContradictions(state: VertebraState, transformId: str | None) -> Iterator[str]:
    if state.level is None:
        yield _('"{name}" is not the name of a vertebra: give it a level from {first} to {last}, or delete it.').format(
            name=state.name, first=LEVELS[0], last=LEVELS[-1])
    elif state.centre is None:
        yield _("The center point of {level} is missing: set its level again to restore it, or delete it.").format(
            level=state.level)
    elif levelOfName(state.pointLabel) != state.level:
        yield _('The box "{name}" and its point "{label}" have different names: set the level again.').format(
            name=state.name, label=state.pointLabel)
    if min(state.orientedBox.size) <= 0:
        yield _('The box "{name}" has no extent: undo, or reset it.').format(name=state.name)
    if state.transformId != transformId:
        yield _('"{name}" and the CT are under different transforms: put both under the same one or none.').format(
            name=state.name)


def _isApart(state: VertebraState) -> bool:
    box = state.orientedBox
    return bool((np.abs(box.axes @ (np.array(state.centre) - box.centre)) > box.size / 2 + APART_MM).any())


def _isAbove(upper: VertebraState, lower: VertebraState) -> bool:
    """Along the spine, as the two boxes are turned."""
    superior = upper.orientedBox.axes[2] + lower.orientedBox.axes[2]
    return np.dot(np.subtract(upper.centre, lower.centre), superior) > 0
