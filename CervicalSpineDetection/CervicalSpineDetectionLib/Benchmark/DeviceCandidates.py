"""Ways to use a graphics card that the detection does not take, or not yet: seconds of each beside those it takes.

Runs in a process of its own, see ``Processes.inFreshProcess``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as functional

from CervicalSpineDetectionLib.Benchmark.Processes import medianSeconds
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Imaging.Resampling import resampleSagittal
from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume, windowed, withNeighbours
from CervicalSpineDetectionLib.SliceDetector.BoxSelection import SAME_VERTEBRA_IOU, SCORE_THRESHOLD, bestBoxes
from CervicalSpineDetectionLib.SliceDetector.Precision import PRECISIONS, fastestPrecision
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import decodeInSinglePrecision, detectionModel
from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, loadWeights
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import STRIDE, loadDetector

BATCH = 16

Way: TypeAlias = tuple[str, Callable[[], float]]  # its name, and what gives its seconds or another figure


def candidates(path: str | Path, weights: str | Path | None, device: str, repeats: int) -> dict[str, float | str]:
    """Median seconds of each way, over all slices of a CT, whole.

    :return: dict: way -> seconds, or a text where it does not work; "resampling, grid_sample, HU" is the most that
        voxels differ from SimpleITK's.
    """
    image = readImage(path)
    detector = loadDetector(weights, device, precision="single")
    volume = resampleSagittal(image, detector.pixelSize, detector.sliceSpacing)
    slices = withNeighbours(windowed(volume, detector.window))
    rows, columns = slices.shape[2:]
    pictures = torch.from_numpy(np.pad(slices, ((0, 0), (0, 0), (0, -rows % STRIDE), (0, -columns % STRIDE))))
    found = {}
    _tryAll(found, _networks(weights, device, pictures, repeats))
    _tryAll(found, _selections(weights, device, pictures, repeats))
    _tryAll(found, _resamplings(image, volume, device, repeats))
    return found


def _tryAll(found: dict[str, float | str], ways: Iterable[Way]) -> None:
    """:param ways: (name, function) pairs; a function gives seconds or another figure."""
    for name, measure in ways:
        try:
            found[name] = measure()
        except Exception as error:  # what does not work here is a finding
            found[name] = f"does not work: {type(error).__name__}: {error}"[:200]


def _sync(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def _networks(weights: str | Path | None, device: str, pictures: torch.Tensor, repeats: int) -> Iterator[Way]:
    """The network alone, pictures on the device already. Processors are many times slower in what they lack."""
    onCard = torch.device(device).type != "cpu"
    for precision in PRECISIONS if onCard else dict.fromkeys(("single", fastestPrecision(torch.device(device)))):
        for layout, layoutFormat in (("channels last", torch.channels_last), ("contiguous", torch.contiguous_format)):
            for batch in (BATCH, len(pictures)):
                yield (f"network, {precision}, {layout}, {batch} slices at a time",
                       partial(_networkSeconds, weights, device, pictures, precision, layoutFormat, batch, repeats))
    if torch.device(device).type == "cuda":
        yield (f"network, half, channels last, {BATCH} slices at a time, CUDA graph",
               lambda: _graphSeconds(weights, device, pictures, repeats))


def _network(weights: str | Path | None, device: str, precision: str) -> Any:
    """With the boxes of all places, of whatever score."""
    card, state = loadWeights(findWeights(weights))
    network = detectionModel(card["architecture"], len(card["classes"]))
    network.load_state_dict(state)
    network = network.eval().requires_grad_(False).fuse(verbose=False)
    return decodeInSinglePrecision(network.to(device, PRECISIONS[precision], memory_format=torch.channels_last))


@torch.inference_mode()
def _networkSeconds(weights: str | Path | None, device: str, pictures: torch.Tensor, precision: str,
                    layout: torch.memory_format, batch: int, repeats: int) -> float:
    network = _network(weights, device, precision).to(memory_format=layout)
    given = [part.to(device, PRECISIONS[precision], memory_format=layout) / 255 for part in pictures.split(batch)]

    def run() -> None:
        for part in given:
            network(part)
        _sync(device)

    return medianSeconds(run, repeats)


@torch.inference_mode()
def _graphSeconds(weights: str | Path | None, device: str, pictures: torch.Tensor, repeats: int) -> float:
    """Batches of one size, the last one filled up, replayed from a recording."""
    network = _network(weights, device, "half")
    filled = torch.cat([pictures, pictures[: -len(pictures) % BATCH]])
    given = [part.to(device, torch.half, memory_format=torch.channels_last) / 255 for part in filled.split(BATCH)]
    place = given[0].clone(memory_format=torch.channels_last)
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            network(place)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        network(place)

    def run() -> None:
        for part in given:
            place.copy_(part)
            graph.replay()
        torch.cuda.synchronize()

    return medianSeconds(run, repeats)


@torch.inference_mode()
def _selections(weights: str | Path | None, device: str, pictures: torch.Tensor, repeats: int) -> Iterator[Way]:
    """From what the network says of all slices, on the device, to the boxes in main memory."""
    given = pictures.to(device, memory_format=torch.channels_last).float() / 255
    network = _network(weights, device, "single")
    said = torch.cat([network(part)[0] for part in given.split(BATCH)])

    def onProcessor() -> None:
        for prediction in said.float().cpu().transpose(1, 2).numpy():
            bestBoxes(prediction[:, :2], prediction[:, 2:4], prediction[:, 4:])

    def onDevice() -> None:
        from torchvision.ops import batched_nms

        score = said[:, 4:].amax(dim=1)
        picture, anchor = torch.nonzero(score > SCORE_THRESHOLD, as_tuple=True)
        box = said[picture, :4, anchor]
        corners = torch.cat([box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2], dim=1)
        kept = batched_nms(corners, score[picture, anchor], picture, SAME_VERTEBRA_IOU)
        corners[kept].cpu()

    yield "boxes chosen on the processor", lambda: medianSeconds(onProcessor, repeats)
    yield "boxes chosen on the device, torchvision", lambda: medianSeconds(onDevice, repeats)


def _resamplings(image: sitk.Image, volume: SagittalVolume, device: str, repeats: int) -> Iterator[Way]:
    """From the CT in main memory to sagittal voxels: in main memory by SimpleITK, on the device by torch."""
    onDevice = torch.from_numpy(sitk.GetArrayFromImage(image))
    corner = np.array([volume.toLps(np.array(index)) for index in np.ndindex(2, 2, 2)])
    steps = [np.array(image.TransformPhysicalPointToContinuousIndex(point.tolist())) for point in corner]
    affine = np.stack([steps[4] - steps[0], steps[2] - steps[0], steps[1] - steps[0], steps[0]], axis=1)
    factors = [max(1, int(volume.pixelSize / spacing + 1e-3)) for spacing in image.GetSpacing()]

    def byTorch() -> torch.Tensor:
        voxels = onDevice.to(device).float()[None, None]
        if max(factors) > 1:
            voxels = functional.avg_pool3d(voxels, factors[::-1])
        axes = [torch.arange(count, device=device, dtype=torch.float32) for count in volume.voxels.shape]
        index = torch.stack([*torch.meshgrid(*axes, indexing="ij"), torch.ones(volume.voxels.shape, device=device)], -1)
        place = index @ torch.from_numpy(affine.astype(np.float32)).to(device).T
        factor = torch.tensor(factors, device=device)
        size = torch.tensor(voxels.shape[:1:-1], device=device)
        # Of averaged voxels, then from -1 in the middle of the first to 1 in that of the last.
        grid = ((place - (factor - 1) / 2) / factor) * 2 / (size - 1) - 1
        sampled = functional.grid_sample(voxels, grid[None], padding_mode="border", align_corners=True)[0, 0]
        _sync(device)
        return sampled

    def difference() -> float:
        return float(np.abs(byTorch().cpu().numpy() - volume.voxels)[volume.inside].max())

    yield "resampling, SimpleITK", lambda: medianSeconds(
        lambda: resampleSagittal(image, volume.pixelSize, volume.sliceSpacing), repeats)
    yield "resampling, grid_sample", lambda: medianSeconds(byTorch, repeats)
    yield "resampling, grid_sample, HU", difference
