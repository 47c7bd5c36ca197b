"""Undo and redo of values. Each step holds the whole value before it, which is small here and can't go stale."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

Value = TypeVar("Value")


class EditHistory(Generic[Value]):
    """:param depth: steps that can be undone; older ones are forgotten."""

    def __init__(self, depth: int = 100) -> None:
        self._undo: deque[Value] = deque(maxlen=depth)
        self._redo: list[Value] = []

    def record(self, before: Value) -> None:
        """A step was made; ``before`` is the value it was made from. What had been undone can't be redone any more."""
        self._undo.append(before)
        self._redo.clear()

    def undo(self, present: Value) -> Value:
        """:param present: the value now.
        :return: the value before the last step.
        """
        self._redo.append(present)
        return self._undo.pop()

    def redo(self, present: Value) -> Value:
        self._undo.append(present)
        return self._redo.pop()

    def clear(self) -> None:
        self._undo.clear()
        self._redo.clear()

    @property
    def canUndo(self) -> bool:
        return bool(self._undo)

    @property
    def canRedo(self) -> bool:
        return bool(self._redo)
