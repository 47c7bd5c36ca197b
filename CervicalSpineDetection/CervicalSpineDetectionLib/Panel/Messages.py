"""What the user is told: the line below "Detect", and what can't be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.DetectionTexts import inSlicersLanguage

if TYPE_CHECKING:
    from CervicalSpineDetectionLib.Scene.VertebraRow import Row
    from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult


@contextmanager
def errorsShown() -> Iterator[None]:
    """Say what can't be done instead of raising it."""
    try:
        yield
    except (InputError, OSError) as error:
        slicer.util.errorDisplay(inSlicersLanguage(str(error)))


class StatusLine:
    """Progress while a detection runs, else what was last said about the CT that is shown.

    :param warningStyle: its style sheet while it shows a warning.
    """

    def __init__(self, label: qt.QLabel, warningStyle: str) -> None:
        self._label, self._warningStyle = label, warningStyle
        self._texts: dict[str, tuple[str, bool]] = {}  # by the ID of the CT
        self._volumeNode: slicer.vtkMRMLScalarVolumeNode | None = None
        self._progress = ""

    def setVolume(self, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """:param volumeNode: the CT that is shown from now on, None for none."""
        self._volumeNode = volumeNode
        self._show()

    def say(self, volumeNode: slicer.vtkMRMLScalarVolumeNode | None, text: str, isWarning: bool = False) -> None:
        """:param volumeNode: the CT this is about; it is read when that CT is shown.
        :param isWarning: show it in the style of warnings.
        """
        if volumeNode is not None and volumeNode.GetScene() is None:
            # It was removed meanwhile.
            volumeNode = self._volumeNode
        self._texts[_idOf(volumeNode)] = text, isWarning
        self._show()

    def setProgress(self, text: str) -> None:
        """:param text: "" when nothing runs any more."""
        self._progress = text
        self._show()

    def clear(self) -> None:
        self._texts.clear()
        self.setProgress("")

    def _show(self) -> None:
        text, isWarning = self._texts.get(_idOf(self._volumeNode), ("", False))
        self._label.text = self._progress or text
        self._label.styleSheet = self._warningStyle if isWarning and not self._progress else ""


def summaryOf(rows: Sequence[Row]) -> str:
    """How many vertebrae there are and what a person made of them, for the status line."""
    if not rows:
        return _("No vertebrae in this CT.")
    levels = ", ".join(row.level for row in rows)
    states = [(_("{count} confirmed"), sum(row.confirmed for row in rows)),
              (_("{count} edited"), sum(row.edited and not row.inserted for row in rows)),
              (_("{count} inserted by hand"), sum(row.inserted for row in rows))]
    told = "; ".join(text.format(count=count) for text, count in states if count)
    return f"{levels} ({told})" if told else levels


def foundIn(result: DetectionResult, seconds: float) -> str:
    """Levels found and what to look at, for the status line."""
    if not result.vertebrae:
        return "\n".join([
            _("No cervical vertebra found. Is this a CT of the neck, in Hounsfield units? If it is, place vertebrae by "
              "hand: choose a level and click \"Insert by click\"."),
            *map(inSlicersLanguage, result.warnings),
        ])
    found = _("Found in {seconds:.0f} s: {levels}").format(
        seconds=seconds, levels=", ".join(vertebra.level for vertebra in result.vertebrae)
    )
    lines = [found]
    if result.basis and result.basis.anchors:
        landmarks = ", ".join(map(inSlicersLanguage, result.basis.anchors))
        lines.append(_("The names rest on: {landmarks}.").format(landmarks=landmarks))
    uncertain = [vertebra.level for vertebra in result.vertebrae if vertebra.uncertain]
    if uncertain:
        lines.append(_("\u26a0 Uncertain: {levels}; see Remarks.").format(levels=", ".join(uncertain)))
    sign = "\u26a0 " if namesAreDoubtful(result) else ""
    return "\n".join([*lines, *(sign + inSlicersLanguage(warning) for warning in result.warnings)])


def namesAreDoubtful(result: DetectionResult) -> bool:
    """Some are uncertain, or a warning says that nothing recognisable holds them."""
    isAdrift = bool(result.warnings and result.basis and not result.basis.anchors)
    return bool(result.vertebrae) and (isAdrift or any(vertebra.uncertain for vertebra in result.vertebrae))


def _idOf(volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> str:
    return volumeNode.GetID() if volumeNode else ""
