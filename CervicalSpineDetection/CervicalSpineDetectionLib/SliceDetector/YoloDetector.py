"""YOLOv5 as a slice detector."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SliceDetector.BoxSelection import bestBoxes
from CervicalSpineDetectionLib.SliceDetector.Detector import (
    BODY_CLASS,
    CLASS_NAMES,
    ProgressCallback,
    SliceDetections,
    classIndices,
)
from CervicalSpineDetectionLib.SliceDetector.GpuMemory import isGpuMemory
from CervicalSpineDetectionLib.SliceDetector.Precision import PRECISIONS, choosePrecision
from CervicalSpineDetectionLib.SliceDetector.SliceChoice import firstLook, holdsSpine, spineRegion
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import decodeInSinglePrecision, detectionModel
from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, loadWeights
from CervicalSpineDetectionLib.Spine.Arrays import Array

STRIDE = 32  # pixels; the network halves the picture five times
NOTHING = SliceDetections(np.zeros((0, 4), np.float32), np.zeros((0, BODY_CLASS), np.float32),
                          np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


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


def loadDetector(weights: str | Path | None = None, device: str = "auto", batchSize: int = 16, everySlice: bool = False,
                 precision: str = "auto") -> YoloDetector:
    """A detector from weights on disk.

    :param weights: path of a safetensors file, name of shipped weights, or None for the default.
    :param device: "auto", "cuda", "mps" or "cpu".
    :param batchSize: slices at a time; halved by itself where memory is short.
    :param everySlice: see ``YoloDetector``.
    :param precision: "single" for the same boxes on every processor, else see ``Precision.choosePrecision``.
    :raises InputError: no such weights, device or precision, or weights for another network.
    """
    path = findWeights(weights)
    card, state = loadWeights(path)
    try:
        classIndices(card["classes"])
        known = card["plane"] == "sagittal"
    except ValueError:
        known = False
    if not known:
        raise InputError(f"{path.name} was trained for other classes or another plane; use weights of this program.")
    model = detectionModel(card["architecture"], len(card["classes"]))
    try:
        model.load_state_dict(state)
    except RuntimeError:
        raise InputError(f"{path.name} does not fit the network {card['architecture']} its card names; copy both files "
                         "again.") from None
    return YoloDetector(model, card, chooseDevice(device), batchSize, everySlice, precision)


class YoloDetector:
    """See ``Detector.SliceDetector``.

    :param model: ultralytics detection network with its weights.
    :param card: model card with "classes", "pixelSize", "sliceSpacing", "window", "name", "sha256".
    :param device: torch device.
    :param everySlice: look at the whole of every slice, for pictures that are not the slices of one scan in order, and
        for boxes far beside the spine (ribs); else only where the spine can be, see ``SliceChoice``.
    :param precision: see ``Precision.choosePrecision``.
    """

    def __init__(self, model: Any, card: dict[str, Any], device: torch.device, batchSize: int = 16,
                 everySlice: bool = False, precision: str = "auto"):
        self.pixelSize = card["pixelSize"]
        self.sliceSpacing = card["sliceSpacing"]
        self.window = tuple(card["window"])
        self._classes = classIndices(card["classes"])
        self.device = device
        self.batchSize = batchSize
        self.everySlice = everySlice
        precision = choosePrecision(precision, device)
        self._type = PRECISIONS[precision]
        self.model = {
            "name": card["name"], "sha256": card.get("sha256", ""), "pixelSize": self.pixelSize,
            "sliceSpacing": self.sliceSpacing, "window": list(self.window), "device": device.type,
            "precision": precision, "levelModel": dict(card.get("levelModel") or {}),
        }
        network = model.eval().requires_grad_(False).fuse(verbose=False)
        self._network = decodeInSinglePrecision(network.to(device, self._type, memory_format=torch.channels_last))

    def detect(self, slices: Array, progress: ProgressCallback | None = None) -> list[SliceDetections]:
        """:param slices: uint8, shape (n, 3, rows, columns). :return: list of n SliceDetections."""
        count, _, rows, columns = slices.shape
        padded = np.pad(slices, ((0, 0), (0, 0), (0, -rows % STRIDE), (0, -columns % STRIDE)))
        everything = np.arange(count), np.arange(0)
        middle, sides = everything if self.everySlice else firstLook(count, self.sliceSpacing)
        found = dict(zip(middle, self._look(padded[middle], 0, count, progress), strict=True))
        if len(sides) and not holdsSpine(list(found.values())):
            found.update(zip(sides, self._look(padded[sides], len(middle), count, progress), strict=True))
        looked = np.sort(list(found))
        region = spineRegion([found[index] for index in looked], looked, count, self.pixelSize, self.sliceSpacing,
                             STRIDE)
        rest = [index for index in region.slices if index not in found]
        cut = padded[rest, :, region.rows, region.columns]
        for index, detections in zip(rest, self._look(cut, count - len(rest), count, progress), strict=True):
            found[index] = _moved(detections, region.columns.start, region.rows.start)
        return [found.get(index, NOTHING) for index in range(count)]

    def _look(self, pictures: Array, done: int, total: int, progress: ProgressCallback | None) -> list[SliceDetections]:
        """Batch by batch. :param done: slices that count as done before. :return: list of SliceDetections."""
        tensor = torch.from_numpy(pictures)
        found: list[SliceDetections] = []
        while len(found) < len(pictures):
            batch = tensor[len(found) : len(found) + self.batchSize]
            try:
                found += self._detectBatch(batch)
            except RuntimeError as error:
                if self.batchSize == 1 or not isGpuMemory(error):
                    raise
                self.batchSize //= 2
                torch.cuda.empty_cache()
                continue
            if progress:
                progress("Detecting", done + len(found), total)
        return found

    @torch.inference_mode()
    def _detectBatch(self, batch: torch.Tensor) -> list[SliceDetections]:
        pictures = batch.to(self.device, self._type, memory_format=torch.channels_last) / 255
        predictions = self._network(pictures)[0].float().cpu().transpose(1, 2).numpy()
        scores = np.zeros((*predictions.shape[:2], len(CLASS_NAMES)), np.float32)
        scores[..., self._classes] = predictions[..., 4:]
        return [bestBoxes(boxes[:, :2], boxes[:, 2:4], own) for boxes, own in zip(predictions, scores, strict=True)]


def _moved(detections: SliceDetections, columns: int, rows: int) -> SliceDetections:
    """The same in a picture that starts so much further to the left and above."""
    offset = np.array([columns, rows, columns, rows], np.float32)
    return replace(detections, boxes=detections.boxes + offset, bodyBoxes=detections.bodyBoxes + offset)

