"""What the user chose in the panel, kept in the scene."""

import enum
import sys

from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper


class ComputeDevice(enum.Enum):
    """Where the detector runs."""

    AUTO = "auto"
    GPU = "gpu"
    CPU = "cpu"

    def label(self):
        return {"auto": _("Auto"), "gpu": _("GPU"), "cpu": _("CPU")}[self.value]

    def torchName(self):
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
