"""Detection without the panel, for the panel and for scripts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Panel.Packages import pythonSlicer
from CervicalSpineDetectionLib.Panel.ParameterNode import CervicalSpineDetectionParameterNode, ComputeDevice

if TYPE_CHECKING:
    from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra
    from CervicalSpineDetectionLib.Worker.WorkerClient import Event, WorkerClient

# How often the worker is asked for news, and where none are expected.
POLL_MILLISECONDS = 10
IDLE_POLL_MILLISECONDS = 1000


class CervicalSpineDetectionLogic(ScriptedLoadableModuleLogic):
    """Detection in a worker process, without the panel.

    Uses ScriptedLoadableModuleLogic base class, available at:
    https://github.com/Slicer/Slicer/blob/main/Base/Python/slicer/ScriptedLoadableModule.py
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._client: WorkerClient | None = None
        self._orientedBoxes = self._keepSettled = True
        self._started = self._warmUpUntil = 0.0
        # The CT in which a detection runs.
        self.volumeNode: slicer.vtkMRMLScalarVolumeNode | None = None

    def getParameterNode(self) -> CervicalSpineDetectionParameterNode:
        return CervicalSpineDetectionParameterNode(super().getParameterNode())  # type: ignore[call-arg]  # the wrapper

    @property
    def client(self) -> WorkerClient:
        """Of the worker process, made when first needed. ``Worker.WorkerClient.WorkerClient``, or the like in tests."""
        if self._client is None:
            from CervicalSpineDetectionLib.Worker.WorkerClient import WorkerClient

            self._client = WorkerClient([pythonSlicer(), "-m", "CervicalSpineDetectionLib.Worker"])
        return self._client

    @client.setter
    def client(self, client: WorkerClient) -> None:
        self._client = client

    @property
    def isBusy(self) -> bool:
        """A detection runs."""
        return self._client is not None and self._client.isBusy

    @property
    def isIdle(self) -> bool:
        """Nothing more is expected from the worker for now."""
        return not self.isBusy and time.monotonic() > self._warmUpUntil

    @property
    def elapsed(self) -> float:
        """Seconds since the detection began."""
        return time.monotonic() - self._started

    def warmUp(self) -> None:
        """Start the worker, if it does not run."""
        if not self.client.isAlive:
            self._warmUpUntil = time.monotonic() + 60
            self.client.start()

    def startDetection(self, inputVolume: slicer.vtkMRMLScalarVolumeNode, device: ComputeDevice = ComputeDevice.AUTO,
                       orientedBoxes: bool = True, weights: str = "", confirmed: Sequence[Vertebra] = (),
                       keepSettled: bool = True) -> None:
        """Begin to detect the vertebrae of a CT; ``poll`` puts them into the scene.

        :param inputVolume: vtkMRMLScalarVolumeNode in HU.
        :param orientedBoxes: boxes turned with the curve of the spine, else aligned with the patient axes.
        :param weights: path of a safetensors file, empty for the default.
        :param confirmed: Vertebra objects that a person settled, see ``Scene.Corrections``.
        :param keepSettled: False puts the result in place of those, too.
        :raises InputError: the volume can't be used.
        """
        from CervicalSpineDetectionLib.Scene.VolumeNodes import arrayFromVolumeNode

        volume = arrayFromVolumeNode(inputVolume)
        self.volumeNode, self._started = inputVolume, time.monotonic()
        self._orientedBoxes, self._keepSettled = orientedBoxes, keepSettled
        self.client.detect(volume, device=device.torchName(), weights=weights or None, confirmed=confirmed)

    def poll(self) -> list[Event]:
        """To be called often while a detection runs.

        :return: events of the worker since the last call; where one is Finished, its vertebrae are in the scene.
        """
        from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae
        from CervicalSpineDetectionLib.Worker.WorkerClient import Finished, Ready

        events = self._client.poll() if self._client else []
        for event in events:
            if isinstance(event, Finished):
                addVertebrae(slicer.mrmlScene, event.result, self.volumeNode, oriented=self._orientedBoxes,
                             keepSettled=self._keepSettled)
            if isinstance(event, Ready):
                self._warmUpUntil = 0.0
        if not self.isBusy:
            self.volumeNode = None
        return events

    def cancel(self) -> None:
        """End a running detection; the scene stays as it is."""
        if self.isBusy:
            self._warmUpUntil = time.monotonic() + 60
            self.client.cancel()

    def stop(self) -> None:
        """End the worker process, and a detection with it."""
        if self._client is not None:
            self._client.stop()
        self.volumeNode = None

    def detect(self, inputVolume: slicer.vtkMRMLScalarVolumeNode, **settings: Any) -> DetectionResult:
        """As ``startDetection``, and wait; for scripts. The application goes on meanwhile.

        :return: ``Spine.Vertebra.DetectionResult``, coordinates in LPS mm.
        :raises InputError: the volume can't be used, or the detection failed or was cancelled.
        """
        from CervicalSpineDetectionLib.Worker.WorkerClient import Cancelled, Failed, Finished

        self.startDetection(inputVolume, **settings)
        while True:
            for event in self.poll():
                if isinstance(event, Finished):
                    return event.result
                if isinstance(event, Failed):
                    raise InputError(event.message)
                if isinstance(event, Cancelled):
                    raise InputError(_("The detection was canceled."))
            slicer.app.processEvents()
            time.sleep(POLL_MILLISECONDS / 1000)
