"""Processes that make labelled CTs without end, for a training that goes on beside them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from CervicalSpineDetectionLib.AtomicFiles import atomicFile
from CervicalSpineDetectionLib.ProcessTuning import useOneThread
from CervicalSpineDetectionLib.SafeChildren import startingSafely
from CervicalSpineDetectionLib.Training.Dataset import SliceGeometry, labelledSlices
from CervicalSpineDetectionLib.Training.SlicePool import LabelledSlices
from CervicalSpineDetectionLib.Training.Sources import VOLUMES_PER_ANATOMY, VolumeSource

# Pixels finer than the detector's: views are enlarged and reduced.
POOL_GEOMETRY = SliceGeometry()
STRATUM_SHARES = {"clinical": 0.4, "routine": 0.3, "coarse": 0.3}
BESIDE = 3  # slices without a vertebra that are kept to both sides
LOW_PRIORITY = 10


class VolumeMakers:
    """Processes that write labelled slices of synthetic CTs into a folder, and what they have written.

    :param sources: each gets one volume in turn.
    :param folder: for their files; a reader takes them away.
    :param processes: how many.
    :param firstSeed: random numbers start here; each process takes its own anatomies.
    """

    def __init__(self, sources: Sequence[VolumeSource], folder: Path, processes: int, firstSeed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        context = multiprocessing.get_context("spawn")
        self._processes = [
            context.Process(target=_makeForEver, args=(sources, folder, firstSeed, index, processes), daemon=True)
            for index in range(processes)
        ]
        with startingSafely():
            for process in self._processes:
                process.start()

    def finished(self) -> Iterator[LabelledSlices]:
        """Those that were finished since the last call."""
        for path in sliceFiles(self._folder):
            yield readSlices(path)
            path.unlink()

    def stop(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.terminate()


def slicesOfVolume(source: VolumeSource, seed: int) -> LabelledSlices:
    """Labelled slices of one synthetic CT."""
    strata = list(STRATUM_SHARES)
    stratum = np.random.default_rng([5, seed]).choice(strata, p=[STRATUM_SHARES[name] for name in strata])
    ct, labels, middles, _ = source.volume(seed, str(stratum))
    pictures, boxes = labelledSlices(ct, labels, POOL_GEOMETRY, middles)
    used = [index for index, own in enumerate(boxes) if own] or [0, len(boxes) - 1]
    first, last = max(used[0] - BESIDE, 0), used[-1] + 1 + BESIDE
    rows = [(index, *box) for index, own in enumerate(boxes[first:last]) for box in own]
    return LabelledSlices(pictures[first:last], np.array(rows, np.float32).reshape(-1, 6), POOL_GEOMETRY.pixelSize,
                          "made")


def writeSlices(path: Path, slices: LabelledSlices) -> None:
    """One file, whole or not at all."""
    with atomicFile(path) as temporary:
        np.savez(temporary, pictures=slices.pictures, boxes=slices.boxes, pixelSize=slices.pixelSize, kind=slices.kind)


def sliceFiles(folder: Path) -> list[Path]:
    """What ``writeSlices`` finished in a folder; files with a dot are being written."""
    return sorted(folder.glob("[!.]*.npz"))


def readSlices(path: Path) -> LabelledSlices:
    """What ``writeSlices`` wrote."""
    with np.load(path) as data:
        return LabelledSlices(data["pictures"], data["boxes"], float(data["pixelSize"]), str(data["kind"]))


def _makeForEver(sources: Sequence[VolumeSource], folder: Path, firstSeed: int, index: int, step: int) -> None:
    useOneThread()
    if hasattr(os, "nice"):
        os.nice(LOW_PRIORITY)
    anatomy = firstSeed // VOLUMES_PER_ANATOMY + index
    while True:
        source = sources[anatomy // step % len(sources)]
        for seed in range(anatomy * VOLUMES_PER_ANATOMY, (anatomy + 1) * VOLUMES_PER_ANATOMY):
            try:
                slices = slicesOfVolume(source, seed)
            except Exception as error:  # one strange anatomy is no reason to stop
                print(f"{source.prefix} {seed}: {error}", flush=True)
                continue
            writeSlices(folder / f"{source.prefix}{seed:07d}.npz", slices)
        anatomy += step

