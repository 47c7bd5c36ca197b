"""Corrections of vertebrae as values: states in, states out. No node is touched here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timezone

import numpy as np

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.Translation import tr as _
from CervicalSpineDetectionLib.Scene.VertebraState import VertebraState, boxCorners, hull, stateOf
from CervicalSpineDetectionLib.Spine.Boxes import OrientedBox
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, Level, levelIndex
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra

SUPERIOR = 2


class StateEdits:
    """:param editor: name to be noted with each edit, or None."""

    def __init__(self, editor: str | None = None) -> None:
        self._editor = editor

    def edited(self, state: VertebraState) -> VertebraState:
        """Marked as changed by a person, and no longer confirmed: what was confirmed is no longer there."""
        return self.stamped(state.withValues(Edited="true", Confirmed=None)).checked()

    def stamped(self, state: VertebraState) -> VertebraState:
        """With the editor's name and the time, where a name was given."""
        if self._editor is None:
            return state
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return state.withValues(EditedBy=self._editor, EditedAt=now)

    def confirmed(self, state: VertebraState, confirmed: bool) -> VertebraState:
        """:raises InputError: its name names no vertebra."""
        checkNamed(state)
        state = state.withPoint().withValues(Confirmed="true" if confirmed else None)
        return (self.stamped(state) if confirmed else state).checked()

    def relabelled(self, state: VertebraState, level: str) -> VertebraState:
        return self.edited(state.withPoint().named(level))

    def shifted(self, states: Sequence[VertebraState], step: int, evenSettled: bool = True) -> list[VertebraState]:
        """All levels by ``step``: +1 makes C3 of C2.

        :param evenSettled: False leaves the levels that a person settled or locked.
        :raises InputError: one would leave C1 to T4, or is locked.
        """
        moved = [state for state in states if state.levelIsOpen or evenSettled and state.level]
        for state in moved:
            checkUnlocked(state)
            if not 0 <= levelIndex(state.level) + step < len(LEVELS):
                raise InputError(_("The levels can't be shifted: {level} would leave the range {first} to {last}; "
                                   "delete or rename it first.").format(
                                       level=state.level, first=LEVELS[0], last=LEVELS[-1]))
        ids = {state.nodeId for state in moved}
        return [self.edited(state.named(LEVELS[levelIndex(state.level) + step])) if state.nodeId in ids else state
                for state in states]

    def split(self, whole: VertebraState, takenLevels: Collection[str | None]) -> tuple[VertebraState, VertebraState]:
        """Two boxes of one, one above the other. The lower takes the next level, or the upper the previous one where
        only that is free.

        :param takenLevels: levels that are there already.
        :return: upper and lower one; one of them is new.
        """
        index = levelIndex(whole.level)
        neighbours = LEVELS[index + 1:index + 2] + LEVELS[max(index - 1, 0):index]
        free = [level for level in neighbours if level not in takenLevels]
        neighbour = free[0] if free else LEVELS[min(index + 1, len(LEVELS) - 1)]
        upperLevel, lowerLevel = sorted((whole.level, neighbour), key=levelIndex)
        upper, lower = (_half(whole, side) for side in (1, -1))
        lower = replace(stateOf(replace(lower.vertebra, confidence=1.0, inferred=False), detected=False),
                        visible=whole.visible)
        return self.edited(upper.named(upperLevel)), self.stamped(lower.named(lowerLevel).checked())

    def merged(self, one: VertebraState, other: VertebraState) -> VertebraState:
        """One box around two; it keeps the level and the orientation of ``one``."""
        axes = one.orientedBox.axes
        corners = np.concatenate([boxCorners(state.orientedBox) for state in (one, other)]) @ axes.T
        lowest, highest = corners.min(axis=0), corners.max(axis=0)
        box = OrientedBox((lowest + highest) / 2 @ axes, highest - lowest, axes)
        centre = np.mean([state.withPoint().centre for state in (one, other)], axis=0)
        return self.edited(one.withPoint().moved(box, centre))


def shownVertebrae(states: Iterable[VertebraState]) -> list[Vertebra]:
    """The vertebrae as the boxes show them, each level once: neighbours to go by."""
    others = {}
    for state in states:
        if state.level and state.centre and state.level not in others:
            box = state.orientedBox
            others[state.level] = Vertebra(Level(state.level), 1.0, np.array(state.centre), hull(box), box)
    return list(others.values())


def checkLevel(level: str) -> None:
    """:raises InputError: it is none."""
    if level not in LEVELS:
        raise InputError(_('"{level}" is not a level: choose one from {first} to {last}.').format(
            level=level, first=LEVELS[0], last=LEVELS[-1]))


def checkUnlocked(state: VertebraState) -> None:
    """:raises InputError: it is locked."""
    if state.locked:
        raise InputError(_("{name} is locked: unlock it first.").format(name=state.name))


def checkNamed(state: VertebraState) -> None:
    """:raises InputError: its name names no vertebra."""
    if state.level is None:
        raise InputError(_('"{name}" is not the name of a vertebra: give it a level first.').format(name=state.name))


def _half(whole: VertebraState, side: int) -> VertebraState:
    """Upper (1) or lower (-1) half along the spine."""
    box = whole.orientedBox
    size = box.size * np.where(np.arange(3) == SUPERIOR, 0.5, 1)
    half = OrientedBox(box.centre + side * size[SUPERIOR] / 2 * box.axes[SUPERIOR], size, box.axes)
    inBox = box.axes @ (np.array(whole.withPoint().centre) - box.centre)
    inBox[SUPERIOR] /= 2
    return whole.moved(half, half.centre + inBox @ box.axes)
