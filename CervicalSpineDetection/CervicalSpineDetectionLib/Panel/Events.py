"""What calls the panel's functions: keys while the module is shown, and a moment in which nothing else happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import qt
import slicer


class Later:
    """A call that waits until the application has handled its present events.

    One timer for many calls: Slicer's ``qt.QTimer.singleShot`` leaves a timer behind each time.

    :param call: called once without arguments, however often ``start`` was called meanwhile.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", call)

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        """Forget a call that is due."""
        self._timer.stop()


class Shortcuts:
    """Keys that work wherever in the window the focus is: after a drag it is in a view.

    As Slicer's Segment Editor does: on the main window, from entering the module until leaving it.

    :param panel: the module's panel, whose window takes the keys where there is no main window.
    :param actions: keys such as "Ctrl+Z" to functions without arguments.
    """

    def __init__(self, panel: qt.QWidget, actions: Mapping[str, Callable[[], object]]) -> None:
        self._panel, self._actions = panel, actions
        self._shortcuts: list[qt.QShortcut] = []

    def install(self) -> None:
        self.uninstall()
        window = slicer.util.mainWindow() or self._panel.window()
        self._shortcuts = [shortcutOf(keys, window, action) for keys, action in self._actions.items()]

    def uninstall(self) -> None:
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts = []


def shortcutOf(keys: str, widget: qt.QWidget, action: Callable[[], object],
               context: qt.Qt.ShortcutContext | None = None) -> qt.QShortcut:
    """:param context: the window by default."""
    shortcut = qt.QShortcut(qt.QKeySequence(keys), widget)
    if context is not None:
        shortcut.setContext(context)
    shortcut.connect("activated()", action)
    # The main window may use the same keys for something else; while this module is shown they are for the vertebrae.
    shortcut.connect("activatedAmbiguously()", action)
    return shortcut
