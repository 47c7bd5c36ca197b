"""Calls that wait until the application has handled its present events."""

import qt


class Later:
    """One timer for many calls: Slicer's ``qt.QTimer.singleShot`` leaves a timer behind each time.

    :param call: called once without arguments, however often ``start`` was called meanwhile.
    """

    def __init__(self, call):
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", call)

    def start(self):
        self._timer.start()

    def stop(self):
        """Forget a call that is due."""
        self._timer.stop()
