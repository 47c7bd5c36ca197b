"""What the Correct section offers: which buttons work, what they are called, what is missing, what contradicts."""

from __future__ import annotations

from collections.abc import Sequence

import qt
from slicer.i18n import tr as _

from CervicalSpineDetectionLib.Panel.Ui import Ui
from CervicalSpineDetectionLib.Scene.Corrections import Corrections
from CervicalSpineDetectionLib.Scene.VertebraRow import Row
from CervicalSpineDetectionLib.Spine.Levels import LEVELS

NEEDS_CT = ("insertLevelComboBox", "insertButton", "insertAtButton", "fitViewsButton")
NEEDS_ANY = ("shiftUpButton", "shiftDownButton", "confirmAllButton", "clearAllButton")


class CorrectionButtons:
    """:param ui: the panel's widgets by name."""

    def __init__(self, ui: Ui) -> None:
        self.ui = ui

    def show(self, corrections: Corrections | None, rows: Sequence[Row], chosen: Sequence[Row]) -> None:
        """:param corrections: of the CT that is shown.
        :param rows: all its vertebrae.
        :param chosen: those that are chosen in the table.
        """
        unlocked = not any(row.locked for row in chosen)
        one = len(chosen) == 1
        for name, enabled in {
            **dict.fromkeys(NEEDS_CT, corrections is not None),
            **dict.fromkeys(NEEDS_ANY, bool(rows)),
            **dict.fromkeys(("confirmButton", "lockButton"), bool(chosen)),
            "deleteButton": bool(chosen) and unlocked,
            "splitButton": one and unlocked,
            "resetButton": one and unlocked and not chosen[0].inserted,
            "mergeButton": len(chosen) == 2 and unlocked,
            "undoButton": bool(corrections and corrections.canUndo),
            "redoButton": bool(corrections and corrections.canRedo),
        }.items():
            self._setEnabled(getattr(self.ui, name), enabled)
        self.ui.confirmButton.text = _("Unconfirm") if chosen and all(row.confirmed for row in chosen) else _("Confirm")
        self.ui.lockButton.text = _("Unlock") if chosen and all(row.locked for row in chosen) else _("Lock")

    def showConflicts(self, corrections: Corrections | None) -> None:
        """What contradicts in the names and places, and the button of the other naming where there is one."""
        conflicts = corrections.conflicts() if corrections else []
        self.ui.conflictsLabel.text = "\n".join(f"\u26a0 {conflict.message}" for conflict in conflicts)
        self.ui.conflictsLabel.setVisible(bool(conflicts))
        other = corrections.otherNaming() if corrections else None
        button = self.ui.otherNamingButton
        if other:
            button.text = _("Use the next most probable naming: {names} ({percent:.0f} %)").format(
                names=other.names, percent=100 * other.probability
            )
        else:
            self._takeFocusFrom(button)
        button.setVisible(other is not None)

    def offerMissingLevel(self, rows: Sequence[Row]) -> None:
        """The first level that is missing among the others, or else the next one below."""
        present = [LEVELS.index(row.level) for row in rows if row.level in LEVELS]
        if present:
            free = [index for index in range(min(present), len(LEVELS)) if index not in present]
            self.ui.insertLevelComboBox.setCurrentIndex(free[0] if free else min(present) - 1)

    def _setEnabled(self, button: qt.QWidget, enabled: bool) -> None:
        if not enabled:
            self._takeFocusFrom(button)
        button.enabled = enabled

    def _takeFocusFrom(self, button: qt.QWidget) -> None:
        """Qt would hand the focus of a button that is switched off or hidden to the next one and scroll there, so that
        the next click misses."""
        if button.hasFocus():
            self.ui.vertebraTable.setFocus()
