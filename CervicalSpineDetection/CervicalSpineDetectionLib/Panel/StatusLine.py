"""The line below "Detect": progress while a detection runs, else what was last said about the CT that is shown."""

from slicer.i18n import tr as _


class StatusLine:
    """:param label: QLabel.
    :param warningStyle: its style sheet while it shows a warning.
    """

    def __init__(self, label, warningStyle):
        self._label, self._warningStyle = label, warningStyle
        self._texts = {}
        self._volumeNode = None
        self._progress = ""

    def setVolume(self, volumeNode):
        """:param volumeNode: the CT that is shown from now on, None for none."""
        self._volumeNode = volumeNode
        self._show()

    def say(self, volumeNode, text, isWarning=False):
        """:param volumeNode: the CT this is about; it is read when that CT is shown.
        :param isWarning: show it in the style of warnings.
        """
        if volumeNode is not None and volumeNode.GetScene() is None:
            # It was removed meanwhile.
            volumeNode = self._volumeNode
        self._texts[_idOf(volumeNode)] = text, isWarning
        self._show()

    def setProgress(self, text):
        """:param text: "" when nothing runs any more."""
        self._progress = text
        self._show()

    def clear(self):
        self._texts.clear()
        self.setProgress("")

    def _show(self):
        text, isWarning = self._texts.get(_idOf(self._volumeNode), ("", False))
        self._label.text = self._progress or text
        self._label.styleSheet = self._warningStyle if isWarning and not self._progress else ""


def summaryOf(rows):
    """How many vertebrae there are and what a person made of them, for the status line.

    :param rows: list of ``Scene.VertebraRow.Row``.
    """
    if not rows:
        return _("No vertebrae in this CT.")
    levels = ", ".join(row.level for row in rows)
    states = [(_("{count} confirmed"), sum(row.confirmed for row in rows)),
              (_("{count} edited"), sum(row.edited and not row.inserted for row in rows)),
              (_("{count} inserted by hand"), sum(row.inserted for row in rows))]
    told = "; ".join(text.format(count=count) for text, count in states if count)
    return f"{levels} ({told})" if told else levels


def _idOf(volumeNode):
    return volumeNode.GetID() if volumeNode else ""
