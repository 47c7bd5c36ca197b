"""Keys that work while the module is shown, wherever in the window the focus is: after a drag it is in a view."""

import qt
import slicer


class Shortcuts:
    """As Slicer's Segment Editor does: on the main window, from entering the module until leaving it.

    :param panel: the module's panel, whose window takes the keys where there is no main window.
    :param actions: keys such as "Ctrl+Z" to functions without arguments.
    """

    def __init__(self, panel, actions):
        self._panel, self._actions = panel, actions
        self._shortcuts = []

    def install(self):
        self.uninstall()
        window = slicer.util.mainWindow() or self._panel.window()
        self._shortcuts = [shortcutOf(keys, window, action) for keys, action in self._actions.items()]

    def uninstall(self):
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts = []


def shortcutOf(keys, widget, action, context=None):
    """:param context: qt.Qt.ShortcutContext; the window by default.
    :return: QShortcut.
    """
    shortcut = qt.QShortcut(qt.QKeySequence(keys), widget)
    if context is not None:
        shortcut.setContext(context)
    shortcut.connect("activated()", action)
    # The main window may use the same keys for something else; while this module is shown they are for the vertebrae.
    shortcut.connect("activatedAmbiguously()", action)
    return shortcut
