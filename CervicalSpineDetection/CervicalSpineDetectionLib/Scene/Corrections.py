"""What a person makes of a detection: corrections of the nodes, with undo and redo.

Each correction, and each drag of a box's handles or of a centre point in the views, is one step. Steps are kept as
states of this volume's vertebrae only: Slicer's scene undo, which is off by default and would reach other modules'
nodes, is left alone. A new detection is a step too.
"""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone

import numpy as np
import slicer
import vtk

from CervicalSpineDetectionLib.Detection.Anatomy import LEVELS, levelIndex
from CervicalSpineDetectionLib.Detection.Vertebra import OrientedBox, Vertebra
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.Conflicts import Conflict, conflicts, contradictions
from CervicalSpineDetectionLib.Scene.EditHistory import EditHistory
from CervicalSpineDetectionLib.Scene.Levels import levelColour
from CervicalSpineDetectionLib.Scene.SpineCurve import interpolated, missingLevelAt
from CervicalSpineDetectionLib.Scene.VertebraNodes import (
    UNKNOWN_COLOUR,
    belongsTo,
    centresNodeOf,
    copyConflicts,
    isWithoutCt,
    markupsNodes,
    readStates,
    removeStrayPoints,
    strayConflicts,
    strayPoints,
    transformIdOf,
    vertebraNodes,
    writeStates,
)
from CervicalSpineDetectionLib.Scene.VertebraState import TOLERANCE_MM, boxCorners, hull, movedAlong, stateOf
from CervicalSpineDetectionLib.Scene.VolumeNodes import LPS_TO_RAS

SUPERIOR = 2


@dataclass(frozen=True)
class Row:
    """One vertebra in a table.

    :param nodeId: of the box's node.
    :param level: "C3"; the node's name where that names no vertebra.
    :param confidence: the detector's, 0 to 1; 1 where a person set or confirmed the level.
    :param remark: why it is to be looked at, empty for a sure one.
    :param inferred: placed between its neighbours, not seen and not yet placed by a person.
    :param size: left-right, posterior-anterior, inferior-superior, mm.
    :param colour: RGB, 0 to 1.
    """

    nodeId: str
    level: str
    confidence: float
    remark: str
    visible: bool
    confirmed: bool
    locked: bool
    edited: bool
    inferred: bool
    size: tuple
    colour: tuple


