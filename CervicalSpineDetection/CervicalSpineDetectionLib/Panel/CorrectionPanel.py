"""The panel's middle: table and Correct section, and how they and the views follow each other."""

import qt
import slicer
from slicer.i18n import tr as _

from CervicalSpineDetectionLib.Panel.CtSessions import CtSessions
from CervicalSpineDetectionLib.Panel.Errors import errorsShown
from CervicalSpineDetectionLib.Panel.ExportSection import ExportSection
from CervicalSpineDetectionLib.Panel.Later import Later
from CervicalSpineDetectionLib.Panel.Shortcuts import Shortcuts, shortcutOf
from CervicalSpineDetectionLib.Panel.SpineChart import SpineChart
from CervicalSpineDetectionLib.Panel.StatusLine import StatusLine, summaryOf
from CervicalSpineDetectionLib.Panel.VertebraTable import VertebraTable
from CervicalSpineDetectionLib.Panel.ViewClicks import BoxPicker, PointPlacer
from CervicalSpineDetectionLib.Panel.ViewOptions import ViewOptions
from CervicalSpineDetectionLib.Scene.FitViews import fitViews
from CervicalSpineDetectionLib.Scene.SpineChart import chartOf
from CervicalSpineDetectionLib.Scene.VertebraNodes import readStates
from CervicalSpineDetectionLib.Scene.ViewSelection import jumpTo, placeInViews
from CervicalSpineDetectionLib.Spine.Levels import LEVELS

SHORTCUTS = {
    "Alt+Up": "selectPrevious", "Alt+Down": "selectNext", "Ctrl+Shift+Up": "shiftUp", "Ctrl+Shift+Down": "shiftDown",
    "Ctrl+Z": "undo", "Ctrl+Y": "redo", "Ctrl+Shift+Z": "redo", "Ctrl+Return": "confirmAndNext",
    "Ctrl+Enter": "confirmAndNext",
}
NEEDS_CT = ("insertLevelComboBox", "insertButton", "insertAtButton", "fitViewsButton")
NEEDS_ANY = ("shiftUpButton", "shiftDownButton", "confirmAllButton", "clearAllButton")


