"""The synthetic CT of the preview window: made in a process of its own, once, and kept."""

import os
import sys
from pathlib import Path

from PySide6 import QtCore

# As in the Makefile.
PATH = Path(__file__).resolve().parents[2] / "output" / "sample" / "ct.nii.gz"
SEED = 17
COMMAND = ["-m", "CervicalSpineDetectionLib", "phantom"]


class SampleCt:
    """:param onProgress: called each second while it is made, with the seconds since the start.
    :param onReady: called with the path of the file.
    :param onFailed: called with the reason, str.
    :param path: where it is kept.
    """

    def __init__(self, onProgress, onReady, onFailed, path=PATH):
        self._onProgress, self._onReady, self._onFailed = onProgress, onReady, onFailed
        self._path = path
        self._unfinished = path.with_name("unfinished.nii.gz")
        self._process = None
        self._seconds = 0
        self._timer = QtCore.QTimer()
        self._timer.setInterval(1000)
        self._timer.timeout.connect(self._tick)

    @property
    def isBeingMade(self):
        return self._process is not None

    def get(self):
        """Make it, unless it is there."""
        if self.isBeingMade:
            return
        if self._path.is_file():
            self._onReady(self._path)
            return
        self._seconds = 0
        self._process = QtCore.QProcess()
        self._process.finished.connect(self._onFinished)
        self._process.errorOccurred.connect(lambda error: self._onFinished(1))
        self._process.start(sys.executable, [
            *COMMAND, "--output", str(self._unfinished), "--seed", str(SEED)
        ])
        self._timer.start()
        self._onProgress(0)

    def stop(self):
        process, self._process = self._process, None
        self._timer.stop()
        if process is not None:
            process.kill()
            process.waitForFinished(2000)

    def _tick(self):
        self._seconds += 1
        self._onProgress(self._seconds)

    def _onFinished(self, exitCode, *_):
        process, self._process = self._process, None
        # None where it was stopped, or where both signals tell of the same end.
        if process is None:
            return
        self._timer.stop()
        if exitCode == 0:
            os.replace(self._unfinished, self._path)
            self._onReady(self._path)
        else:
            lines = bytes(process.readAllStandardError()).decode(errors="replace").strip().splitlines()
            self._onFailed(lines[-1] if lines else process.errorString())
