"""The network run by torch, on a graphics card or the processor."""

from __future__ import annotations

from typing import Any

import torch

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SliceDetector.Precision import PRECISIONS, choosePrecision
from CervicalSpineDetectionLib.SliceDetector.ProcessorNetwork import blocksOf, tuneForProcessor
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import decodeInSinglePrecision
from CervicalSpineDetectionLib.Spine.Arrays import Array


def chooseDevice(device: str = "auto") -> torch.device:
    """torch device for "auto" (cuda, then mps, then cpu) or a name.

    :raises InputError: the named device is not there.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        device = next(name for name, there in available.items() if there)
    if not available.get(device.split(":")[0], False):
        raise InputError(f"Device {device} is not available on this computer; use auto or cpu.")
    return torch.device(device)


class TorchNetwork:
    """See ``YoloDetector.Network``.

    :param model: ultralytics detection network with its weights.
    :param device: torch device.
    :param precision: see ``Precision.choosePrecision``.
    """

    def __init__(self, model: Any, device: torch.device, precision: str = "auto") -> None:
        self.torchDevice, self.device = device, device.type
        self.precision = choosePrecision(precision, device)
        self._type = PRECISIONS[self.precision]
        network = model.eval().requires_grad_(False).fuse(verbose=False)
        network = network.to(device, self._type, memory_format=torch.channels_last)
        # A graphics card would wait for the processor to hear where something is seen. Networks of tests have no parts.
        self._onBlocks = self.device == "cpu" and hasattr(network, "model")
        self._module = (tuneForProcessor if self._onBlocks else decodeInSinglePrecision)(network)

    @torch.inference_mode()
    def predict(self, pictures: Array) -> Array:
        """See ``YoloDetector.Network``."""
        if self._onBlocks:
            given = blocksOf(pictures).to(self._type)
        else:
            given = torch.from_numpy(pictures).to(self.torchDevice, self._type, memory_format=torch.channels_last) / 255
        predictions: Array = self._module(given)[0].float().cpu().transpose(1, 2).numpy()
        return predictions

    @property
    def threads(self) -> int:
        """See ``YoloDetector.Network``."""
        return torch.get_num_threads()

    @property
    def together(self) -> int:
        """See ``YoloDetector.Network``; torch keeps its threads busy with one."""
        return 1

    def makeRoom(self) -> None:
        """See ``YoloDetector.Network``."""
        torch.cuda.empty_cache()
