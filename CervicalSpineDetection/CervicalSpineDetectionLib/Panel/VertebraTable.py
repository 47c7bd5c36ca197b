"""The table of vertebrae: a row a vertebra, levels to choose, boxes to tick."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import qt
from slicer.i18n import tr as _

from CervicalSpineDetectionLib.Scene.DetectionTexts import inSlicersLanguage
from CervicalSpineDetectionLib.Spine.Levels import LEVELS

if TYPE_CHECKING:
    from CervicalSpineDetectionLib.Scene.VertebraRow import Row

COLOUR, LEVEL, CONFIDENCE, VISIBLE, CONFIRMED, LOCKED, SIZE, REMARK = range(8)
HEADER_HEIGHT = ROW_HEIGHT = 26
# Room for, before there are any.
FEWEST_ROWS = 4
FLAGS = {VISIBLE: "visible", CONFIRMED: "confirmed", LOCKED: "locked"}


class LevelComboBox(qt.QComboBox):
    """Changes by its opened list only: turning the wheel over the table scrolls it, keys go to the table.

    A click chooses the row (``onPress``) and then opens the list, when the button is released: a list that opens at the
    press would take the release for a choice, unless Qt's own handler counts the time.
    """

    onPress: Callable[[], None]

    def mousePressEvent(self, event: qt.QMouseEvent) -> None:
        self.onPress()

    def mouseReleaseEvent(self, event: qt.QMouseEvent) -> None:
        self.showPopup()

    def wheelEvent(self, event: qt.QWheelEvent) -> None:
        event.ignore()

    def keyPressEvent(self, event: qt.QKeyEvent) -> None:
        event.ignore()


class VertebraTable:
    """Shows rows and says what the user does with them.

    :param widget: QTableWidget.
    :param onSelection: called without arguments when the user or ``select`` chose other rows.
    :param onLevel: called with (nodeId, level) when the user chose a level.
    :param onFlag: called with (nodeId, name, on) when the user ticked "visible", "confirmed" or "locked".
    """

    def __init__(self, widget: qt.QTableWidget, onSelection: Callable[[], object], onLevel: Callable[[str, str], None],
                 onFlag: Callable[[str, str, bool], None]) -> None:
        self._widget = widget
        self._onLevel, self._onFlag = onLevel, onFlag
        self._rows: Sequence[Row] = []
        # PythonQt forgets the Python part of a widget that nothing in Python holds.
        self._levelBoxes = []
        headers = ["", _("Level"), _("Conf."), _("Show"), _("Confirmed"), _("Lock"), _("W × D × H (mm)"), _("Remarks")]
        widget.setColumnCount(len(headers))
        widget.setHorizontalHeaderLabels(headers)
        widget.verticalHeader().hide()
        widget.setWordWrap(False)
        # All columns and all rows fit, so that nothing scrolls; long remarks are in their tool tips.
        widget.horizontalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        widget.horizontalHeader().setSectionResizeMode(REMARK, qt.QHeaderView.Stretch)
        widget.setHorizontalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOff)
        widget.horizontalHeader().setFixedHeight(HEADER_HEIGHT)
        widget.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self._fitHeight(0)
        widget.connect("itemSelectionChanged()", onSelection)
        widget.connect("cellChanged(int,int)", self._onCellChanged)

    def show(self, rows: Sequence[Row]) -> None:
        """:param rows: list of ``Scene.VertebraRow.Row``."""
        selected = self.selectedIds()
        wasBlocked = self._widget.blockSignals(True)
        try:
            if [row.nodeId for row in rows] != [row.nodeId for row in self._rows]:
                self._makeCells(rows)
                self._rows = rows
                self._selectQuietly(selected)
            self._rows = rows
            for index, row in enumerate(rows):
                self._fill(index, row)
        finally:
            self._widget.blockSignals(wasBlocked)

    def selectedIds(self) -> list[str]:
        """Node IDs of the chosen rows, from top to bottom."""
        indices = sorted({item.row() for item in self._widget.selectedItems()})
        return [self._rows[index].nodeId for index in indices if index < len(self._rows)]

    def select(self, nodeId: str | None) -> None:
        """Choose one row; None for none."""
        self._widget.clearSelection()
        for index, row in enumerate(self._rows):
            if row.nodeId == nodeId:
                # Not its first cell, which can't be selected: the arrow keys go on from there.
                self._widget.setCurrentCell(index, SIZE)
                self._widget.scrollToItem(self._widget.item(index, COLOUR))

    def step(self, by: int) -> None:
        """Choose the row so many places below the chosen one, within the table."""
        if self._rows:
            ids = [row.nodeId for row in self._rows]
            selected = self.selectedIds()
            index = ids.index(selected[0]) + by if selected else 0
            self.select(ids[min(max(index, 0), len(ids) - 1)])

    def openLevels(self) -> None:
        """Open the list of levels of the chosen row."""
        selected = self.selectedIds()
        for row, box in zip(self._rows, self._levelBoxes, strict=True):
            if [row.nodeId] == selected and box.enabled:
                box.showPopup()

    def _selectOpened(self, nodeId: str) -> None:
        """The row whose list is opened is the one that is looked at, and that keys are meant for."""
        if nodeId not in self.selectedIds():
            self.select(nodeId)

    def _selectQuietly(self, nodeIds: Collection[str]) -> None:
        self._widget.clearSelection()
        model = self._widget.selectionModel()
        for index, row in enumerate(self._rows):
            if row.nodeId in nodeIds:
                model.select(
                    self._widget.model().index(index, 0), qt.QItemSelectionModel.Select | qt.QItemSelectionModel.Rows
                )

    def _makeCells(self, rows: Sequence[Row]) -> None:
        self._widget.setRowCount(len(rows))
        self._fitHeight(len(rows))
        self._levelBoxes = [self._levelBox(row.nodeId) for row in rows]
        for index in range(len(rows)):
            for column in (COLOUR, CONFIDENCE, SIZE, REMARK, *FLAGS):
                item = qt.QTableWidgetItem()
                flags = qt.Qt.ItemIsEnabled
                if column in FLAGS:
                    flags = flags | qt.Qt.ItemIsUserCheckable
                # A colour under the selection's colour would be another one.
                item.setFlags(flags if column == COLOUR else flags | qt.Qt.ItemIsSelectable)
                self._widget.setItem(index, column, item)
            self._widget.setCellWidget(index, LEVEL, self._levelBoxes[index])

    def _levelBox(self, nodeId: str) -> LevelComboBox:
        box = LevelComboBox()
        box.addItems(LEVELS)
        # The table keeps the focus, also after its list was opened.
        box.setFocusPolicy(qt.Qt.NoFocus)
        box.toolTip = _("Choose another level for this vertebra.")
        box.onPress = lambda: self._selectOpened(nodeId)
        box.connect("activated(int)", lambda index: self._onLevel(nodeId, LEVELS[index]))
        return box

    def _fitHeight(self, rows: int) -> None:
        widget = self._widget
        height = HEADER_HEIGHT + max(rows, FEWEST_ROWS) * ROW_HEIGHT
        widget.setFixedHeight(height + 2 * widget.frameWidth)

    def _fill(self, index: int, row: Row) -> None:
        cell = lambda column: self._widget.item(index, column)  # noqa: E731
        cell(COLOUR).setBackground(qt.QBrush(qt.QColor.fromRgbF(*row.colour)))
        cell(CONFIDENCE).setText("" if row.confidence is None else f"{row.confidence:.2f}")
        cell(SIZE).setText(" × ".join(f"{length:.0f}" for length in row.size))
        cell(SIZE).setToolTip(_("Width × depth × height (LR × AP × SI)"))
        made = _("inserted by hand") if row.inserted else _("edited") if row.edited else ""
        remarks = [text for text in (inSlicersLanguage(row.remark), made) if text]
        text = "; ".join(remarks) if row.level in LEVELS else f"{row.level}: {'; '.join(remarks)}"
        cell(REMARK).setText(text)
        cell(REMARK).setToolTip(text)
        for column, name in FLAGS.items():
            cell(column).setCheckState(qt.Qt.Checked if getattr(row, name) else qt.Qt.Unchecked)
        box = self._widget.cellWidget(index, LEVEL)
        box.setCurrentIndex(LEVELS.index(row.level) if row.level in LEVELS else -1)
        box.setEnabled(not row.locked)

    def _onCellChanged(self, index: int, column: int) -> None:
        if column in FLAGS:
            on = self._widget.item(index, column).checkState() == qt.Qt.Checked
            self._onFlag(self._rows[index].nodeId, FLAGS[column], on)