class Corrections:
    """Corrections of the vertebrae of one CT.

    Nodes are followed until ``release``, the CT's removal or the scene's end; afterwards there is nothing here.

    :param scene: vtkMRMLScene.
    :param volumeNode: the CT, None for vertebrae that were added without one.
    :param editor: name to be noted with each edit; none is by default.
    """

    def __init__(self, scene, volumeNode, editor=None):
        self._scene, self._volumeNode, self._editor = scene, volumeNode, editor
        self._history = EditHistory()
        self._callbacks = []
        self._observerTags = {}
        self._quiet = False
        self._isOver = False
        self._withHandles = None
        self._dragged = None
        # Vertebrae whose last change was made node by node from elsewhere: the next such change belongs to that step.
        self._changedElsewhere = frozenset()
        self._present = self._before = tuple(readStates(scene, volumeNode))
        self._observeNodes()

    # What stands in the scene

    def rows(self) -> list[Row]:
        """In cranio-caudal order of the levels, those without a level last."""
        return [_row(state) for state in self._present]

    def conflicts(self) -> list[Conflict]:
        if self._isOver:
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

    # Corrections

    def relabel(self, nodeId, level):
        """Another level: name, colour, code and the point's name. A level that is there already shows as a conflict."""
        _checkLevel(level)
        self._replace(nodeId, lambda state: self._edited(state.withPoint().named(level)))

    def shift(self, step):
        """All levels by ``step``: +1 makes C3 of C2.

        :raises InputError: one would leave C1 to T4, or is locked.
        """
        named = [state for state in self._present if state.level]
        for state in named:
            _checkUnlocked(state)
            if not 0 <= levelIndex(state.level) + step < len(LEVELS):
                raise InputError(f"The levels can't be shifted: {state.level} would leave {LEVELS[0]} to {LEVELS[-1]}; "
                                 "delete or rename it first.")
        self._write([self._edited(state.named(LEVELS[levelIndex(state.level) + step])) if state.level else state
                     for state in self._present])

    def insert(self, level, centreLps=None) -> str:
        """Add a missed level.

        :param centreLps: LPS mm in the CT's frame, shape (3,). If not given, that of a centre point that lost its box,
            or else interpolated from the neighbours.
        :return: the node's ID.
        :raises InputError: the level is there already, or there is no other vertebra.
        """
        _checkLevel(level)
        others = self._neighbours()
        if any(other.level == level for other in others):
            raise InputError(f"{level} is there already: delete or rename it first.")
        pointId = None
        if centreLps is None:
            pointId, centreLps = strayPoints(self._scene, self._volumeNode, self._present).get(level, (None, None))
        state = stateOf(interpolated(level, others, centreLps), detected=False)
        return self._add(self._stamped(replace(state, pointId=pointId)))

    def insertAt(self, positionRas) -> str:
        """Add the missed level that stands at a place.

        :param positionRas: RAS mm in the world, shape (3,): the centre of the vertebra's body.
        :return: the node's ID.
        :raises InputError: no level is missing there.
        """
        position = LPS_TO_RAS @ self._fromWorld(positionRas)
        return self.insert(missingLevelAt(position, self._neighbours()), position)

    def delete(self, nodeId):
        _checkUnlocked(self._state(nodeId))
        self._write([state for state in self._present if state.nodeId != nodeId])

    def split(self, nodeId) -> str:
        """Part one box into two, one above the other. The lower takes the next level, or the upper the previous one
        where only that is free; where neither is, the conflict is shown.

        :return: the node's ID of the lower one.
        """
        whole = self._state(nodeId)
        _checkUnlocked(whole)
        _checkNamed(whole)
        levels = {state.level for state in self._present}
        index = levelIndex(whole.level)
        free = [level for level in LEVELS[index + 1:index + 2] + LEVELS[max(index - 1, 0):index] if level not in levels]
        neighbour = free[0] if free else LEVELS[min(index + 1, len(LEVELS) - 1)]
        upperLevel, lowerLevel = sorted((whole.level, neighbour), key=levelIndex)
        upper, lower = (self._half(whole, side) for side in (1, -1))
        lower = replace(stateOf(replace(lower.vertebra, confidence=1.0, inferred=False), detected=False),
                        visible=whole.visible)
        rest = [state for state in self._present if state.nodeId != nodeId]
        ids = {state.nodeId for state in self._present}
        self._write([*rest, self._edited(upper.named(upperLevel)), self._stamped(lower.named(lowerLevel).checked())])
        return next(state.nodeId for state in self._present if state.nodeId not in ids)

    def merge(self, nodeId, otherId):
        """Make one box of two; it keeps the level and the orientation of ``nodeId``."""
        one, other = self._state(nodeId), self._state(otherId)
        if nodeId == otherId:
            raise InputError("A vertebra can't be merged with itself: choose another one.")
        for state in (one, other):
            _checkUnlocked(state)
        _checkNamed(one)
        axes = one.orientedBox.axes
        corners = np.concatenate([boxCorners(state.orientedBox) for state in (one, other)]) @ axes.T
        lowest, highest = corners.min(axis=0), corners.max(axis=0)
        box = OrientedBox((lowest + highest) / 2 @ axes, highest - lowest, axes)
        centre = np.mean([state.withPoint().centre for state in (one, other)], axis=0)
        merged = self._edited(one.withPoint().moved(box, centre))
        self._write([merged if state is one else state for state in self._present if state is not other])

    def reset(self, nodeId):
        """Back to what the detector said."""
        if self._state(nodeId).value("DetectedLevel") is None:
            raise InputError(f"{self._state(nodeId).name} was added by hand, so there is no detection to go back to: "
                             "undo or delete it instead.")
        self._replace(nodeId, lambda state: state.reset())

    def setConfirmed(self, nodeId, confirmed):
        """Whether a person found all of it right."""
        self._replace(nodeId, lambda state: self._confirmed(state, confirmed), evenLocked=True)

    def confirmAll(self):
        for state in self._present:
            _checkNamed(state)
        self._write([self._confirmed(state, True) for state in self._present])

    def setLocked(self, nodeId, locked):
        """Whether it is kept from any change, by drags too."""
        self._replace(nodeId, lambda state: replace(state, locked=bool(locked)), evenLocked=True)

    def setVisible(self, nodeId, visible):
        """Whether box and point are shown."""
        self._replace(nodeId, lambda state: replace(state, visible=bool(visible)), evenLocked=True)

    def showHandles(self, nodeId=None):
        """Handles to drag on this box only, on none if it is locked; None for no box. Not a step."""
        self._withHandles = nodeId
        with self._quietly():
            self._putHandles()

    # Undo and redo

    @property
    def canUndo(self) -> bool:
        return self._history.canUndo

    @property
    def canRedo(self) -> bool:
        return self._history.canRedo

    def undo(self):
        """Does nothing where nothing can be undone."""
        self._endDrag()
        if self.canUndo:
            self._show(self._history.undo(self._before))

    def redo(self):
        """Does nothing where nothing can be redone."""
        self._endDrag()
        if self.canRedo:
            self._show(self._history.redo(self._before))

    # Followers

    def observe(self, callback):
        """:param callback: called without arguments after each change, during a drag too."""
        self._callbacks.append(callback)

    def release(self):
        """Let go of scene and nodes."""
        self._callbacks.clear()
        self._end()

    def _putHandles(self):
        for state in self._present:
            displayNode = self._scene.GetNodeByID(state.nodeId).GetDisplayNode()
            displayNode.SetHandlesInteractive(state.nodeId == self._withHandles and not state.locked)

    # States of one vertebra

    def _state(self, nodeId):
        for state in self._present:
            if state.nodeId == nodeId:
                return state
        raise InputError("That vertebra is no longer in the scene: choose another one.")

    def _edited(self, state):
        return self._stamped(state.withValues(Edited="true")).checked()

    def _stamped(self, state):
        if self._editor is None:
            return state
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return state.withValues(EditedBy=self._editor, EditedAt=now)

    def _confirmed(self, state, confirmed):
        _checkNamed(state)
        state = state.withPoint().withValues(Confirmed="true" if confirmed else None)
        return (self._stamped(state) if confirmed else state).checked()

    def _half(self, whole, side):
        """Upper (1) or lower (-1) half along the spine."""
        box = whole.orientedBox
        size = box.size * np.where(np.arange(3) == SUPERIOR, 0.5, 1)
        half = OrientedBox(box.centre + side * size[SUPERIOR] / 2 * box.axes[SUPERIOR], size, box.axes)
        inBox = box.axes @ (np.array(whole.withPoint().centre) - box.centre)
        inBox[SUPERIOR] /= 2
        return whole.moved(half, half.centre + inBox @ box.axes)

    def _neighbours(self):
        """The vertebrae as shown, each level once."""
        others = {}
        for state in self._present:
            if state.level and state.centre and state.level not in others:
                box = state.orientedBox
                others[state.level] = Vertebra(state.level, 1.0, np.array(state.centre), hull(box), box)
        if not others:
            raise InputError("There is no vertebra yet to go by: detect first.")
        return list(others.values())

    def _fromWorld(self, positionRas):
        transformNode = self._volumeNode.GetParentTransformNode() if self._volumeNode else None
        if transformNode is None:
            return np.array(positionRas, float)
        fromWorld = vtk.vtkGeneralTransform()
        transformNode.GetTransformFromWorld(fromWorld)
        return np.array(fromWorld.TransformPoint(positionRas))

    # Steps

    def _replace(self, nodeId, change, evenLocked=False):
        changed = self._state(nodeId)
        if not evenLocked:
            _checkUnlocked(changed)
        self._write([change(state) if state is changed else state for state in self._present])

    def _add(self, state):
        ids = {present.nodeId for present in self._present}
        self._write([*self._present, state])
        return next(present.nodeId for present in self._present if present.nodeId not in ids)

    def _write(self, states):
        """One step."""
        if self._isOver:
            raise InputError("The CT is no longer in the scene: load it and detect again.")
        self._endDrag()
        with self._quietly():
            self._present = tuple(writeStates(self._scene, self._volumeNode, states))
            if self._withHandles:
                self._putHandles()
        self._changedElsewhere = frozenset()
        self._recordStep()
        self._notify()

    def _show(self, states):
        with self._quietly():
            self._present = self._before = tuple(writeStates(self._scene, self._volumeNode, states))
            if self._withHandles:
                self._putHandles()
        self._changedElsewhere = frozenset()
        self._notify()

    def _recordStep(self):
        if self._present != self._before:
            self._history.record(self._before)
            self._before = self._present

    def _notify(self):
        for callback in list(self._callbacks):
            callback()

    @contextmanager
    def _quietly(self):
        """While nodes are changed from here."""
        quiet, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = quiet

    # Changes from elsewhere: drags, other modules, a new detection

    def _observeNodes(self):
        scene = self._scene
        self._follow(scene, self._onNodeAdded, scene.NodeAddedEvent)
        self._follow(scene, self._onNodeRemoved, scene.NodeRemovedEvent)
        self._follow(scene, self._onStartClose, scene.StartCloseEvent)
        self._follow(scene, self._onChange, scene.EndBatchProcessEvent, scene.EndImportEvent)
        self._geometry = self._ctGeometry()
        if self._volumeNode:
            self._follow(self._volumeNode, self._onCtTransform, self._volumeNode.TransformModifiedEvent)
        for node in markupsNodes(scene):
            self._followMarkups(node)

    def _followMarkups(self, node):
        self._follow(node, self._onNodeChange, vtk.vtkCommand.ModifiedEvent, node.PointModifiedEvent,
                     node.PointAddedEvent, node.PointRemovedEvent, node.PointPositionUndefinedEvent,
                     node.LockModifiedEvent, node.DisplayModifiedEvent, node.TransformModifiedEvent)
        self._follow(node, self._onDragStart, node.PointStartInteractionEvent)
        self._follow(node, self._onDragEnd, node.PointEndInteractionEvent)

    def _follow(self, observed, follower, *events):
        tags = self._observerTags.setdefault(observed, [])
        tags.extend(observed.AddObserver(event, _weakly(follower)) for event in events)

    def _letGo(self, observed):
        for tag in self._observerTags.pop(observed, ()):
            observed.RemoveObserver(tag)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, caller, event, node):
        # All markups: a new one is marked as ours only after it was added.
        if node.IsA("vtkMRMLMarkupsNode"):
            self._followMarkups(node)
            self._onChange()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, caller, event, node):
        if node is self._volumeNode:
            self._end()
        elif node in self._observerTags:
            self._letGo(node)
            self._onNodeChange(node, event)

    def _onStartClose(self, caller, event):
        self._end()

    def _end(self):
        for observed in list(self._observerTags):
            self._letGo(observed)
        self._history.clear()
        self._present = self._before = ()
        self._dragged = None
        self._isOver = True
        self._notify()

    def _onCtTransform(self, caller, event):
        """Boxes and points go under the transform the CT is put under. Where one is hardened on the CT they stay under
        it, and so in place, and a conflict tells that."""
        if self._ctGeometry() != self._geometry:
            return
        with self._quietly():
            for node in vertebraNodes(self._scene, self._volumeNode):
                node.SetAndObserveTransformNodeID(self._volumeNode.GetTransformNodeID())
        self._onChange()

    def _ctGeometry(self):
        matrix = vtk.vtkMatrix4x4()
        if self._volumeNode:
            self._volumeNode.GetIJKToRASMatrix(matrix)
        return tuple(slicer.util.arrayFromVTKMatrix(matrix).ravel())

    def _onDragStart(self, node, event):
        if belongsTo(node, self._volumeNode):
            self._endDrag()
            self._dragged = node
            self._holdOtherPoints(node, True)

    def _onDragEnd(self, node, event):
        if node is self._dragged:
            self._endDrag()
            self._notify()

    def _endDrag(self):
        """The drag becomes a step. Slicer's key "s" over a point starts one and never ends it."""
        if self._dragged is not None:
            self._holdOtherPoints(self._dragged, False)
            self._dragged = None
            self._changedElsewhere = frozenset()
            self._recordStep()

    def _holdOtherPoints(self, node, held):
        """A drag with the middle button moves a whole list but its locked points: hold those not under the mouse."""
        if node is not centresNodeOf(self._scene, self._volumeNode):
            return
        locked = {state.pointId for state in self._present if state.locked}
        active = node.GetDisplayNode().GetActiveComponentIndex()
        with self._quietly():
            for index in range(node.GetNumberOfControlPoints()):
                hold = held and index != active
                node.SetNthControlPointLocked(index, hold or node.GetNthControlPointID(index) in locked)

    def _onNodeChange(self, node, event):
        if belongsTo(node, self._volumeNode):
            self._onChange()
        elif isWithoutCt(node) and not self._isBusy():
            # It may be a copy of ours.
            self._notify()

    def _onChange(self, caller=None, event=None):
        if self._isBusy():
            return
        present = {state.nodeId: state for state in self._present}
        found = tuple(state.steadied(present.get(state.nodeId)) for state in readStates(self._scene, self._volumeNode))
        if found == self._present:
            if [state.transformId for state in found] != [state.transformId for state in self._present]:
                self._present = found
                self._notify()
            return
        with self._quietly():
            self._present = self._settled(found)
        if self._dragged is None:
            self._recordChange()
        self._notify()

    def _isBusy(self):
        scene = self._scene
        return self._quiet or scene.IsBatchProcessing() or scene.IsImporting()

    def _settled(self, found):
        """Boxes and points that were changed from elsewhere belong together, and are marked as edited."""
        before = {state.nodeId: state for state in self._before}
        gone = [state for nodeId, state in before.items() if nodeId not in {present.nodeId for present in found}]
        if gone:
            removeStrayPoints(self._scene, self._volumeNode, gone)
        settled = [self._settledOne(before.get(state.nodeId, state), state) for state in found]
        if settled == list(found) and not gone:
            return found
        return tuple(writeStates(self._scene, self._volumeNode, settled))

    def _settledOne(self, before, now):
        if (now.box, now.centre, now.name) == (before.box, before.centre, before.name):
            return now
        if self._dragged is not None and before.locked:
            return before
        if now.centre and before.centre and now.box != before.box:
            start, end = before.orientedBox, now.orientedBox
            # A box that was resized keeps its point where it is, one that was moved or turned takes it along.
            stays = not np.allclose(start.size, end.size, rtol=0, atol=TOLERANCE_MM)
            now = now.moved(end, before.centre if stays else movedAlong(before.centre, start, end))
        return self._edited(now)

    def _recordChange(self):
        """A step, or one with the last where another module changes the same vertebra bit by bit."""
        before = {state.nodeId: state for state in self._before}
        now = {state.nodeId: state for state in self._present}
        changed = frozenset(nodeId for nodeId in before.keys() | now.keys() if before.get(nodeId) != now.get(nodeId))
        if changed and changed == self._changedElsewhere:
            self._before = self._present
            return
        self._recordStep()
        self._changedElsewhere = changed if before.keys() == now.keys() else frozenset()


