"""Detection in a worker process, for an application that must not wait: start, detect, poll, cancel, stop."""

from __future__ import annotations

import logging
import os
import queue
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import SimpleITK as sitk

from CervicalSpineDetectionLib.Imaging.VoxelArray import VoxelArray
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra
from CervicalSpineDetectionLib.Worker.Messages import resultFromMessage, vertebraeToMessage
from CervicalSpineDetectionLib.Worker.SharedVoxels import SharedVoxels
from CervicalSpineDetectionLib.Worker.WorkerProcess import WorkerProcess

logger = logging.getLogger(__name__)

SILENT = "The detection process no longer answers and was ended; detect again, and choose CPU if it happens again."
KILLED = ("The system ended the detection process, most likely because memory ran out; "
          "close other programs or crop the volume, then detect again.")
ENDED = ("The detection process ended unexpectedly ({reason}), perhaps because memory ran out; "
         "close other programs or crop the volume, detect again, and see the log if it happens again.")
UNREADABLE = "The detection process gave an answer that can't be read; restart the application or install it again."
NOT_STARTED = "The detection process can't be started ({reason}); restart the application or install it again."
NO_ROOM = "The volume can't be handed to the detection process ({reason}); free memory or crop the volume."
NO_VOXELS = "The volume has no voxels; load a CT and select it."


@dataclass(frozen=True)
class Ready:
    """The network is loaded: the next detection starts at once.

    :param device: where it runs, for the user.
    """

    device: str


@dataclass(frozen=True)
class Progress:
    """:param step: what is done, for the user. :param done: parts done of ``total``."""

    step: str
    done: int
    total: int


@dataclass(frozen=True)
class Finished:
    """The detection is done."""

    result: DetectionResult


@dataclass(frozen=True)
class Failed:
    """The detection gave no result.

    :param message: a sentence for the user: what is wrong and what to do.
    """

    message: str


@dataclass(frozen=True)
class Cancelled:
    """The detection was ended by ``cancel``."""


Event: TypeAlias = Ready | Progress | Finished | Failed | Cancelled


