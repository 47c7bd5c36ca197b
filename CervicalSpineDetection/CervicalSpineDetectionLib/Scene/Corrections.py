"""What a person makes of a detection: corrections of the nodes, with undo and redo.

Each correction, and each drag of a box's handles or of a centre point in the views, is one step. A new detection is a
step too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import vtk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.CentrePoints import strayPoints
from CervicalSpineDetectionLib.Scene.Conflicts import Conflict, conflicts, contradictions
from CervicalSpineDetectionLib.Scene.CorrectionSteps import CorrectionSteps
from CervicalSpineDetectionLib.Scene.MouseAccess import MouseAccess
from CervicalSpineDetectionLib.Scene.NodeConflicts import copyConflicts, strayConflicts
from CervicalSpineDetectionLib.Scene.OtherNaming import OtherNaming, otherNamingOf
from CervicalSpineDetectionLib.Scene.OwnNodes import transformIdOf
from CervicalSpineDetectionLib.Scene.SceneFollower import SceneFollower
from CervicalSpineDetectionLib.Scene.SpineCurve import interpolated, missingLevelAt, usualVertebra
from CervicalSpineDetectionLib.Scene.StateEdits import (
    StateEdits,
    checkLevel,
    checkNamed,
    checkUnlocked,
    shownVertebrae,
)
from CervicalSpineDetectionLib.Scene.Translation import tr as _
from CervicalSpineDetectionLib.Scene.VertebraNodes import inLevelOrder
from CervicalSpineDetectionLib.Scene.VertebraRow import Row, rowOf
from CervicalSpineDetectionLib.Scene.VertebraState import VertebraState, stateOf
from CervicalSpineDetectionLib.Scene.VolumeNodes import LPS_TO_RAS
from CervicalSpineDetectionLib.Spine.Arrays import Array, Point
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra

if TYPE_CHECKING:
    import slicer


class Corrections:
    """Corrections of the vertebrae of one CT.

    Nodes are followed until ``release``, the CT's removal or the scene's end; afterwards there is nothing here.

    :param scene: vtkMRMLScene.
    :param volumeNode: the CT, None for vertebrae that were added without one.
    :param editor: name to be noted with each edit; none is by default.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None,
                 editor: str | None = None) -> None:
        self._scene, self._volumeNode = scene, volumeNode
        self._edits = StateEdits(editor)
        self._mouse = MouseAccess(scene, volumeNode)
        self._steps = CorrectionSteps(scene, volumeNode, self._mouse)
        self._follower = SceneFollower(scene, volumeNode, self._steps, self._edits.edited)

    # What stands in the scene

    def rows(self) -> list[Row]:
        """In cranio-caudal order of the levels, those without a level last."""
        return [rowOf(state) for state in self._present]

    def conflicts(self) -> list[Conflict]:
        if self._follower.isOver:
            return []
        return [
            *conflicts(self._present, transformIdOf(self._volumeNode)),
            *strayConflicts(self._scene, self._volumeNode, self._present),
            *copyConflicts(self._scene, self._volumeNode),
        ]

    def confirmedVertebrae(self) -> list[Vertebra]:
        """Those a new detection has to go around: confirmed, edited or locked.

        :return: LPS mm in the CT's frame, in cranio-caudal order.
        :raises InputError: they contradict each other.
        """
        settled = [state for state in self._present if state.settled]
        found = contradictions(settled, transformIdOf(self._volumeNode))
        if found:
            raise InputError(found[0].message)
        return [state.vertebra for state in settled]

    def otherNaming(self) -> OtherNaming | None:
        """The detection's next most probable naming, while no person has settled the levels; None where it would
        contradict some that are settled.
        """
        other = otherNamingOf(self._present)
        if other is None:
            return None
        renamed = inLevelOrder(self._edits.shifted(self._present, other.shift, evenSettled=False))
        transformId = transformIdOf(self._volumeNode)
        return other if len(conflicts(renamed, transformId)) <= len(conflicts(self._present, transformId)) else None

    # Corrections

    def relabel(self, nodeId: str, level: str) -> None:
        """Another level: name, colour, code and the point's name. A level that is there already shows as a conflict."""
        checkLevel(level)
        self._replace(nodeId, lambda state: self._edits.relabelled(state, level))

    def shift(self, step: int) -> None:
        """All levels by ``step``: +1 makes C3 of C2.

        :raises InputError: one would leave C1 to T4, or is locked.
        """
        self._write(self._edits.shifted(self._present, step))

    def useOtherNaming(self) -> None:
        """All levels that no person settled by the shift of ``otherNaming``; nothing where there is none."""
        other = self.otherNaming()
        if other:
            self._write(self._edits.shifted(self._present, other.shift, evenSettled=False))

    def insert(self, level: str, centreLps: Point | None = None) -> str:
        """Add a missed level.

        :param centreLps: LPS mm in the CT's frame, shape (3,). If not given, that of a centre point that lost its box,
            or else interpolated from the neighbours.
        :return: the node's ID.
        :raises InputError: the level is there already, or there is no other vertebra to tell the place.
        """
        checkLevel(level)
        others = shownVertebrae(self._present)
        if any(other.level == level for other in others):
            raise InputError(_("{level} exists already: delete or rename it first.").format(level=level))
        pointId = None
        if centreLps is None:
            pointId, centreLps = strayPoints(self._scene, self._volumeNode, self._present).get(level, (None, None))
        if centreLps is None and not others:
            raise InputError(_("There is no vertebra yet to interpolate from: insert the first one by click."))
        vertebra = interpolated(level, others, centreLps) if others else usualVertebra(level, centreLps)
        state = stateOf(vertebra, detected=False)
        return self._writeWithNew([*self._present, self._edits.stamped(replace(state, pointId=pointId))])

    def insertAt(self, positionRas: Point, firstLevel: str | None = None) -> str:
        """Add the missed level that stands at a place.

        :param positionRas: RAS mm in the world, shape (3,): the centre of the vertebra's body.
        :param firstLevel: which one it is where there is no other to tell it by.
        :return: the node's ID.
        :raises InputError: no level is missing there.
        """
        position = LPS_TO_RAS @ self._fromWorld(positionRas)
        others = shownVertebrae(self._present)
        if not others and firstLevel is None:
            raise InputError(_("There is no vertebra yet to interpolate from: choose its level first."))
        return self.insert(missingLevelAt(position, others) if others else firstLevel, position)

    def delete(self, *nodeIds: str) -> None:
        for nodeId in nodeIds:
            checkUnlocked(self._state(nodeId))
        self._write([state for state in self._present if state.nodeId not in nodeIds])

    def clear(self) -> None:
        """Delete all.

        :raises InputError: one is locked.
        """
        self.delete(*(state.nodeId for state in self._present))

    def split(self, nodeId: str) -> str:
        """Part one box into two, one above the other. The lower takes the next level, or the upper the previous one
        where only that is free; where neither is, the conflict is shown.

        :return: the node's ID of the lower one.
        """
        whole = self._state(nodeId)
        checkUnlocked(whole)
        checkNamed(whole)
        rest = [state for state in self._present if state is not whole]
        return self._writeWithNew([*rest, *self._edits.split(whole, {state.level for state in self._present})])

    def merge(self, nodeId: str, otherId: str) -> None:
        """Make one box of two; it keeps the level and the orientation of ``nodeId``."""
        one, other = self._state(nodeId), self._state(otherId)
        if nodeId == otherId:
            raise InputError(_("A vertebra can't be merged with itself: select another one."))
        for state in (one, other):
            checkUnlocked(state)
        checkNamed(one)
        merged = self._edits.merged(one, other)
        self._write([merged if state is one else state for state in self._present if state is not other])

    def reset(self, nodeId: str) -> None:
        """Back to what the detector said."""
        if self._state(nodeId).value("DetectedLevel") is None:
            raise InputError(_("{name} was inserted by hand and has no detection to restore: undo or delete it "
                               "instead.").format(name=self._state(nodeId).name))
        self._replace(nodeId, lambda state: state.reset())

    def setConfirmed(self, nodeIds: str | Sequence[str], confirmed: bool) -> None:
        """Whether a person found all of it right.

        :param nodeIds: one or several.
        """
        self._replace(nodeIds, lambda state: self._edits.confirmed(state, confirmed), evenLocked=True)

    def confirmAll(self) -> None:
        self.setConfirmed([state.nodeId for state in self._present], True)

    def setLocked(self, nodeIds: str | Sequence[str], locked: bool) -> None:
        """Whether it is kept from any change, by drags too.

        :param nodeIds: one or several.
        """
        self._replace(nodeIds, lambda state: replace(state, locked=bool(locked)), evenLocked=True)

    def setVisible(self, nodeIds: str | Sequence[str], visible: bool) -> None:
        """Whether box and point are shown.

        :param nodeIds: one or several.
        """
        self._replace(nodeIds, lambda state: replace(state, visible=bool(visible)), evenLocked=True)

    def showHandles(self, nodeId: str | None = None) -> None:
        """Only this vertebra can be dragged, none if it is locked; None for no vertebra. Not a step."""
        self._mouse.choose(nodeId)
        self._applyMouseAccess()

    def holdMouse(self, held: bool) -> None:
        """No vertebra can be dragged meanwhile, not even the chosen one. Not a step."""
        self._mouse.hold(held)
        self._applyMouseAccess()

    # Undo and redo

    @property
    def isOver(self) -> bool:
        """The CT or the scene is gone."""
        return self._follower.isOver

    @property
    def canUndo(self) -> bool:
        return self._steps.canUndo

    @property
    def canRedo(self) -> bool:
        return self._steps.canRedo

    def undo(self) -> None:
        """Does nothing where nothing can be undone."""
        self._follower.endDrag()
        self._steps.undo()

    def redo(self) -> None:
        """Does nothing where nothing can be redone."""
        self._follower.endDrag()
        self._steps.redo()

    # Followers

    def observe(self, callback: Callable[[], object]) -> None:
        """:param callback: called without arguments after each change, during a drag too."""
        self._steps.observe(callback)

    def release(self) -> None:
        """Let go of scene and nodes."""
        self._steps.forgetObservers()
        self._follower.end()

    def _applyMouseAccess(self) -> None:
        with self._steps.quietly():
            self._mouse.apply(self._present)

    @property
    def _present(self) -> tuple[VertebraState, ...]:
        return self._steps.present

    def _state(self, nodeId: str) -> VertebraState:
        for state in self._present:
            if state.nodeId == nodeId:
                return state
        raise InputError(_("That vertebra is no longer in the scene: select another one."))

    def _fromWorld(self, positionRas: Point) -> Array:
        transformNode = self._volumeNode.GetParentTransformNode() if self._volumeNode else None
        if transformNode is None:
            return np.array(positionRas, float)
        fromWorld = vtk.vtkGeneralTransform()
        transformNode.GetTransformFromWorld(fromWorld)
        return np.array(fromWorld.TransformPoint(positionRas))

    def _replace(self, nodeIds: str | Sequence[str], change: Callable[[VertebraState], VertebraState],
                 evenLocked: bool = False) -> None:
        nodeIds = [nodeIds] if isinstance(nodeIds, str) else nodeIds
        changed = [self._state(nodeId) for nodeId in nodeIds]
        if not evenLocked:
            for state in changed:
                checkUnlocked(state)
        self._write([change(state) if state.nodeId in nodeIds else state for state in self._present])

    def _writeWithNew(self, states: Sequence[VertebraState]) -> str:
        """:return: node ID of the one state that is not in the scene yet."""
        ids = {state.nodeId for state in self._present}
        self._write(states)
        return next(state.nodeId for state in self._present if state.nodeId not in ids)

    def _write(self, states: Sequence[VertebraState]) -> None:
        """One step."""
        if self._follower.isOver:
            raise InputError(_("The CT is no longer in the scene: load it and detect again."))
        self._follower.endDrag()
        self._steps.make(states)
