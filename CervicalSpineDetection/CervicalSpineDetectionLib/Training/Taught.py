"""Slices of real CTs with the boxes of their own consistent chains, on disk, for ``PoolTraining``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector
from CervicalSpineDetectionLib.Training.SelfTraining import TaughtScan, teach
from CervicalSpineDetectionLib.Training.SlicePool import LabelledSlices
from CervicalSpineDetectionLib.Training.VolumeMakers import writeSlices

BESIDE = 4  # slices without a vertebra that are kept to both sides


def teachAll(paths: Iterable[str | Path], folder: Path, weights: str | Path, device: str = "auto") -> None:
    """Write one file for each CT that can be learned from, and say why for the others; those there already stay."""
    folder.mkdir(parents=True, exist_ok=True)
    detector = loadDetector(weights, device)
    for path in paths:
        name = Path(path).name.split(".")[0]
        target = folder / f"{name}.npz"
        if target.is_file():
            print(f"{name}: there already", flush=True)
            continue
        scan, reason = teach(readImage(path), detector)
        if scan is not None:
            writeSlices(target, slicesOf(scan, detector.pixelSize))
        print(f"{name}: {reason or 'kept'}", flush=True)


def slicesOf(scan: TaughtScan, pixelSize: float) -> LabelledSlices:
    """The part of a taught CT that shows its spine, and a little beside it."""
    used = [index for index, boxes in enumerate(scan.boxes) if boxes]
    first, last = max(used[0] - BESIDE, 0), used[-1] + 1 + BESIDE
    rows = [(index, *box) for index, boxes in enumerate(scan.boxes[first:last]) for box in boxes]
    return LabelledSlices(scan.pictures[first:last, 1], np.array(rows, np.float32), pixelSize, "real")
