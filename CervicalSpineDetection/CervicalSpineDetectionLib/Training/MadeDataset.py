"""A YOLO data set of sagittal slices of phantoms, of bone surfaces and of unlabeled CTs, made in many processes."""

from __future__ import annotations

import concurrent.futures
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from CervicalSpineDetectionLib.AtomicFiles import ensureWritable
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.ProcessTuning import beginAsOneOfMany
from CervicalSpineDetectionLib.SafeChildren import startingSafely
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector
from CervicalSpineDetectionLib.Training.Dataset import (
    SliceGeometry,
    checkGeometry,
    writeDescription,
    writePictures,
    writeSlices,
)
from CervicalSpineDetectionLib.Training.SelfTraining import teach
from CervicalSpineDetectionLib.Training.Sources import VolumeSource

SLICES_PER_VOLUME = 16
SLICES_PER_SCAN = 26
VALIDATION_PART = 25  # one volume of so many
CHUNK = 6  # neighbouring seeds share an anatomy

Job = Callable[[], str]  # gives what became of its volume


def madeJobs(output: Path, geometry: SliceGeometry, source: VolumeSource, firstSeed: int, count: int) -> list[Job]:
    """:param count: volumes of a source, one a seed from ``firstSeed`` on."""
    return [partial(_writeMade, output, geometry, source, firstSeed + i) for i in range(count)]


def taughtJobs(output: Path, geometry: SliceGeometry, paths: Sequence[str | Path],
               teacher: str | Path) -> list[Job]:
    """:param geometry: that of the teacher.
    :param paths: CTs without labels.
    :param teacher: weights that label them.
    """
    return [partial(_writeTaught, output, geometry, path, teacher) for path in paths]


def writeMadeDataset(output: Path, geometry: SliceGeometry, sources: Sequence[dict[str, str]], jobs: Sequence[Job],
                     workers: int) -> Iterator[Counter[str]]:
    """Write the pictures; volumes that are there already stay.

    :param sources: "name", "licence" and "source" of each source, for the model card.
    :param workers: processes.
    :return: gives, after each volume, how many came to what so far.
    :raises InputError: the folder holds slices of another geometry.
    :raises OSError: the folder can't be written.
    """
    checkGeometry(output, geometry)
    for kind in ("images", "labels"):
        for split in ("train", "val"):
            ensureWritable(output / kind / split)
    writeDescription(output, geometry, {"sources": sources})
    outcomes: Counter[str] = Counter()
    with concurrent.futures.ProcessPoolExecutor(workers, initializer=beginAsOneOfMany) as pool:
        with startingSafely():
            ended = pool.map(_call, jobs, chunksize=CHUNK)
        for outcome in ended:
            outcomes[outcome] += 1
            yield outcomes


def _writeMade(output: Path, geometry: SliceGeometry, source: VolumeSource, seed: int) -> str:
    name = f"{source.prefix}{seed:06d}"
    marker = output / f".{name}"
    if marker.exists():
        return "there already"
    ct, labels, middles, random = source.volume(seed)
    split = "val" if seed % VALIDATION_PART == 0 else "train"
    writeSlices(output, split, name, ct, labels, geometry, random, SLICES_PER_VOLUME, middles)
    marker.touch()
    return "made"


def _writeTaught(output: Path, geometry: SliceGeometry, path: str | Path, teacher: str | Path) -> str:
    name = Path(path).name.split(".")[0]
    marker = output / f".{name}"
    if marker.exists():
        return "there already"
    scan, reason = teach(readImage(path), loadDetector(teacher, "auto", everySlice=True))
    if scan is not None:
        random = np.random.default_rng(list(name.encode()))
        writePictures(output, "train", name, scan.pictures, scan.boxes, geometry.pictureSize, random,
                      SLICES_PER_SCAN)
    marker.touch()
    return reason or "kept"


def _call(job: Job) -> str:
    return job()
