"""Processes that make labelled CTs without end, for a training that goes on beside them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np

from CervicalSpineDetectionLib.AtomicFiles import atomicFile
from CervicalSpineDetectionLib.ProcessTuning import beginAsOneOfMany
from CervicalSpineDetectionLib.SafeChildren import startingSafely
from CervicalSpineDetectionLib.Training.Dataset import SliceGeometry, labelledSlices
from CervicalSpineDetectionLib.Training.SlicePool import LabelledSlices
from CervicalSpineDetectionLib.Training.Sources import VOLUMES_PER_ANATOMY, VolumeSource

# Pixels finer than the detector's: views are enlarged and reduced.
POOL_GEOMETRY = SliceGeometry()
STRATUM_SHARES = {"clinical": 0.4, "routine": 0.3, "coarse": 0.3}
BESIDE = 3  # slices without a vertebra that are kept to both sides
LOW_PRIORITY = 10


Made = TypeVar("Made")


class Lesson(Protocol[Made]):
    """What a training takes from a synthetic CT; processes are handed a copy of it."""

    def of(self, source: VolumeSource, seed: int) -> Made:
        """From one CT."""
        ...

    def write(self, path: Path, made: Made) -> None:
        """One npz file, whole or not at all."""
        ...

    def read(self, path: Path) -> Made:
        """What ``write`` wrote."""
        ...


class VolumeMakers(Generic[Made]):
    """Processes that write what is to be learned from synthetic CTs into a folder, and what they have written.

    :param lesson: what that is.
    :param sources: each gets one volume in turn.
    :param folder: for their files; a reader takes them away.
    :param processes: how many.
    :param firstSeed: random numbers start here; each process takes its own anatomies.
    """

    def __init__(self, lesson: Lesson[Made], sources: Sequence[VolumeSource], folder: Path, processes: int,
                 firstSeed: int) -> None:
        self._lesson = lesson
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        context = multiprocessing.get_context("spawn")
        self._processes = [
            context.Process(target=_makeForEver, args=(lesson, sources, folder, firstSeed, index, processes),
                            daemon=True)
            for index in range(processes)
        ]
        with startingSafely():
            for process in self._processes:
                process.start()

    def finished(self) -> Iterator[Made]:
        """What was finished since the last call."""
        for path in sliceFiles(self._folder):
            yield self._lesson.read(path)
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


class SliceLesson:
    """All slices with their boxes; see ``Lesson``."""

    def of(self, source: VolumeSource, seed: int) -> LabelledSlices:
        return slicesOfVolume(source, seed)

    def write(self, path: Path, made: LabelledSlices) -> None:
        writeSlices(path, made)

    def read(self, path: Path) -> LabelledSlices:
        return readSlices(path)


def _makeForEver(lesson: Lesson[Made], sources: Sequence[VolumeSource], folder: Path, firstSeed: int, index: int,
                 step: int) -> None:
    beginAsOneOfMany()
    if hasattr(os, "nice"):
        os.nice(LOW_PRIORITY)
    anatomy = firstSeed // VOLUMES_PER_ANATOMY + index
    while True:
        source = sources[anatomy // step % len(sources)]
        for seed in range(anatomy * VOLUMES_PER_ANATOMY, (anatomy + 1) * VOLUMES_PER_ANATOMY):
            try:
                made = lesson.of(source, seed)
            except Exception as error:  # one strange anatomy is no reason to stop
                print(f"{source.prefix} {seed}: {error}", flush=True)
                continue
            lesson.write(folder / f"{source.prefix}{seed:07d}.npz", made)
        anatomy += step

