"""What the user chose in the panel, kept in the scene."""

import enum
import sys
from typing import Any

from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper

from CervicalSpineDetectionLib.Panel.Ui import Ui


class ComputeDevice(enum.Enum):
    """Where the detector runs."""

    AUTO = "auto"
    GPU = "gpu"
    CPU = "cpu"

    def label(self) -> str:
        return {"auto": _("Auto"), "gpu": _("GPU"), "cpu": _("CPU")}[self.value]

    def torchName(self) -> str:
        if self is ComputeDevice.GPU:
            return "mps" if sys.platform == "darwin" else "cuda"
        return self.value


@parameterNodeWrapper
class CervicalSpineDetectionParameterNode:
    """
    The parameters needed by module.

    inputVolume - The CT of the neck.
    device - Where the detector runs.
    orientedBoxes - If true, boxes are turned with the curve of the spine, else aligned with the patient axes.
    weights - Path of the network's weights, empty for the default ones.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    device: ComputeDevice = ComputeDevice.AUTO
    orientedBoxes: bool = True
    weights: str = ""


class GuiConnection:
    """Widgets that follow the parameters, and the other way round, until ``release``.

    Slicer 5.10 never removes its observer of the node (5.12 does), which crashes it after a later garbage collection.

    :param parameters: CervicalSpineDetectionParameterNode, with what the wrapper gives it.
    :param ui: widgets by name.
    """

    def __init__(self, parameters: Any, ui: Ui) -> None:
        self._parameters = parameters
        self._observers: list[int] = []
        addObserver = parameters.AddObserver

        def addAndNote(*arguments: object) -> int:
            self._observers.append(addObserver(*arguments))
            return self._observers[-1]

        parameters.AddObserver = addAndNote
        try:
            self._tag = parameters.connectGui(ui)
        finally:
            del parameters.AddObserver

    def release(self) -> None:
        self._parameters.disconnectGui(self._tag)
        for tag in self._observers:
            self._parameters.RemoveObserver(tag)