def _weakly(method):
    """An observer that doesn't keep its object alive. With a method, object and node would own each other; VTK crashes
    when Python's garbage collector finds such a cycle after the scene is gone."""
    reference = weakref.WeakMethod(method)

    def follow(*arguments):
        present = reference()
        if present:
            present(*arguments)

    if hasattr(method, "CallDataType"):
        follow.CallDataType = method.CallDataType
    return follow


def _row(state):
    whole = state.level is not None and state.centre is not None
    vertebra = state.vertebra if whole else None
    return Row(
        nodeId=state.nodeId,
        level=state.level or state.name,
        confidence=vertebra.confidence if whole else 0.0,
        remark=state.remark,
        visible=state.visible,
        confirmed=state.confirmed,
        locked=state.locked,
        edited=state.edited,
        inferred=vertebra.inferred if whole else False,
        size=tuple(float(length) for length in state.orientedBox.size),
        colour=levelColour(state.level) if state.level else UNKNOWN_COLOUR,
    )


def _checkLevel(level):
    if level not in LEVELS:
        raise InputError(f'"{level}" is no level: choose one from {LEVELS[0]} to {LEVELS[-1]}.')


def _checkUnlocked(state):
    if state.locked:
        raise InputError(f"{state.name} is locked: unlock it first.")


def _checkNamed(state):
    if state.level is None:
        raise InputError(f'"{state.name}" names no vertebra: give it a level first.')
