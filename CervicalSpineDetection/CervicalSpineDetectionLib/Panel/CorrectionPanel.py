"""The panel's lower half: table, Correct section, export, and how they and the views follow each other."""

import os
from contextlib import contextmanager

import qt
import slicer
from slicer.i18n import tr as _

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Panel.Later import Later
from CervicalSpineDetectionLib.Panel.VertebraTable import VertebraTable
from CervicalSpineDetectionLib.Panel.ViewClicks import BoxPicker, PointPlacer
from CervicalSpineDetectionLib.Scene.Corrections import Corrections
from CervicalSpineDetectionLib.Scene.SceneExport import addBoneSegmentation, exportScene
from CervicalSpineDetectionLib.Scene.ViewSelection import jumpTo
from CervicalSpineDetectionLib.Spine.Levels import LEVELS

SHORTCUTS = {
    "Alt+Up": "selectPrevious", "Alt+Down": "selectNext", "Ctrl+Shift+Up": "shiftUp", "Ctrl+Shift+Down": "shiftDown",
    "Ctrl+Z": "undo", "Ctrl+Y": "redo",
}
NEEDS_ONE = ("deleteButton", "splitButton", "resetButton", "confirmButton", "lockButton")
NEEDS_ANY = (
    "shiftUpButton", "shiftDownButton", "insertLevelComboBox", "insertButton", "insertAtButton", "confirmAllButton",
    "exportJsonButton", "exportCsvButton", "exportMarkupsButton", "exportLabelsButton", "exportBundleButton",
    "segmentationButton",
)


