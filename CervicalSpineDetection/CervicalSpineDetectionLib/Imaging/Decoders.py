"""GDCM in processes of its own: what it is given comes from anyone, and a picture may crash it or hold it up."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from CervicalSpineDetectionLib.SafeChildren import startModule
from CervicalSpineDetectionLib.Spine.Arrays import Array

PROGRAM = "CervicalSpineDetectionLib.Imaging"
# Until a process says that it is ready: libraries may lie on a disk far away.
START_SECONDS = 120.0
# A slice of 512 x 512 takes 0.04 s at most, and on a busy computer some times as long.
SECONDS, SECONDS_PER_PIXEL = 8.0, 1e-6
PROCESSES = min(4, os.cpu_count() or 1)
# What a process says: at first; of a picture that it can't decode; before the values of another, their kind.
READY, UNUSABLE = b"ready", b"---"
KINDS = ("|u1", "|i1", "<u2", "<i2", "<u4", "<i4")


class Decoders:
    """Any number of threads may ask; each is served by a process of its own, started when it is needed.

    Used as a context manager, which ends the processes. One picture that can't be decoded refuses its CT: from then on
    nothing else is decoded, and nobody waits for what the other processes are at.
    """

    def __init__(self) -> None:
        self._idle: list[_Decoder] = []
        self._busy: set[_Decoder] = set()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._started: list[_Decoder] = []
        self._hasFailed = False
        self._lock = threading.Lock()

    def __enter__(self) -> Decoders:
        return self

    def __exit__(self, *_: object) -> None:
        for decoder in self._started:
            decoder.end()
        if self._folder is not None:
            self._folder.cleanup()

    def decode(self, file: bytes, pixels: int) -> Array | None:
        """Decode one picture.

        :param file: a whole DICOM file.
        :param pixels: how many it has.
        :return: shape (pixels,), None where it, or one before, can't be decoded or is of another size.
        :raises OSError: no process can be started, or the disk is full.
        """
        with self._lock:
            if self._hasFailed:
                return None
            decoder = self._idle.pop() if self._idle else self._another()
            self._busy.add(decoder)
        try:
            values = decoder.decode(file, pixels)
        finally:
            with self._lock:
                self._busy.remove(decoder)
                if decoder.isRunning:
                    self._idle.append(decoder)
        if values is None:
            self._giveUp()
        return values

    def _another(self) -> _Decoder:
        self._folder = self._folder or tempfile.TemporaryDirectory()
        self._started.append(_Decoder(Path(self._folder.name) / f"{len(self._started)}.dcm"))
        return self._started[-1]

    def _giveUp(self) -> None:
        with self._lock:
            self._hasFailed = True
            for decoder in self._busy:
                decoder.kill()


class _Decoder:
    """:param path: where the process finds its pictures."""

    def __init__(self, path: Path) -> None:
        self._path, self._isReady = path, False
        process = startModule(PROGRAM, str(path), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None and process.stdout is not None
        self._process, self._questions, self._answers = process, process.stdin, process.stdout

    def decode(self, file: bytes, pixels: int) -> Array | None:
        """See ``Decoders.decode``."""
        self._path.write_bytes(file)
        if not self._isReady:
            with self._endedAfter(START_SECONDS):
                self._isReady = self._answers.read(len(READY)) == READY
        with self._endedAfter(SECONDS + SECONDS_PER_PIXEL * pixels):
            # It may have ended.
            with contextlib.suppress(OSError):
                self._questions.write(b"%d\n" % pixels)
                self._questions.flush()
            answer = self._answers.read(len(UNUSABLE))
            if answer == UNUSABLE:
                return None
            kind = answer.decode(errors="replace")
            length = pixels * np.dtype(kind).itemsize if kind in KINDS else 0
            values = self._answers.read(length)
        if not length or len(values) < length:
            self.kill()
            self._process.wait()
            return None
        return np.frombuffer(values, kind)

    @property
    def isRunning(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """What it is asked, in whichever thread, is None."""
        self._process.kill()

    def end(self) -> None:
        """At once; nobody may be asking."""
        self.kill()
        self._process.wait()
        for pipe in (self._questions, self._answers):
            # What it no longer takes is dropped.
            with contextlib.suppress(OSError):
                pipe.close()

    @contextlib.contextmanager
    def _endedAfter(self, seconds: float) -> Iterator[None]:
        watch = threading.Timer(seconds, self._process.kill)
        watch.start()
        try:
            yield
        finally:
            watch.cancel()