class CorrectionPanel:
    """:param ui: the panel's widgets by name.
    :param parent: the panel, in whose window the keyboard shortcuts work.
    """

    def __init__(self, ui, parent):
        self.ui = ui
        self.volumeNode = None
        self.corrections = None
        self._rows = []
        self._ownsViews = False
        self._jumps = True
        # Many changes in a row are shown once.
        self._refreshLater = Later(self._refreshAfterChange)
        self.table = VertebraTable(ui.vertebraTable, self._onSelection, self._onLevel, self._onFlag)
        self._chart = SpineChart(ui.chartLabel)
        self.status = StatusLine(ui.statusLabel, ui.conflictsLabel.styleSheet)
        self._sessions = CtSessions(self._onSceneChange, self._onViewsChange)
        self.exports = ExportSection(ui, parent)
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

    def setVolume(self, volumeNode):
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

    def watchViews(self):
        """The module is shown: follow clicks in the views of the present layout, and let the views follow the CT."""
        self._ownsViews = True
        self._shortcuts.install()
        self._picker.release()
        self._picker.watch()
        self._onLayout()
        self._showInViews()
        self._showHandles()

    def leaveViews(self):
        """Let go of the views: another module is shown."""
        self._shortcuts.uninstall()
        self._placer.stop()
        self._picker.release()
        self._sessions.leaveViews()
        if self.corrections:
            self.corrections.showHandles(None)
        self._ownsViews = False

    def cleanup(self):
        self.leaveViews()
        self.setVolume(None)
        self._sessions.release()

    def fitViews(self):
        """Zoom all views on the vertebrae, or on the CT where there are none."""
        self._sessions.bringToViews(self.volumeNode)
        fitViews(slicer.mrmlScene, self.volumeNode)

    def showDetected(self, isFirst):
        """Fit the views after the first detection in this CT, and choose the vertebra in the middle of the spine."""
        self.refresh()
        if isFirst and self._rows:
            self.fitViews()
        self.selectMiddle()

    def _showInViews(self):
        if self.volumeNode and self._ownsViews:
            hadOther = self._sessions.bringToViews(self.volumeNode)
            if hadOther and self.corrections.rows():
                fitViews(slicer.mrmlScene, self.volumeNode)
        self._sessions.showOnly(self.volumeNode)

    # Table, buttons and conflicts as the scene is now

    def refresh(self):
        self._refreshLater.stop()
        former = self._rows
        self._rows = self.corrections.rows() if self.corrections else []
        selected = self.table.selectedIds()
        self.table.show(self._rows)
        self._chart.show(chartOf(readStates(slicer.mrmlScene, self.volumeNode)) if self._rows else [])
        if _looks(former) != _looks(self._rows):
            self._options.apply(self.volumeNode)
            self._sessions.showOnly(self.volumeNode)
            self._offerMissingLevel()
        conflicts = self.corrections.conflicts() if self.corrections else []
        self.ui.conflictsLabel.text = "\n".join(f"\u26a0 {conflict.message}" for conflict in conflicts)
        self.ui.conflictsLabel.setVisible(bool(conflicts))
        self._offerOtherNaming()
        if self.table.selectedIds() != selected:
            self._onSelection()
        self._updateButtons()

    def _offerOtherNaming(self):
        other = self.corrections.otherNaming() if self.corrections else None
        button = self.ui.otherNamingButton
        if other:
            button.text = _("Use the next most probable naming: {names} ({percent:.0f} %)").format(
                names=other.names, percent=100 * other.probability
            )
        else:
            self._takeFocusFrom(button)
        button.setVisible(other is not None)

    def _offerMissingLevel(self):
        """The first level that is missing among the others, or else the next one below."""
        present = [LEVELS.index(row.level) for row in self._rows if row.level in LEVELS]
        if present:
            free = [index for index in range(min(present), len(LEVELS)) if index not in present]
            self.ui.insertLevelComboBox.setCurrentIndex(free[0] if free else min(present) - 1)

    def _updateButtons(self):
        chosen = self._selectedRows()
        unlocked = not any(row.locked for row in chosen)
        one = len(chosen) == 1
        for name, enabled in {
            **dict.fromkeys(NEEDS_CT, self.corrections is not None),
            **dict.fromkeys(NEEDS_ANY, bool(self._rows)),
            **dict.fromkeys(("confirmButton", "lockButton"), bool(chosen)),
            "deleteButton": bool(chosen) and unlocked,
            "splitButton": one and unlocked,
            "resetButton": one and unlocked and not chosen[0].inserted,
            "mergeButton": len(chosen) == 2 and unlocked,
            "undoButton": bool(self.corrections and self.corrections.canUndo),
            "redoButton": bool(self.corrections and self.corrections.canRedo),
        }.items():
            self._setEnabled(getattr(self.ui, name), enabled)
        self.ui.confirmButton.text = _("Unconfirm") if chosen and all(row.confirmed for row in chosen) else _("Confirm")
        self.ui.lockButton.text = _("Unlock") if chosen and all(row.locked for row in chosen) else _("Lock")
        self.exports.show(self.volumeNode, bool(self._rows))

    def _setEnabled(self, button, enabled):
        if not enabled:
            self._takeFocusFrom(button)
        button.enabled = enabled

    def _takeFocusFrom(self, button):
        """Qt would hand the focus of a button that is switched off or hidden to the next one and scroll there, so that
        the next click misses."""
        if button.hasFocus():
            self.ui.vertebraTable.setFocus()

    # What the user does

    def selectMiddle(self):
        """Choose the vertebra in the middle of the spine, so that all views show it."""
        if self._rows:
            self.table.select(self._rows[len(self._rows) // 2].nodeId)

    def selectPrevious(self):
        self.table.step(-1)

    def selectNext(self):
        self.table.step(1)

    def shiftUp(self):
        self._correct(lambda corrections: corrections.shift(-1))

    def shiftDown(self):
        self._correct(lambda corrections: corrections.shift(1))

    def useOtherNaming(self):
        self._correct(lambda corrections: corrections.useOtherNaming())

    def undo(self):
        self._goInHistory(lambda corrections: corrections.undo(), _("Undone."))

    def redo(self):
        self._goInHistory(lambda corrections: corrections.redo(), _("Redone."))

    def insert(self):
        level = LEVELS[self.ui.insertLevelComboBox.currentIndex]
        place = None if self._rows else placeInViews(slicer.mrmlScene, self.volumeNode)
        self._correct(lambda corrections: corrections.insert(level) if place is None
                      else corrections.insertAt(place, level), selectResult=True)

    def insertAt(self):
        if self.ui.insertAtButton.checked:
            self._placer.start()
        else:
            self._placer.stop()

    def delete(self):
        ids = self.table.selectedIds()
        if ids:
            self._correct(lambda corrections: corrections.delete(*ids))

    def clearAll(self):
        self._correct(lambda corrections: corrections.clear())

    def split(self):
        self._correctSelected(lambda corrections, nodeId: corrections.split(nodeId))

    def merge(self):
        upper, lower = self.table.selectedIds()
        self._correct(lambda corrections: corrections.merge(upper, lower))
        self.table.select(upper)

    def reset(self):
        self._correctSelected(lambda corrections, nodeId: corrections.reset(nodeId))

    def toggleConfirmed(self):
        rows = self._selectedRows()
        confirmed = not all(row.confirmed for row in rows)
        self._correct(lambda corrections: corrections.setConfirmed([row.nodeId for row in rows], confirmed))

    def confirmAndNext(self):
        ids = self.table.selectedIds()
        if ids:
            self._correct(lambda corrections: corrections.setConfirmed(ids, True))
            self.selectNext()

    def confirmAll(self):
        self._correct(lambda corrections: corrections.confirmAll())

    def toggleLocked(self):
        rows = self._selectedRows()
        locked = not all(row.locked for row in rows)
        self._correct(lambda corrections: corrections.setLocked([row.nodeId for row in rows], locked))

    # What follows

    def _onSelection(self):
        self._showHandles()
        selected = self.table.selectedIds()
        if self.corrections and self._ownsViews and self._jumps and len(selected) == 1:
            jumpTo(slicer.mrmlScene, self.volumeNode, selected[0])
        self._updateButtons()

    def _showHandles(self):
        selected = self.table.selectedIds()
        if self.corrections and self._ownsViews:
            self.corrections.showHandles(selected[0] if len(selected) == 1 else None)

    def _onPicked(self, nodeId, isInSlice):
        # Slices show it already where the user clicked into one.
        self._jumps = not isInSlice
        try:
            self.table.select(nodeId)
        finally:
            self._jumps = True

    def _onMiddleButton(self, isDown):
        """It pans, wherever the pointer is."""
        if self.corrections:
            self.corrections.holdMouse(isDown)

    def _onPlaced(self, position):
        firstLevel = LEVELS[self.ui.insertLevelComboBox.currentIndex]
        self._correct(lambda corrections: corrections.insertAt(position, firstLevel), selectResult=True)

    def _onLevel(self, nodeId, level):
        self._correct(lambda corrections: corrections.relabel(nodeId, level))

    def _onFlag(self, nodeId, name, on):
        change = {"visible": "setVisible", "confirmed": "setConfirmed", "locked": "setLocked"}[name]
        self._correct(lambda corrections: getattr(corrections, change)(nodeId, on))

    def _correct(self, change, selectResult=False):
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

    def _correctSelected(self, change):
        (nodeId,) = self.table.selectedIds()
        self._correct(lambda corrections: change(corrections, nodeId))

    def _goInHistory(self, change, word):
        if self.corrections is None or not (self.corrections.canUndo or self.corrections.canRedo):
            return
        self._correct(change)
        self.status.say(self.volumeNode, f"{word} {summaryOf(self._rows)}")
        if not self.table.selectedIds():
            self.selectMiddle()

    def _selectedRows(self):
        selected = self.table.selectedIds()
        return [row for row in self._rows if row.nodeId in selected]

    def _onSceneChange(self, volumeNode):
        if volumeNode is self.volumeNode:
            self._refreshLater.start()

    def _refreshAfterChange(self):
        former = self._rows
        self.refresh()
        if former != self._rows:
            self.status.say(self.volumeNode, summaryOf(self._rows))

    def _onLayout(self):
        self._sessions.watchViews()
        self._options.apply(self.volumeNode)

    def _onViewsChange(self):
        """Another CT was loaded into the views, or this one is back."""
        self._sessions.showOnly(self.volumeNode)


def _looks(rows):
    """What decides about how boxes are shown."""
    return [(row.nodeId, row.level, bool(row.remark)) for row in rows]