class CorrectionPanel:
    """:param ui: the panel's widgets by name.
    :param parent: the panel, in which the keyboard shortcuts work.
    """

    def __init__(self, ui, parent):
        self.ui = ui
        self.corrections = None
        self._parent = parent
        self.volumeNode = None
        self._rows = []
        self._jumps = True
        self._ownsViews = False
        self._refreshLater = Later(self.refresh)
        self.table = VertebraTable(ui.vertebraTable, self._onSelection, self._onLevel, self._onFlag)
        self._picker = BoxPicker(lambda: [row.nodeId for row in self._rows], self._onPicked)
        self._placer = PointPlacer(self._onPlaced, lambda: ui.insertAtButton.setChecked(False))
        ui.insertLevelComboBox.addItems(LEVELS)
        for name, action in {
            "shiftUpButton": self.shiftUp, "shiftDownButton": self.shiftDown, "undoButton": self.undo,
            "redoButton": self.redo, "insertButton": self.insert, "insertAtButton": self.insertAt,
            "deleteButton": self.delete, "splitButton": self.split, "mergeButton": self.merge,
            "resetButton": self.reset, "confirmButton": self.toggleConfirmed, "confirmAllButton": self.confirmAll,
            "lockButton": self.toggleLocked,
            "exportJsonButton": lambda: self.export(".json"), "exportCsvButton": lambda: self.export(".csv"),
            "exportMarkupsButton": lambda: self.export(".mrk.json"),
            "exportLabelsButton": lambda: self.export(".nii.gz"), "exportBundleButton": lambda: self.export(".mrb"),
            "segmentationButton": self.addSegmentation,
        }.items():
            getattr(ui, name).connect("clicked()", action)
        self._shortcuts = [self._shortcut(keys, getattr(self, action)) for keys, action in SHORTCUTS.items()]
        self.refresh()

    def setVolume(self, volumeNode):
        """Show the vertebrae of this CT; None for no CT."""
        if volumeNode is self.volumeNode and (self.corrections or not volumeNode):
            return
        self._placer.stop()
        if self.corrections:
            self.corrections.release()
        self.volumeNode = volumeNode
        self.corrections = Corrections(slicer.mrmlScene, volumeNode) if volumeNode else None
        if self.corrections:
            # Many changes in a row are shown once.
            self.corrections.observe(self._refreshLater.start)
        self.refresh()

    def watchViews(self):
        """Follow clicks in the views of the present layout."""
        self._ownsViews = True
        self._picker.release()
        self._picker.watch()
        self._showHandles()

    def leaveViews(self):
        """Let go of the views: another module is shown."""
        self._placer.stop()
        self._picker.release()
        if self.corrections:
            self.corrections.showHandles(None)
        self._ownsViews = False

    def cleanup(self):
        self.setVolume(None)
        self._picker.release()

    def refresh(self):
        """Table, buttons and conflicts as the scene is now."""
        self._refreshLater.stop()
        self._rows = self.corrections.rows() if self.corrections else []
        selected = self.table.selectedIds()
        self.table.show(self._rows)
        conflicts = self.corrections.conflicts() if self.corrections else []
        self.ui.conflictsLabel.text = "\n".join(conflict.message for conflict in conflicts)
        self.ui.conflictsLabel.setVisible(bool(conflicts))
        if self.table.selectedIds() != selected:
            self._onSelection()
        self._updateButtons()

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

    def undo(self):
        self._correct(lambda corrections: corrections.undo())

    def redo(self):
        self._correct(lambda corrections: corrections.redo())

    def insert(self):
        level = LEVELS[self.ui.insertLevelComboBox.currentIndex]
        self._correct(lambda corrections: corrections.insert(level), selectResult=True)

    def insertAt(self):
        if self.ui.insertAtButton.checked:
            self._placer.start()
        else:
            self._placer.stop()

    def delete(self):
        self._correctSelected(lambda corrections, nodeId: corrections.delete(nodeId))

    def split(self):
        self._correctSelected(lambda corrections, nodeId: corrections.split(nodeId))

    def merge(self):
        upper, lower = self.table.selectedIds()
        self._correct(lambda corrections: corrections.merge(upper, lower))
        self.table.select(upper)

    def reset(self):
        self._correctSelected(lambda corrections, nodeId: corrections.reset(nodeId))

    def toggleConfirmed(self):
        row = self._selectedRow()
        self._correct(lambda corrections: corrections.setConfirmed(row.nodeId, not row.confirmed))

    def confirmAll(self):
        self._correct(lambda corrections: corrections.confirmAll())

    def toggleLocked(self):
        row = self._selectedRow()
        self._correct(lambda corrections: corrections.setLocked(row.nodeId, not row.locked))

    def export(self, ending):
        name = f"{self.volumeNode.GetName()} vertebrae{ending}"
        path = qt.QFileDialog.getSaveFileName(
            self._parent, _("Export vertebrae"), os.path.join(_exportFolder(), name), f"*{ending}"
        )
        if not path:
            return
        if not path.endswith(ending):
            path += ending
        with errorsShown():
            exportScene(slicer.mrmlScene, self.volumeNode, path)
            qt.QSettings().setValue("CervicalSpineDetection/ExportFolder", os.path.dirname(path))
            self._tell(_("Written: {path}").format(path=path))

    def addSegmentation(self):
        with errorsShown(), slicer.util.WaitCursor():
            node = addBoneSegmentation(slicer.mrmlScene, self.volumeNode)
            self._tell(_("Added: {name}").format(name=node.GetName()))

    def _tell(self, text):
        """In the window's status bar too: the label may be scrolled away."""
        self.ui.statusLabel.text = text
        slicer.util.showStatusMessage(text)

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

    def _onPicked(self, nodeId):
        # The views show it already where the user clicked.
        self._jumps = False
        try:
            self.table.select(nodeId)
        finally:
            self._jumps = True

    def _onPlaced(self, position):
        self._correct(lambda corrections: corrections.insertAt(position), selectResult=True)

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
                if selectResult:
                    self.table.select(nodeId)
        finally:
            # What a widget shows after a refusal is not what the scene says.
            self.refresh()

    def _correctSelected(self, change):
        nodeId = self._selectedRow().nodeId
        self._correct(lambda corrections: change(corrections, nodeId))

    def _selectedRow(self):
        (selected,) = self.table.selectedIds()
        return next(row for row in self._rows if row.nodeId == selected)

    def _updateButtons(self):
        selected = self.table.selectedIds()
        for name in NEEDS_ONE:
            getattr(self.ui, name).enabled = len(selected) == 1
        self.ui.mergeButton.enabled = len(selected) == 2
        for name in NEEDS_ANY:
            getattr(self.ui, name).enabled = bool(self._rows)
        self.ui.undoButton.enabled = bool(self.corrections and self.corrections.canUndo)
        self.ui.redoButton.enabled = bool(self.corrections and self.corrections.canRedo)

    def _shortcut(self, keys, action):
        shortcut = qt.QShortcut(qt.QKeySequence(keys), self._parent)
        shortcut.setContext(qt.Qt.WidgetWithChildrenShortcut)
        shortcut.connect("activated()", action)
        # The main window may use the same keys for something else; in this panel they are for the vertebrae.
        shortcut.connect("activatedAmbiguously()", action)
        return shortcut


@contextmanager
def errorsShown():
    """Say what can't be done instead of raising it."""
    try:
        yield
    except (InputError, OSError) as error:
        slicer.util.errorDisplay(str(error))


def _exportFolder():
    return qt.QSettings().value("CervicalSpineDetection/ExportFolder", os.path.expanduser("~"))
