"""What the machine could do at best: time that the arithmetic and the memory traffic of a detection need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from torch.utils.flop_counter import FlopCounterMode

from CervicalSpineDetectionLib.Benchmark.Processes import bestSeconds
from CervicalSpineDetectionLib.SliceDetector.Detector import CLASS_NAMES
from CervicalSpineDetectionLib.SliceDetector.OnnxNetwork import session
from CervicalSpineDetectionLib.SliceDetector.Precision import PRECISIONS
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import detectionModel
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import STRIDE

# (channels, pixels along a side) of 3 x 3 convolutions that processors are good at; the best one counts.
CONVOLUTIONS = ((64, 64), (128, 64), (256, 32), (512, 16))
CONVOLUTION_BATCH = 8
INTEGERS = "int8"  # precision of ``IntegerNetwork``
COPY_BYTES = 2**28
RUNS = 20


def machine(device: str, precisions: Iterable[str]) -> dict[str, Any]:
    """Measured on this machine now, best of ``RUNS``.

    :param precisions: names, see ``SliceDetector.Precision``.
    :return: dict: "flops" (precision -> floating point operations a second in convolutions, a multiply-add is two;
        "single" on CUDA is TF32, torch's default), "bandwidth" (bytes a second read and written by a large copy).
    """
    sync = torch.cuda.synchronize if torch.device(device).type == "cuda" else lambda: None
    def rate(precision: str, channels: int, side: int) -> float:
        if precision == INTEGERS:
            return _integerRate(channels, side)
        return _convolutionRate(channels, side, device, PRECISIONS[precision], sync)

    return {"flops": {precision: max(rate(precision, *one) for one in CONVOLUTIONS) for precision in precisions},
            "bandwidth": _copyRate(device, sync)}


@torch.inference_mode()
def _convolutionRate(channels: int, side: int, device: str, kind: torch.dtype, sync: Callable[[], None]) -> float:
    pictures = torch.randn(CONVOLUTION_BATCH, channels, side, side, device=device, dtype=kind)
    pictures = pictures.to(memory_format=torch.channels_last)
    kernels = torch.randn(channels, channels, 3, 3, device=device, dtype=kind).to(memory_format=torch.channels_last)

    def run() -> None:
        functional.conv2d(pictures, kernels, padding=1)
        sync()

    return 2 * CONVOLUTION_BATCH * channels**2 * 9 * side**2 / bestSeconds(run, RUNS)


def _integerRate(channels: int, side: int) -> float:
    from CervicalSpineDetectionLib.SliceDetector.IntegerGrid import oneConvolution

    model = session(oneConvolution(np.ones((channels, channels, 3, 3), np.int8), 9.0 * channels))
    given = {model.get_inputs()[0].name: np.ones((CONVOLUTION_BATCH, channels, side, side), np.uint8)}
    return 2 * CONVOLUTION_BATCH * channels**2 * 9 * side**2 / bestSeconds(lambda: model.run(None, given), RUNS)


def _copyRate(device: str, sync: Callable[[], None]) -> float:
    source = torch.ones(COPY_BYTES // 4, device=device)
    target = torch.empty_like(source)

    def run() -> None:
        target.copy_(source)
        sync()

    return 2 * COPY_BYTES / bestSeconds(run, RUNS)


def networkCost(architecture: str, rows: int, columns: int) -> dict[str, float]:
    """Of our network, for one whole slice.

    :return: dict: "flops", "parameters".
    """
    model = detectionModel(architecture, len(CLASS_NAMES)).eval()
    picture = torch.zeros(1, 3, rows + -rows % STRIDE, columns + -columns % STRIDE)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(picture)
    return {"flops": counter.get_total_flops(), "parameters": sum(p.numel() for p in model.parameters())}


def floors(rates: Mapping[str, Any], precision: str, flops: float, parameters: float, slices: Sequence[int],
           voxels: Sequence[int], voxelBytes: int) -> dict[str, float]:
    """Seconds that each stage needs at least; stages that hardly compute or need not move anything have none.

    :param rates: what ``machine`` gives.
    :param precision: name of the one that the network computes in, among those of ``rates``.
    :param flops: of the network in the whole detection.
    :param parameters: number of the network's weights.
    :param slices: (number, rows, columns) of the volume.
    :param voxels: shape (3,) of the CT.
    :param voxelBytes: bytes of a voxel.
    :return: dict: stage -> seconds. Reading writes the CT to memory once; resampling reads it once and writes the
        slices' voxels (float32); the network does its arithmetic or moves slices and weights, whichever takes longer.
    """
    number, rows, columns = slices
    ct = voxels[0] * voxels[1] * voxels[2] * voxelBytes
    pixels = number * rows * columns
    bytesEach = 1 if precision == INTEGERS else PRECISIONS[precision].itemsize
    return {
        "read": ct / rates["bandwidth"],
        "resample": (ct + 4 * pixels) / rates["bandwidth"],
        "network": max(flops / rates["flops"][precision],
                       (3 * pixels + bytesEach * parameters) / rates["bandwidth"]),
    }
