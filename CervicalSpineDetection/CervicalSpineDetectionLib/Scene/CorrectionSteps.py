"""The vertebrae of one CT as they stand in the scene, and the steps that led there, to be undone and redone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from CervicalSpineDetectionLib.Scene.EditHistory import EditHistory
from CervicalSpineDetectionLib.Scene.MouseAccess import MouseAccess
from CervicalSpineDetectionLib.Scene.VertebraNodes import readStates, writeStates
from CervicalSpineDetectionLib.Scene.VertebraState import VertebraState

if TYPE_CHECKING:
    import slicer


class CorrectionSteps:
    """States of this CT's vertebrae only: Slicer's scene undo, which is off by default and would reach other modules'
    nodes, is left alone.

    :param mouse: ``MouseAccess``, brought in line with the vertebrae after each step.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None,
                 mouse: MouseAccess) -> None:
        self._scene, self._volumeNode, self._mouse = scene, volumeNode, mouse
        self._history: EditHistory[tuple[VertebraState, ...]] = EditHistory()
        self._callbacks: list[Callable[[], object]] = []
        self._quiet = False
        # Vertebrae whose last change was made node by node from elsewhere: the next such change belongs to that step.
        self._changedElsewhere: frozenset[str | None] = frozenset()
        # As they stand now, and as they stood after the last step.
        self.present: tuple[VertebraState, ...] = tuple(readStates(scene, volumeNode))
        self.before = self.present

    # Steps

    def make(self, states: Sequence[VertebraState]) -> None:
        """Write states into the scene, as one step."""
        self._put(states)
        self.record()
        self.notify()

    def record(self) -> None:
        """What was changed since the last step becomes one."""
        self._changedElsewhere = frozenset()
        if self.present != self.before:
            self._history.record(self.before)
            self.before = self.present

    def recordChangeElsewhere(self) -> None:
        """A step, or one with the last where another module changes the same vertebra bit by bit."""
        before = {state.nodeId: state for state in self.before}
        now = {state.nodeId: state for state in self.present}
        changed = frozenset(nodeId for nodeId in before.keys() | now.keys() if before.get(nodeId) != now.get(nodeId))
        if changed and changed == self._changedElsewhere:
            self.before = self.present
            return
        self.record()
        self._changedElsewhere = changed if before.keys() == now.keys() else frozenset()

    @property
    def canUndo(self) -> bool:
        return self._history.canUndo

    @property
    def canRedo(self) -> bool:
        return self._history.canRedo

    def undo(self) -> None:
        if self.canUndo:
            self._show(self._history.undo(self.before))

    def redo(self) -> None:
        if self.canRedo:
            self._show(self._history.redo(self.before))

    def end(self) -> None:
        """Nothing is left to correct, and nothing to undo."""
        self._history.clear()
        self.present = self.before = ()

    # Followers

    def observe(self, callback: Callable[[], object]) -> None:
        """:param callback: called without arguments after each change, during a drag too."""
        self._callbacks.append(callback)

    def forgetObservers(self) -> None:
        self._callbacks.clear()

    def notify(self) -> None:
        for callback in list(self._callbacks):
            callback()

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """While nodes are changed from here."""
        quiet, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = quiet

    @property
    def isQuiet(self) -> bool:
        return self._quiet

    def _show(self, states: Sequence[VertebraState]) -> None:
        self._put(states)
        self.before = self.present
        self._changedElsewhere = frozenset()
        self.notify()

    def _put(self, states: Sequence[VertebraState]) -> None:
        with self.quietly():
            self.present = tuple(writeStates(self._scene, self._volumeNode, states))
            self._mouse.apply(self.present)
