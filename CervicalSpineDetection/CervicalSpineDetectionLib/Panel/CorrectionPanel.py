"""The panel's middle: table and Correct section, and how they and the views follow each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from CervicalSpineDetectionLib.Panel.CorrectionButtons import CorrectionButtons
from CervicalSpineDetectionLib.Panel.CtSessions import CtSessions
from CervicalSpineDetectionLib.Panel.Events import Later, Shortcuts, shortcutOf
from CervicalSpineDetectionLib.Panel.ExportSection import ExportSection
from CervicalSpineDetectionLib.Panel.Messages import StatusLine, errorsShown, summaryOf
from CervicalSpineDetectionLib.Panel.SpineChart import SpineChart
from CervicalSpineDetectionLib.Panel.VertebraTable import VertebraTable
from CervicalSpineDetectionLib.Panel.ViewClicks import BoxPicker, PointPlacer
from CervicalSpineDetectionLib.Panel.ViewOptions import ViewOptions
from CervicalSpineDetectionLib.Scene.FitViews import fitViews
from CervicalSpineDetectionLib.Scene.SpineChart import chartOf
from CervicalSpineDetectionLib.Scene.VertebraNodes import readStates
from CervicalSpineDetectionLib.Scene.ViewSelection import jumpTo, placeInViews
from CervicalSpineDetectionLib.Spine.Levels import LEVELS

if TYPE_CHECKING:
    from CervicalSpineDetectionLib.Panel.Ui import Ui
    from CervicalSpineDetectionLib.Scene.Corrections import Corrections
    from CervicalSpineDetectionLib.Scene.VertebraRow import Row
    from CervicalSpineDetectionLib.Spine.Arrays import Array

SHORTCUTS = {
    "Alt+Up": "selectPrevious", "Alt+Down": "selectNext", "Ctrl+Shift+Up": "shiftUp", "Ctrl+Shift+Down": "shiftDown",
    "Ctrl+Z": "undo", "Ctrl+Y": "redo", "Ctrl+Shift+Z": "redo", "Ctrl+Return": "confirmAndNext",
    "Ctrl+Enter": "confirmAndNext",
}


class CorrectionPanel:
    """:param ui: the panel's widgets by name.
    :param parent: the panel, in whose window the keyboard shortcuts work.
    """

    def __init__(self, ui: Ui, parent: qt.QWidget) -> None:
        self.ui = ui
        self.volumeNode: slicer.vtkMRMLScalarVolumeNode | None = None
        self.corrections: Corrections | None = None
        self._rows: list[Row] = []
        self._ownsViews = False
        self._jumps = True
        # Many changes in a row are shown once.
        self._refreshLater = Later(self._refreshAfterChange)
        self.table = VertebraTable(ui.vertebraTable, self._onSelection, self._onLevel, self._onFlag)
        self._chart = SpineChart(ui.chartLabel)
        self.status = StatusLine(ui.statusLabel, ui.conflictsLabel.styleSheet)
        self._sessions = CtSessions(self._onSceneChange, self._onViewsChange)
        self.exports = ExportSection(ui, parent)
        self._buttons = CorrectionButtons(ui)
        self._options = ViewOptions(ui)
        self._picker = BoxPicker(lambda: [row.nodeId for row in self._rows], self._onPicked, self._onMiddleButton,
                                 self._onLayout)
        self._placer = PointPlacer(self._onPlaced, lambda: ui.insertAtButton.setChecked(False))
        ui.insertLevelComboBox.addItems(LEVELS)
        for name, action in {
            "shiftUpButton": self.shiftUp, "shiftDownButton": self.shiftDown, "undoButton": self.undo,
            "redoButton": self.redo, "insertButton": self.insert, "insertAtButton": self.insertAt,
            "deleteButton": self.delete, "splitButton": self.split, "mergeButton": self.merge,
            "resetButton": self.reset, "confirmButton": self.toggleConfirmed, "confirmAllButton": self.confirmAll,
            "lockButton": self.toggleLocked, "clearAllButton": self.clearAll, "fitViewsButton": self.fitViews,
            "otherNamingButton": self.useOtherNaming,
        }.items():
            getattr(ui, name).connect("clicked()", action)
        self._shortcuts = Shortcuts(parent, {keys: getattr(self, action) for keys, action in SHORTCUTS.items()})
        # Not in the views, where Slicer's Delete is for the point under the mouse.
        inTable = qt.Qt.WidgetWithChildrenShortcut
        self._tableShortcuts = [shortcutOf("Del", ui.vertebraTable, self.delete, inTable),
                                shortcutOf("F2", ui.vertebraTable, self.table.openLevels, inTable)]
        self.refresh()

    # Which CT, which views

    def setVolume(self, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Show the vertebrae of this CT, in the views too; None for no CT."""
        if volumeNode is self.volumeNode and (self.corrections or not volumeNode):
            return
        self._placer.stop()
        if self.corrections:
            self.corrections.showHandles(None)
        self.table.select(None)
        self.volumeNode = volumeNode
        self.corrections = self._sessions.correctionsOf(volumeNode)
        self.status.setVolume(volumeNode)
        self._rows = []
        self._showInViews()
        self.refresh()

    def watchViews(self) -> None:
        """The module is shown: follow clicks in the views of the present layout, and let the views follow the CT."""
        self._ownsViews = True
        self._shortcuts.install()
        self._picker.release()
        self._picker.watch()
        self._onLayout()
        self._showInViews()
        self._showHandles()

    def leaveViews(self) -> None:
        """Let go of the views: another module is shown."""
        self._shortcuts.uninstall()
        self._placer.stop()
        self._picker.release()
        self._sessions.leaveViews()
        if self.corrections:
            self.corrections.showHandles(None)
        self._ownsViews = False

    def cleanup(self) -> None:
        self.leaveViews()
        self.setVolume(None)
        self._sessions.release()

    def fitViews(self) -> None:
        """Zoom all views on the vertebrae, or on the CT where there are none."""
        self._sessions.bringToViews(self.volumeNode)
        fitViews(slicer.mrmlScene, self.volumeNode)

    def showDetected(self, isFirst: bool) -> None:
        """Fit the views after the first detection in this CT, and choose the vertebra in the middle of the spine."""
        self.refresh()
        if isFirst and self._rows:
            self.fitViews()
        self.selectMiddle()

    def _showInViews(self) -> None:
        if self.volumeNode and self._ownsViews:
            hadOther = self._sessions.bringToViews(self.volumeNode)
            if hadOther and self.corrections.rows():
                fitViews(slicer.mrmlScene, self.volumeNode)
        self._sessions.showOnly(self.volumeNode)

    # Table, buttons and conflicts as the scene is now

    def refresh(self) -> None:
        self._refreshLater.stop()
        former = self._rows
        self._rows = self.corrections.rows() if self.corrections else []
        selected = self.table.selectedIds()
        self.table.show(self._rows)
        self._chart.show(chartOf(readStates(slicer.mrmlScene, self.volumeNode)) if self._rows else [])
        if _looks(former) != _looks(self._rows):
            self._options.apply(self.volumeNode)
            self._sessions.showOnly(self.volumeNode)
            self._buttons.offerMissingLevel(self._rows)
        self._buttons.showConflicts(self.corrections)
        if self.table.selectedIds() != selected:
            self._onSelection()
        self._showButtons()

    def _showButtons(self) -> None:
        self._buttons.show(self.corrections, self._rows, self._selectedRows())
        self.exports.show(self.volumeNode, bool(self._rows))

    # What the user does

    def selectMiddle(self) -> None:
        """Choose the vertebra in the middle of the spine, so that all views show it."""
        if self._rows:
            self.table.select(self._rows[len(self._rows) // 2].nodeId)

    def selectPrevious(self) -> None:
        self.table.step(-1)

    def selectNext(self) -> None:
        self.table.step(1)

    def shiftUp(self) -> None:
        self._correct(lambda corrections: corrections.shift(-1))

    def shiftDown(self) -> None:
        self._correct(lambda corrections: corrections.shift(1))

    def useOtherNaming(self) -> None:
        self._correct(lambda corrections: corrections.useOtherNaming())

    def undo(self) -> None:
        self._goInHistory(lambda corrections: corrections.undo(), _("Undone."))

    def redo(self) -> None:
        self._goInHistory(lambda corrections: corrections.redo(), _("Redone."))

    def insert(self) -> None:
        level = LEVELS[self.ui.insertLevelComboBox.currentIndex]
        place = None if self._rows else placeInViews(slicer.mrmlScene, self.volumeNode)
        self._correct(lambda corrections: corrections.insert(level) if place is None
                      else corrections.insertAt(place, level), selectResult=True)

    def insertAt(self) -> None:
        if self.ui.insertAtButton.checked:
            self._placer.start()
        else:
            self._placer.stop()

    def delete(self) -> None:
        ids = self.table.selectedIds()
        if ids:
            self._correct(lambda corrections: corrections.delete(*ids))

    def clearAll(self) -> None:
        self._correct(lambda corrections: corrections.clear())

    def split(self) -> None:
        self._correctSelected(lambda corrections, nodeId: corrections.split(nodeId))

    def merge(self) -> None:
        upper, lower = self.table.selectedIds()
        self._correct(lambda corrections: corrections.merge(upper, lower))
        self.table.select(upper)

    def reset(self) -> None:
        self._correctSelected(lambda corrections, nodeId: corrections.reset(nodeId))

    def toggleConfirmed(self) -> None:
        rows = self._selectedRows()
        confirmed = not all(row.confirmed for row in rows)
        self._correct(lambda corrections: corrections.setConfirmed([row.nodeId for row in rows], confirmed))

    def confirmAndNext(self) -> None:
        ids = self.table.selectedIds()
        if ids:
            self._correct(lambda corrections: corrections.setConfirmed(ids, True))
            self.selectNext()

    def confirmAll(self) -> None:
        self._correct(lambda corrections: corrections.confirmAll())

    def toggleLocked(self) -> None:
        rows = self._selectedRows()
        locked = not all(row.locked for row in rows)
        self._correct(lambda corrections: corrections.setLocked([row.nodeId for row in rows], locked))

    # What follows

    def _onSelection(self) -> None:
        self._showHandles()
        selected = self.table.selectedIds()
        if self.corrections and self._ownsViews and self._jumps and len(selected) == 1:
            jumpTo(slicer.mrmlScene, self.volumeNode, selected[0])
        self._showButtons()

    def _showHandles(self) -> None:
        selected = self.table.selectedIds()
        if self.corrections and self._ownsViews:
            self.corrections.showHandles(selected[0] if len(selected) == 1 else None)

    def _onPicked(self, nodeId: str, isInSlice: bool) -> None:
        # Slices show it already where the user clicked into one.
        self._jumps = not isInSlice
        try:
            self.table.select(nodeId)
        finally:
            self._jumps = True

    def _onMiddleButton(self, isDown: bool) -> None:
        """It pans, wherever the pointer is."""
        if self.corrections:
            self.corrections.holdMouse(isDown)

    def _onPlaced(self, position: Array) -> None:
        firstLevel = LEVELS[self.ui.insertLevelComboBox.currentIndex]
        self._correct(lambda corrections: corrections.insertAt(position, firstLevel), selectResult=True)

    def _onLevel(self, nodeId: str, level: str) -> None:
        self._correct(lambda corrections: corrections.relabel(nodeId, level))

    def _onFlag(self, nodeId: str, name: str, on: bool) -> None:
        change = {"visible": "setVisible", "confirmed": "setConfirmed", "locked": "setLocked"}[name]
        self._correct(lambda corrections: getattr(corrections, change)(nodeId, on))

    def _correct(self, change: Callable[[Corrections], str | None], selectResult: bool = False) -> None:
        """A correction that is refused is said and changes nothing."""
        if self.corrections is None:
            return
        try:
            with errorsShown():
                nodeId = change(self.corrections)
                self.refresh()
                self.status.say(self.volumeNode, summaryOf(self._rows))
                if selectResult:
                    self.table.select(nodeId)
        finally:
            # What a widget shows after a refusal is not what the scene says.
            self.refresh()

    def _correctSelected(self, change: Callable[[Corrections, str], str | None]) -> None:
        (nodeId,) = self.table.selectedIds()
        self._correct(lambda corrections: change(corrections, nodeId))

    def _goInHistory(self, change: Callable[[Corrections], None], word: str) -> None:
        if self.corrections is None or not (self.corrections.canUndo or self.corrections.canRedo):
            return
        self._correct(change)
        self.status.say(self.volumeNode, f"{word} {summaryOf(self._rows)}")
        if not self.table.selectedIds():
            self.selectMiddle()

    def _selectedRows(self) -> list[Row]:
        selected = self.table.selectedIds()
        return [row for row in self._rows if row.nodeId in selected]

    def _onSceneChange(self, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        if volumeNode is self.volumeNode:
            self._refreshLater.start()

    def _refreshAfterChange(self) -> None:
        former = self._rows
        self.refresh()
        if former != self._rows:
            self.status.say(self.volumeNode, summaryOf(self._rows))

    def _onLayout(self) -> None:
        self._sessions.watchViews()
        self._options.apply(self.volumeNode)

    def _onViewsChange(self) -> None:
        """Another CT was loaded into the views, or this one is back."""
        self._sessions.showOnly(self.volumeNode)


def _looks(rows: Sequence[Row]) -> list[tuple[str, str, bool]]:
    """What decides about how boxes are shown."""
    return [(row.nodeId, row.level, bool(row.remark)) for row in rows]
