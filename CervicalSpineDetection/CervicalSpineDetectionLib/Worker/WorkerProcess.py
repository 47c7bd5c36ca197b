"""The worker process as its client sees it: messages in, messages out, and no call that waits."""

from __future__ import annotations

import collections
import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from CervicalSpineDetectionLib.SafeChildren import SAFE_FOLDER
from CervicalSpineDetectionLib.Worker.Messages import encode, readMessages

STDERR_LINES = 50


class WorkerProcess:
    """A running worker. Threads read and write its pipes (``select`` can't on Windows).

    ``messages`` is a queue of the worker's messages. After the last one comes {"event": "ended", "exitStatus": int,
    "unreadable": whether it was killed for what it sent, "stderr": its last lines}. ``lastHeard`` is the time
    (``time.monotonic``) of the last sign of life.

    :param command: argv; None for this library's worker in the running Python (in Slicer that is PythonSlicer).
    :param environment: variables to set beside those of this process.
    :raises OSError: the program can't be started.
    """

    def __init__(self, command: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> None:
        self.messages = queue.SimpleQueue()
        self.lastHeard = time.monotonic()
        self._outgoing = queue.SimpleQueue()
        self._stderr = collections.deque(maxlen=STDERR_LINES)
        self._pid = None
        self._popen = subprocess.Popen(
            command or [sys.executable, "-m", "CervicalSpineDetectionLib.Worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            # -m puts the folder it runs in first on the path of imports: no file of the user's may get in there.
            cwd=SAFE_FOLDER,
            env=_environment(environment or {}),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._stderrReader = self._startThread(self._readStderr)
        self._startThread(self._readMessages)
        self._startThread(self._write)

    @property
    def isRunning(self) -> bool:
        return self._popen.poll() is None

    def send(self, messages: Iterable[Mapping[str, Any]]) -> None:
        """:param messages: iterable of dicts, run through by the writing thread."""
        self._outgoing.put(messages)

    def kill(self) -> None:
        """End the process at once."""
        self._outgoing.put(None)
        self._popen.kill()
        # PythonSlicer only starts the Python that then says hello; that one must go too.
        if self._pid not in (None, self._popen.pid):
            with contextlib.suppress(OSError):
                os.kill(self._pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    def wait(self, timeout: float) -> None:
        """:param timeout: seconds to wait at most for a killed process to be gone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout)

    def _startThread(self, target: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        return thread

    def _write(self) -> None:
        # A broken pipe means that the worker ended; the reading thread tells.
        with contextlib.suppress(OSError), self._popen.stdin as stdin:
            for messages in iter(self._outgoing.get, None):
                for message in messages:
                    # The header of a volume may hold anything; the detection refuses it in its own words.
                    stdin.write(encode(message, allowNan=True))
                    stdin.flush()

    def _readMessages(self) -> None:
        unreadable = False
        with self._popen.stdout as stdout:
            try:
                for message in readMessages(stdout):
                    self.lastHeard = time.monotonic()
                    if message["event"] == "hello":
                        self._pid = message["pid"]
                    elif message["event"] != "alive":
                        self.messages.put(message)
            except (ValueError, KeyError):
                unreadable = True
                self.kill()
        self._outgoing.put(None)
        exitStatus = self._popen.wait()
        self._stderrReader.join(1)  # Something that the worker started may hold it open.
        self.messages.put({"event": "ended", "exitStatus": exitStatus, "unreadable": unreadable,
                           "stderr": "\n".join(self._stderr)})

    def _readStderr(self) -> None:
        with self._popen.stderr as stderr:
            # In pieces: a progress bar may be one endless line.
            while piece := stderr.readline(1000):
                self._stderr.append(piece.decode(errors="replace").rstrip())


def _environment(changes: Mapping[str, str]) -> dict[str, str]:
    # glibc 2.35 and later: fresh memory of a CT's size is there in a fifth of the time, in large pages.
    environment = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", **os.environ, **changes, "PYTHONFAULTHANDLER": "1"}
    path = [str(SAFE_FOLDER), environment.get("PYTHONPATH")]
    return {**environment, "PYTHONPATH": os.pathsep.join(filter(None, path))}
