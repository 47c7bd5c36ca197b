"""YOLOv5 as a slice detector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from CervicalSpineDetectionLib.Errors import InputError, isGpuMemory
from CervicalSpineDetectionLib.SliceDetector import IntegerNetwork, OnnxNetwork
from CervicalSpineDetectionLib.SliceDetector.BoxSelection import bestBoxes
from CervicalSpineDetectionLib.SliceDetector.Detector import (
    BODY_CLASS,
    CLASS_NAMES,
    ProgressCallback,
    SliceDetections,
    classIndices,
)
from CervicalSpineDetectionLib.SliceDetector.EdgeNetwork import EdgeNetwork
from CervicalSpineDetectionLib.SliceDetector.NetworkLayers import WrongWeights
from CervicalSpineDetectionLib.SliceDetector.SliceChoice import besideRegions, bodyRegion, firstLook, holdsSpine
from CervicalSpineDetectionLib.SliceDetector.Weights import EDGES, findWeights, loadArrays, loadEdges, tensorsOf
from CervicalSpineDetectionLib.Spine.Arrays import Array

STRIDE = 32  # pixels; the network halves the picture five times
WHOLE = slice(None), slice(None)  # rows and columns
NOTHING = SliceDetections(np.zeros((0, 4), np.float32), np.zeros((0, BODY_CLASS), np.float32),
                          np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


class Network(Protocol):
    """What runs the network: torch or ONNX Runtime.

    ``device`` is "cpu", "cuda" or "mps", ``precision`` a key of ``Precision.PRECISIONS`` or "int8".
    """

    device: str
    precision: str

    def predict(self, pictures: Array) -> Array:
        """:param pictures: uint8, shape (n, 3, rows, columns), rows and columns multiples of ``STRIDE``.
        :return: float32, shape (n, boxes, 4 + classes): middle and size in pixels, scores of the weights' classes; of
            all boxes, or of those places at least where a score of any picture is above ``BoxSelection``'s threshold; a
            box whose own scores are below it may be one without size.
        :raises RuntimeError: see ``Errors.isGpuMemory``.
        """
        ...

    @property
    def threads(self) -> int:
        """That compute, where ``device`` is "cpu"."""
        ...

    @property
    def together(self) -> int:
        """Calls of ``predict`` at the same time that keep them busy."""
        ...

    def makeRoom(self) -> None:
        """Give up memory of the device that is held for later."""
        ...


def loadDetector(weights: str | Path | None = None, device: str = "auto", batchSize: int = 16, everySlice: bool = False,
                 precision: str = "auto", forOneCt: bool = False) -> YoloDetector:
    """A detector from weights on disk.

    :param weights: path of a safetensors file, name of shipped weights, or None for the default.
    :param device: "auto", "cuda", "mps" or "cpu".
    :param batchSize: slices at a time; halved by itself where memory is short.
    :param everySlice: see ``YoloDetector``.
    :param precision: "single" for the same boxes on every processor, else see ``Precision.choosePrecision``.
    :param forOneCt: with little work ahead, so that a detector that is there soon is better than a faster one. Decides
        only where the network can't compute in whole numbers, see ``IntegerNetwork``: ONNX Runtime is there soon.
    :raises InputError: no such weights, device or precision, or weights for another network.
    """
    path = findWeights(weights)
    card, arrays = loadArrays(path)
    try:
        classIndices(card["classes"])
        known = card["plane"] == "sagittal"
    except ValueError:
        known = False
    if not known:
        raise InputError(f"{path.name} was trained for other classes or another plane; use weights of this program.")
    try:
        kind = card["architecture"], len(card["classes"]), arrays
        if IntegerNetwork.canRun(device, precision, card):
            network: Network = IntegerNetwork.IntegerNetwork(*kind, card[IntegerNetwork.RANGES])
        elif forOneCt and OnnxNetwork.canRun(device, precision):
            network = OnnxNetwork.OnnxNetwork(*kind)
        else:
            network = _torchNetwork(*kind, device, precision)
    except WrongWeights:
        raise InputError(f"{path.name} does not fit the network {card['architecture']} its card names; copy both files "
                         "again.") from None
    looks = (_edgeNetwork(path, card, field, precision) for field in EDGES)
    return YoloDetector(network, card, batchSize, everySlice, *looks)


def _edgeNetwork(path: Path, card: dict[str, Any], field: str, precision: str) -> EdgeNetwork | None:
    """:param path: of the detector's weights. :param field: of the card.
    :return: None where the card names no weights for this second look.
    """
    if field not in card:
        return None
    name, arrays = loadEdges(path, card, field)
    named = card[field]
    ranges = named.get(IntegerNetwork.RANGES)
    isWhole = (OnnxNetwork.isThere() and named.get(IntegerNetwork.RANGES_OF) == named["sha256"]
               and IntegerNetwork.canCompute(precision, ranges))
    try:
        return EdgeNetwork(arrays, ranges if isWhole else None)
    except WrongWeights:
        raise InputError(f"{name} does not fit this program; copy it again.") from None


def _torchNetwork(architecture: str, classCount: int, weights: Mapping[str, Array], device: str,
                  precision: str) -> Network:
    from CervicalSpineDetectionLib.SliceDetector.TorchNetwork import TorchNetwork, chooseDevice
    from CervicalSpineDetectionLib.SliceDetector.Ultralytics import detectionModel

    model = detectionModel(architecture, classCount)
    try:
        model.load_state_dict(tensorsOf(weights))
    except RuntimeError:
        raise WrongWeights from None
    return TorchNetwork(model, chooseDevice(device), precision)


class YoloDetector:
    """See ``Detector.SliceDetector``.

    :param network: see ``Network``.
    :param card: model card with "classes", "pixelSize", "sliceSpacing", "window", "name", "sha256".
    :param everySlice: look at the whole of every slice, for pictures that are not the slices of one scan in order, and
        for boxes far beside the spine (ribs); else only where the spine can be, see ``SliceChoice``.
    :param secondLook, coronalLook: at sagittal and coronal slices, see ``SecondLook.SecondLook``, or None for none.
    """

    def __init__(self, network: Network, card: dict[str, Any], batchSize: int = 16, everySlice: bool = False,
                 secondLook: EdgeNetwork | None = None, coronalLook: EdgeNetwork | None = None) -> None:
        self.pixelSize = card["pixelSize"]
        self.sliceSpacing = card["sliceSpacing"]
        self.window = tuple(card["window"])
        self._classes = classIndices(card["classes"])
        self.network: Any = network
        self.batchSize = batchSize
        self.everySlice = everySlice
        self.secondLook, self.coronalLook = secondLook, coronalLook
        self.model = {
            "name": card["name"], "sha256": card.get("sha256", ""), "pixelSize": self.pixelSize,
            "sliceSpacing": self.sliceSpacing, "window": list(self.window), "device": network.device,
            "precision": network.precision, "levelModel": dict(card.get("levelModel") or {}),
        }
        for name, field in zip(("secondLook", "coronalLook"), EDGES, strict=True):
            if getattr(self, name) is not None:
                self.model[name] = card[field]["sha256"]

    def detect(self, slices: Array, progress: ProgressCallback | None = None) -> list[SliceDetections]:
        """:param slices: uint8, shape (n, 3, rows, columns). :return: list of n SliceDetections."""
        count = len(slices)
        everything = np.arange(count), np.arange(0)
        middle, sides = everything if self.everySlice else firstLook(count, self.sliceSpacing)
        found: dict[int, SliceDetections] = {}
        self._lookAt(found, slices, middle, WHOLE, progress)
        if len(sides) and not holdsSpine(list(found.values())):
            self._lookAt(found, slices, sides, WHOLE, progress)
        looked = np.sort(list(found))
        grid = count, self.pixelSize, self.sliceSpacing, STRIDE
        bodies = bodyRegion([found[index] for index in looked], looked, *grid)
        if bodies is None:
            self._lookAt(found, slices, range(count), WHOLE, progress)
        else:
            self._lookAt(found, slices, bodies.slices, (bodies.rows, bodies.columns), progress)
            for region in besideRegions([found[index] for index in bodies.slices], bodies, *grid):
                self._lookAt(found, slices, region.slices, (region.rows, region.columns), progress)
        if progress and len(found) < count:
            progress("Detecting", count, count)
        return [found.get(index, NOTHING) for index in range(count)]

    def _lookAt(self, found: dict[int, SliceDetections], slices: Array, indices: Iterable[int],
                part: tuple[slice, slice], progress: ProgressCallback | None) -> None:
        """Add what some slices show to ``found``, index -> SliceDetections, where they are not in there yet.

        :param slices: of the whole scan. :param part: rows and columns, starting at multiples of ``STRIDE``.
        """
        missing = [index for index in indices if index not in found]
        shown = slices[(slice(None), slice(None), *part)]
        channels, rows, columns = shown.shape[1:]
        padded = np.zeros((len(missing), channels, rows + -rows % STRIDE, columns + -columns % STRIDE), np.uint8)
        for picture, index in zip(padded, missing, strict=True):
            picture[:, :rows, :columns] = shown[index]
        seen = self._look(padded, len(found), len(slices), progress)
        found.update((index, _moved(one, part[1].start or 0, part[0].start or 0))
                     for index, one in zip(missing, seen, strict=True))

    def _look(self, pictures: Array, done: int, total: int, progress: ProgressCallback | None) -> list[SliceDetections]:
        """Some batches at a time. :param done: slices that count as done before. :return: list of SliceDetections."""
        found: list[SliceDetections] = []
        together = self.network.together
        while len(found) < len(pictures):
            left = pictures[len(found) :]
            size = min(self.batchSize, -(-len(left) // together))
            batches = [np.ascontiguousarray(left[start : start + size])
                       for start in range(0, min(len(left), size * together), size)]
            try:
                found += self._detectBatches(batches)
            except RuntimeError as error:
                if self.batchSize == 1 or not isGpuMemory(error):
                    raise
                self.batchSize //= 2
                self.network.makeRoom()
                continue
            if progress:
                progress("Detecting", done + len(found), total)
        return found

    def _detectBatches(self, batches: Sequence[Array]) -> list[SliceDetections]:
        """Each in a thread of its own; a single one in this one, whose settings torch follows."""
        if len(batches) == 1:
            return self._detectBatch(batches[0])
        with ThreadPoolExecutor(len(batches)) as pool:
            return [one for found in pool.map(self._detectBatch, batches) for one in found]

    def _detectBatch(self, batch: Array) -> list[SliceDetections]:
        predictions = self.network.predict(batch)
        scores = np.zeros((*predictions.shape[:2], len(CLASS_NAMES)), np.float32)
        scores[..., self._classes] = predictions[..., 4:]
        return [bestBoxes(boxes[:, :2], boxes[:, 2:4], own) for boxes, own in zip(predictions, scores, strict=True)]


def _moved(detections: SliceDetections, columns: int, rows: int) -> SliceDetections:
    """The same in a picture that starts so much further to the left and above."""
    offset = np.array([columns, rows, columns, rows], np.float32)
    return replace(detections, boxes=detections.boxes + offset, bodyBoxes=detections.bodyBoxes + offset)

