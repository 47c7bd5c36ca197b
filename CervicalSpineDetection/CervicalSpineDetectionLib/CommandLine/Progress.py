"""Progress on a terminal as one line that renews itself, elsewhere as a few lines."""

import sys
import time


class ProgressLine:
    """Callable as ``progress(step, done, total)``.

    :param stream: where to write.
    """

    def __init__(self, stream=None):
        self._stream = stream or sys.stdout
        self._started = time.perf_counter()
        self._lastTenth = None

    def __call__(self, step, done, total):
        text = f"{step}: {done} of {total} slices, {time.perf_counter() - self._started:.1f} s"
        if self._stream.isatty():
            self._stream.write(f"\r{text:<60}" + ("\n" if done == total else ""))
        else:
            tenth = (step, 4 * done // max(total, 1))
            if tenth == self._lastTenth:
                return
            self._lastTenth = tenth
            self._stream.write(text + "\n")
        self._stream.flush()
