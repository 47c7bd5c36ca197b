"""What a command shows on the terminal: progress, no chatter of libraries; and whether pictures can be drawn."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO

from CervicalSpineDetectionLib.PrintableText import printable
from CervicalSpineDetectionLib.SafeChildren import runPython

# A cold start of VTK from a slow disk takes 20; a driver that hangs must not hold the results back.
DRAW_SECONDS = 60
DRAW_NOTHING = """
import vtkmodules.vtkRenderingOpenGL2
from vtkmodules.vtkRenderingCore import vtkRenderWindow
window = vtkRenderWindow()
window.SetOffScreenRendering(True)
window.Render()
"""


def canDraw() -> bool:
    """Try in a process of its own: without OpenGL (no GPU driver, no Mesa) VTK does not raise, it ends the process."""
    return runPython(DRAW_NOTHING, DRAW_SECONDS) == 0


BAR = "{desc}{percentage:3.0f}%|{bar}| {n_fmt} of {total_fmt}"  # as tqdm fills it in

# Whether what libraries print is shown: set by --verbose.
showLibraries = False


class ProgressDisplay:
    """Progress of some work, callable as ``progress(step, done, total)``: a bar on a terminal, elsewhere a few lines.

    :param unit: what is counted, e.g. "slices".
    :param stream: where to write, standard output if None.
    :param lines: about so many lines where the stream is no terminal.
    """

    def __init__(self, unit: str, stream: TextIO | None = None, lines: int = 4) -> None:
        self._unit, self._stream, self._lines = unit, stream or sys.stdout, lines
        self._started = time.perf_counter()
        self._bar: Any = None
        self._shown: tuple[int, int] | None = None

    def __call__(self, step: str, done: int, total: int) -> None:
        if self._stream.isatty():
            self._draw(step, done, total)
        elif (total, self._lines * done // max(total, 1)) != self._shown:
            self._shown = (total, self._lines * done // max(total, 1))
            seconds = time.perf_counter() - self._started
            left = f", about {seconds / done * (total - done):.0f} s left" if 0 < done < total else ""
            self._stream.write(f"{step}: {done} of {total} {self._unit}, {seconds:.1f} s{left}\n")
            self._stream.flush()

    def _draw(self, step: str, done: int, total: int) -> None:
        from tqdm import tqdm

        if self._bar is None or done < self._bar.n or total != self._bar.total:
            self.close()
            stream = getattr(self._stream, "unfiltered", self._stream)
            self._bar = tqdm(desc=f"{step}: ", total=total, file=stream, dynamic_ncols=True,
                             bar_format=f"{BAR} {self._unit}, {{elapsed}}, {{remaining}} left")
        self._bar.set_description(step, refresh=False)
        self._bar.update(done - self._bar.n)
        if done == total:
            self.close()

    def over(self, items: Iterable[Any], step: str, total: int) -> Iterator[Any]:
        """Give the items, one after the other, and show how far that is."""
        if total:
            self(step, 0, total)
        for done, item in enumerate(items, 1):
            yield item
            self(step, min(done, total), total)

    def say(self, text: str) -> None:
        """Write a line, above the bar where there is one."""
        if self._bar is not None:
            self._bar.write(printable(text), file=self._bar.fp)
        else:
            self._stream.write(text + "\n")
            self._stream.flush()

    def close(self) -> None:
        """End the bar's line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@contextmanager
def quietLibraries() -> Iterator[None]:
    """Drop what is printed within the block, by Python and by C++ libraries (ITK, VTK) alike, unless it was asked for.
    Errors still raise.
    """
    if showLibraries:
        yield
        return
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [(descriptor, os.dup(descriptor)) for descriptor in (1, 2)]
    try:
        with open(os.devnull, "w") as null, redirect_stdout(null), redirect_stderr(null):
            for descriptor, _ in saved:
                os.dup2(null.fileno(), descriptor)
            yield
    finally:
        for descriptor, copy in saved:
            os.dup2(copy, descriptor)
            os.close(copy)