class WorkerClient:
    """One worker and at most one detection at a time. All calls return at once; not for several threads.

    Each detection ends with exactly one of Finished, Failed and Cancelled (none after ``stop``). A worker that failed
    in any way but a refused input is replaced, so that the next detection starts clean.

    :param command: argv of the worker, see ``WorkerProcess``.
    :param environment: variables for the worker beside those of this process.
    """

    # Seconds without a sign of life: a frozen process. Loading torch from a cold disk can silence a sound one.
    silenceLimit = 60.0
    # Seconds of a detection without progress: the process lives, but something in it hangs.
    progressLimit = 300.0

    def __init__(self, command: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> None:
        self._command = command
        self._environment = environment
        self._process: WorkerProcess | None = None
        self._startError = ""
        self._voxels: SharedVoxels | None = None  # of the running detection
        self._settings = {"device": "auto", "weights": None}
        self._events: list[Event] = []
        self._lastPoll = self._lastProgress = 0.0

    @property
    def isBusy(self) -> bool:
        """A detection runs."""
        return self._voxels is not None

    @property
    def isAlive(self) -> bool:
        """The worker process runs."""
        return self._process is not None and self._process.isRunning

    def start(self) -> None:
        """Begin to warm up: torch is imported and the network loaded, on the device used last."""
        if self.isAlive:
            return
        try:
            self._process = WorkerProcess(self._command, self._environment)
        except OSError as error:
            self._process, self._startError = None, error.strerror or str(error)
            logger.error("The detection process can't be started: %s", self._startError)
            return
        self._process.send([{"command": "warm", **self._settings}])

    def detect(self, image: sitk.Image | VoxelArray, device: str = "auto", weights: Any = None,
               confirmed: Sequence[Vertebra] = ()) -> None:
        """Begin a detection.

        :param image: 3D scalar sitk image or VoxelArray in HU; not to be changed by the caller afterwards.
        :param device: "auto", "cpu", "cuda" or "mps".
        :param weights: path of a safetensors file, name of shipped weights, or None for the default.
        :param confirmed: Vertebra objects that a person settled, see ``Pipeline.detectVertebrae``.
        :raises RuntimeError: a detection runs already.
        """
        if self.isBusy:
            raise RuntimeError("A detection is running; cancel it first.")
        # The worker runs in another folder.
        weights = os.path.abspath(weights) if weights and os.path.isfile(weights) else weights
        self._settings = {"device": device, "weights": weights}
        self._events.append(Progress("Starting", 0, 1))
        self.start()
        if self._process is None:  # One that has ended by now tells so itself.
            self._events.append(Failed(NOT_STARTED.format(reason=self._startError)))
            return
        volume = image if isinstance(image, VoxelArray) else VoxelArray.ofImage(image)
        if volume.voxels.size == 0:
            self._events.append(Failed(NO_VOXELS))
            return
        try:
            self._voxels = SharedVoxels(volume)
        except OSError as error:
            self._events.append(Failed(NO_ROOM.format(reason=error.strerror)))
            return
        # An idle worker says nothing.
        self._lastProgress = self._process.lastHeard = time.monotonic()
        self._process.send(_jobMessages(
            self._voxels, {**self._settings, "confirmed": vertebraeToMessage(confirmed)}, self._process.messages,
        ))

    def poll(self) -> list[Event]:
        """What happened since the last call; to be called often, by a timer.

        :return: in order.
        """
        process = self._process
        while process is not None and process is self._process:
            try:
                message = process.messages.get_nowait()
            except queue.Empty:
                break
            self._handle(message)
        self._checkSignsOfLife()
        events, self._events = self._events, []
        return events

    def cancel(self) -> None:
        """End the running detection, if there is one, and warm up a new worker."""
        if self.isBusy:
            self._endJob(Cancelled())
            self._replaceProcess()

    def stop(self) -> None:
        """End the worker and the running detection, without an event."""
        if self._voxels is not None:
            self._voxels.release()
            self._voxels = None
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(2)
        self._events = []

    def _handle(self, message: Mapping[str, Any]) -> None:
        event = message["event"]
        self._lastProgress = time.monotonic()
        if event == "ready":
            self._events.append(Ready(message["device"]))
        elif event == "progress" and self.isBusy:
            self._events.append(Progress(message["step"], message["done"], message["total"]))
        elif event == "finished":
            self._endJob(Finished(resultFromMessage(message["result"])))
        elif event == "failed":
            if message["traceback"]:
                logger.error("The detection failed: %s", message["traceback"])
            self._endJob(Failed(message["message"]))
            if not message["goesOn"]:
                self._replaceProcess()
        elif event == "ended":
            self._onEnded(message)

    def _onEnded(self, message: Mapping[str, Any]) -> None:
        logger.error("The detection process ended (exit status %s):\n%s", message["exitStatus"], message["stderr"])
        self._process = None
        if self.isBusy:
            self._endJob(Failed(_whyEnded(message)))
            self.start()

    def _checkSignsOfLife(self) -> None:
        now = time.monotonic()
        # The application itself or the whole computer slept: nobody listened.
        slept, self._lastPoll = now - self._lastPoll > 5, now
        if slept and self._process is not None:
            self._lastProgress = self._process.lastHeard = now
        if self.isBusy and self._process is not None and (
            now - self._process.lastHeard > self.silenceLimit or now - self._lastProgress > self.progressLimit
        ):
            logger.error("The detection process was silent and is killed.")
            self._endJob(Failed(SILENT))
            self._replaceProcess()

    def _endJob(self, event: Event) -> None:
        self._voxels.release()
        self._voxels = None
        self._events.append(event)

    def _replaceProcess(self) -> None:
        self._process.kill()
        self._process = None
        self.start()


def _whyEnded(message: Mapping[str, Any]) -> str:
    if message["unreadable"]:
        return UNREADABLE
    # A launcher such as PythonSlicer says 1 for whatever ended the process behind it, and so gets the sentence below.
    if message["exitStatus"] == -9:
        return KILLED
    return ENDED.format(reason=f"exit status {message['exitStatus']}")


def _jobMessages(voxels: SharedVoxels, settings: Mapping[str, Any],
                 answers: queue.SimpleQueue[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Run through by the writing thread: the worker opens the block before the first voxel is in it."""
    yield {"command": "volume", "name": voxels.name, "byteCount": voxels.byteCount}
    try:
        voxels.fill()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        answers.put({"event": "failed", "message": NO_ROOM.format(reason=reason), "traceback": "", "goesOn": False})
        return
    yield {"command": "detect", "layout": voxels.layout, **settings}
