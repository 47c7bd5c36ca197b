"""What does not fit together among the vertebrae of a scene, each with the way to mend it. Nothing is changed here."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

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


def conflicts(states: list[VertebraState], transformId) -> list[Conflict]:
    """All conflicts.

    :param states: in cranio-caudal order of their names, as ``VertebraNodes.readStates`` gives them.
    :param transformId: of the transform node the CT is under.
    """
    return contradictions(states, transformId) + doubts(states)


def contradictions(states, transformId) -> list[Conflict]:
    """Conflicts that leave open what is meant, so that nothing can be exported."""
    found = []
    for level, group in groupby((state for state in states if state.level), key=lambda state: state.level):
        group = list(group)
        if len(group) > 1:
            times = "twice" if len(group) == 2 else f"{len(group)} times"
            found.append(Conflict(tuple(state.nodeId for state in group), f"{level} is there {times}: "
                                  "give one another level, or delete one."))
    for state in states:
        for message in _ownContradictions(state, transformId):
            found.append(Conflict((state.nodeId,), message))
    return found


def doubts(states) -> list[Conflict]:
    """Conflicts that only make it likely that something is wrong."""
    found = []
    for state in states:
        if state.level and state.centre and _isApart(state):
            found.append(Conflict((state.nodeId,), f"The centre point of {state.level} lies outside its box: "
                                  "drag the point or the box, or reset it."))
    placed = [state for state in states if state.level and state.centre]
    for upper, lower in pairwise(placed):
        missing = LEVELS[levelIndex(upper.level) + 1:levelIndex(lower.level)]
        ids = (upper.nodeId, lower.nodeId)
        if missing:
            found.append(Conflict(ids, f"{', '.join(missing)} between {upper.level} and {lower.level} "
                                  f"{'is' if len(missing) == 1 else 'are'} missing: insert it, or shift or rename "
                                  "what is wrong."))
        if upper.level != lower.level and not _isAbove(upper, lower):
            found.append(Conflict((upper.nodeId, lower.nodeId), f"{lower.level} lies above {upper.level}: exchange "
                                  "their levels, or move the one that is in the wrong place."))
    return found


def _ownContradictions(state, transformId):
    if state.level is None:
        yield f'"{state.name}" names no vertebra: give it a level from {LEVELS[0]} to {LEVELS[-1]}, or delete it.'
    elif state.centre is None:
        yield f"The centre point of {state.level} is missing: set its level again to bring it back, or delete it."
    elif levelOfName(state.pointLabel) != state.level:
        yield f'The box "{state.name}" and its point "{state.pointLabel}" are named differently: set the level again.'
    if min(state.orientedBox.size) <= 0:
        yield f'The box "{state.name}" has no extent: undo, or reset it.'
    if state.transformId != transformId:
        yield f'"{state.name}" and the CT are under different transforms: put both under the same one or none.'


def _isApart(state):
    box = state.orientedBox
    return bool((np.abs(box.axes @ (np.array(state.centre) - box.centre)) > box.size / 2 + APART_MM).any())


def _isAbove(upper, lower):
    """Along the spine, as the two boxes are turned."""
    superior = upper.orientedBox.axes[2] + lower.orientedBox.axes[2]
    return np.dot(np.subtract(upper.centre, lower.centre), superior) > 0
