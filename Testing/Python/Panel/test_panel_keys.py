"""What a user does with keys that once went wrong: opened level lists, the focus, several rows."""

import pytest
from panelFixtures import (
    ALT,
    CONTROL,
    LEVELS,
    SHIFT,
    application,
    boxNodes,
    click,
    clickCell,
    detected,
    errors,
    levelsInTable,
    module,
    press,
    rowsOf,
    settle,
    ui,
    volumeNode,
)
from PySide6 import QtCore, QtTest, QtWidgets
from viewFixtures import chosen

from CervicalSpineDetectionLib.Panel.VertebraTable import LEVEL, SIZE

__all__ = ["application", "detected", "errors", "module", "ui", "volumeNode"]

Key = QtCore.Qt


def focused():
    return QtWidgets.QApplication.focusWidget()


# Levels are renamed by an opened list only


def test_escapedLevelListLeavesTheKeysToTheTable(module, ui, detected):
    """Open a level's list, Esc, Alt+Down, Down: C2 became C3."""
    clickCell(ui.vertebraTable, 0, SIZE)
    box = ui.vertebraTable.cellWidget(0, LEVEL)
    QtTest.QTest.mouseClick(box, QtCore.Qt.LeftButton)
    settle(50)
    assert box.view().isVisible()
    press(box.view(), Key.Key_Escape)
    assert not box.view().isVisible() and focused() is ui.vertebraTable
    press(focused(), Key.Key_Down, ALT)
    press(focused(), Key.Key_Down)

    assert levelsInTable(ui) == LEVELS
    assert chosen(module) == [boxNodes(detected)[2].GetID()]


@pytest.mark.parametrize("key", [Key.Key_Down, Key.Key_Up, Key.Key_End, Key.Key_C, Key.Key_Space, Key.Key_F4])
def test_keysOnAClosedLevelBoxRenameNothing(ui, detected, key):
    box = ui.vertebraTable.cellWidget(1, LEVEL)
    box.setFocus()
    press(box, key)

    assert not box.view().isVisible()
    assert levelsInTable(ui) == LEVELS


def test_levelListIsOpenedByKey(ui, detected):
    clickCell(ui.vertebraTable, 4, SIZE)
    press(ui.vertebraTable, Key.Key_F2)
    view = ui.vertebraTable.cellWidget(4, LEVEL).view()
    assert view.isVisible()
    press(view, Key.Key_Down)
    press(view, Key.Key_Return)

    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C7"]
    assert focused() is ui.vertebraTable


def test_tabLeavesTheTable(ui, detected):
    clickCell(ui.vertebraTable, 1, SIZE)
    press(ui.vertebraTable, Key.Key_Tab)

    assert focused() is ui.fitViewsButton


def test_openedLevelListChoosesItsRow(ui, detected):
    """Else F2 opens a second list, of the row that was chosen before, and one of the two stays open."""
    clickCell(ui.vertebraTable, 1, SIZE)
    click(ui.vertebraTable.cellWidget(4, LEVEL))
    press(ui.vertebraTable, Key.Key_F2)
    view = ui.vertebraTable.cellWidget(4, LEVEL).view()
    press(view, Key.Key_Down)
    press(view, Key.Key_Return)

    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C7"]
    assert not any(ui.vertebraTable.cellWidget(row, LEVEL).view().isVisible() for row in range(5))


# Keys


def test_keysWorkWhereverTheFocusIsInTheWindow(module, ui, detected):
    """After a drag it is in a view."""
    view = QtWidgets.QLineEdit(module.panel)
    view.setReadOnly(True)
    view.show()
    click(ui.shiftDownButton)
    view.setFocus()
    press(view, Key.Key_Z, CONTROL)
    assert levelsInTable(ui) == LEVELS
    press(view, Key.Key_Z, CONTROL, SHIFT)
    assert levelsInTable(ui) == ["C3", "C4", "C5", "C6", "C7"]


def test_keysAreLeftToOtherModules(module, ui, detected):
    click(ui.shiftDownButton)
    module.exit()
    press(ui.vertebraTable, Key.Key_Z, CONTROL)

    assert levelsInTable(ui) == ["C3", "C4", "C5", "C6", "C7"]
    module.enter()


def test_deleteKeyInTheTableDeletesTheChosenRows(ui, detected):
    clickCell(ui.vertebraTable, 0, SIZE)
    clickCell(ui.vertebraTable, 1, SIZE, CONTROL)
    press(ui.vertebraTable, Key.Key_Delete)

    assert levelsInTable(ui) == ["C4", "C5", "C6"]


def test_oneKeyConfirmsAndGoesOn(module, ui, detected):
    clickCell(ui.vertebraTable, 0, SIZE)
    for _ in range(5):
        press(ui.vertebraTable, Key.Key_Return, CONTROL)

    assert all(row.confirmed for row in rowsOf(module))
    assert chosen(module) == [boxNodes(detected)[4].GetID()]
