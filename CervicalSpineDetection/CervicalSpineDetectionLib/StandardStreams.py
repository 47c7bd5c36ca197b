"""Standard output and error of a command: what becomes of them must not become of the results."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any

from CervicalSpineDetectionLib.PrintableText import printable


class LastingStream(io.TextIOBase):
    """A text stream that goes on where its reader is gone (``| head -1``), its disk full or it was never open, and on
    which nothing a terminal would obey is written.

    :param stream: text stream, or None.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    @property
    def unfiltered(self) -> Any:
        """For a progress bar, which moves the cursor."""
        return self._stream or self

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream; libraries ask for it."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        shown = printable(text, kept="\n\t")
        self._try("write", shown.encode(self.encoding, "backslashreplace").decode(self.encoding))
        return len(text)

    def flush(self) -> None:
        self._try("flush")

    def isatty(self) -> bool:
        return bool(self._try("isatty"))

    def _try(self, method: str, *arguments: str) -> Any:
        if self._stream is None:
            return None
        try:
            return getattr(self._stream, method)(*arguments)
        except (OSError, ValueError):  # ValueError: it was closed
            self._giveUp()
            return None

    def _giveUp(self) -> None:
        """What is still in its buffer goes nowhere, instead of failing once more when Python ends."""
        stream, self._stream = self._stream, None
        with suppress(OSError, ValueError, io.UnsupportedOperation):
            number = stream.fileno()
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, number)
            os.close(nothing)


@contextmanager
def lastingStreams() -> Iterator[None]:
    """Standard output and error as ``LastingStream`` within the block."""
    _openClosed()
    output, error = LastingStream(sys.stdout), LastingStream(sys.stderr)
    try:
        with redirect_stdout(output), redirect_stderr(error):
            yield
    finally:
        output.flush()
        error.flush()


def _openClosed() -> None:
    """A process may begin with closed streams. The next file that it opens would get their number, and with it what C++
    libraries print.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
