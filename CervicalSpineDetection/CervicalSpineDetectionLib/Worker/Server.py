"""The worker's side: it loads the network, detects, and tells how far it is."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError, isGpuMemory
from CervicalSpineDetectionLib.Pipeline import detectVertebrae
from CervicalSpineDetectionLib.SliceDetector.Detector import SliceDetector
from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra
from CervicalSpineDetectionLib.Worker.Messages import encode, readMessages, resultToMessage, vertebraeFromMessage
from CervicalSpineDetectionLib.Worker.SharedVoxels import Block, openVoxels, takeImage

HEARTBEAT_SECONDS = 1.0

NO_MEMORY = ("There is not enough memory for this volume; close other programs or crop the volume, then detect again.")
NO_GPU_MEMORY = ("The graphics card has not enough memory for this volume; "
                 "choose CPU, or close other programs that use the card.")
ON_CPU_INSTEAD = "The graphics card had not enough memory, so the detection ran on the CPU."
NO_PACKAGE = "The Python package {name} can't be loaded; install what this module needs, then detect again."
GPU_ERROR = "The graphics card reported an error; detect again, and choose CPU if it happens again."
UNEXPECTED = "The detection failed ({reason}); detect again, and see the log if it happens again."


AnyDetector = TypeVar("AnyDetector", bound=SliceDetector)


def serve(loadDetector: Callable[[str | None, str], AnyDetector], describeDevice: Callable[[AnyDetector], str]) -> None:
    """Answer commands on standard input until it is closed; never returns.

    :param loadDetector: called with (weights, device).
    :param describeDevice: called with that detector, gives a text for the user.
    """
    requests, answers = _takeStandardStreams()
    # If memory runs out the system shall end this process and not the application with the user's work.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    Server(loadDetector, describeDevice, requests, answers).run()


def _takeStandardStreams() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the client, out of reach of libraries: what they print goes to standard error."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return requests, answers


class Server(Generic[AnyDetector]):
    """See ``serve``.

    :param requests: binary stream of the client's commands.
    :param answers: unbuffered binary stream to the client.
    """

    def __init__(self, loadDetector: Callable[[str | None, str], AnyDetector],
                 describeDevice: Callable[[AnyDetector], str], requests: BinaryIO, answers: BinaryIO) -> None:
        self._loadDetector = loadDetector
        self._describeDevice = describeDevice
        self._requests = requests
        self._answers = answers
        self._answering = threading.Lock()
        self._commands = queue.SimpleQueue()
        self._detectors = {}
        self._working = threading.Event()

    def run(self) -> None:
        """Handle commands, in this thread, until the client is gone."""
        self._answer("hello", pid=os.getpid())
        for target in (self._readRequests, self._beat):
            threading.Thread(target=target, daemon=True).start()
        while True:
            self._working.clear()
            command, block = self._commands.get()
            self._working.set()
            if command["command"] == "warm":
                self._warm(command)
            else:
                self._detect(command, block)

    def _readRequests(self) -> None:
        """In a thread of its own: a volume is opened and a client's end is noticed while the network runs."""
        try:
            block = None
            for command in readMessages(self._requests):
                if command["command"] == "volume":
                    block = openVoxels(command["name"], command["byteCount"])
                else:
                    self._commands.put((command, block))
                    block = None
        except Exception as error:
            _log(error)
        finally:
            # Not sys.exit: the other thread may be deep in a network.
            os._exit(0)

    def _beat(self) -> None:
        """While there is work: whoever hears it must wake up for it."""
        while self._working.wait():
            self._answer("alive")
            time.sleep(HEARTBEAT_SECONDS)

    def _answer(self, event: str, **fields: object) -> None:
        line = encode({"event": event, **fields})
        # A broken pipe means that the client is gone; the reading thread ends the process.
        with self._answering, contextlib.suppress(OSError):
            self._answers.write(line)

    def _warm(self, command: Mapping[str, Any]) -> None:
        try:
            detector = self._detector(command["weights"], command["device"])
            self._answer("ready", device=self._describeDevice(detector))
        except Exception as error:
            # The detection that needs it will tell the user.
            _log(error)

    def _detect(self, command: Mapping[str, Any], block: Block) -> None:
        try:
            image = takeImage(block, command["layout"])
            confirmed = vertebraeFromMessage(command["confirmed"])
            result = self._resultOf(image, command["weights"], command["device"], confirmed)
            self._answer("finished", result=resultToMessage(result))
        except InputError as error:
            self._answer("failed", message=str(error), traceback="", goesOn=True)
        except Exception as error:
            self._answer("failed", message=_sentence(error), traceback=_traceback(error), goesOn=False)

    def _resultOf(self, image: sitk.Image, weights: str | None, device: str,
                  confirmed: Sequence[Vertebra]) -> DetectionResult:
        try:
            return self._run(image, weights, device, confirmed)
        except Exception as error:
            # The detector has tried with ever fewer slices at a time.
            if device != "auto" or not isGpuMemory(error):
                raise
        self._detectors.clear()
        result = self._run(image, weights, "cpu", confirmed)
        return dataclasses.replace(result, warnings=[*result.warnings, ON_CPU_INSTEAD])

    def _run(self, image: sitk.Image, weights: str | None, device: str,
             confirmed: Sequence[Vertebra]) -> DetectionResult:
        detector = self._detector(weights, device)
        self._progress("Preparing the slices", 0, 1)
        return detectVertebrae(image, detector, self._progress, confirmed)

    def _progress(self, step: str, done: int, total: int) -> None:
        self._answer("progress", step=step, done=done, total=total)

    def _detector(self, weights: str | None, device: str) -> AnyDetector:
        """The detector of these weights, loaded once as long as their files stay the same.

        :raises InputError: see ``YoloDetector.loadDetector``.
        """
        path = findWeights(weights)
        written = [file.stat().st_mtime_ns for file in (path, path.with_suffix(".json")) if file.is_file()]
        loaded = self._detectors.get((path, device))
        if loaded is None or loaded[0] != written:
            self._progress("Loading the network", 0, 1)
            loaded = self._detectors[path, device] = written, self._loadDetector(weights, device)
        return loaded[1]


def _sentence(error: BaseException) -> str:
    """What the user is told; nothing of the volume and no path."""
    if isGpuMemory(error):
        return NO_GPU_MEMORY
    # So say torch and ITK, both with a RuntimeError.
    if isinstance(error, MemoryError) or "allocate memory" in str(error):
        return NO_MEMORY
    if isinstance(error, ImportError):
        return NO_PACKAGE.format(name=error.name)
    if "CUDA error" in str(error):
        return GPU_ERROR
    return UNEXPECTED.format(reason=type(error).__name__)


def _log(error: BaseException) -> None:
    # The client logs the last lines of standard error where this process ends unexpectedly.
    print(_traceback(error), file=sys.stderr, flush=True)


def _traceback(error: BaseException) -> str:
    """For the log: file names without their folders, and no path of the user's."""
    lines = [f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
             for frame in traceback.extract_tb(error.__traceback__)]
    text = error.strerror if isinstance(error, OSError) else error
    return "\n".join([*lines, f"{type(error).__name__}: {text}"])
