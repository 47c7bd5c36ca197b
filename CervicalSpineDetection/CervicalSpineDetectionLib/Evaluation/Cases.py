"""Cases to evaluate on: CTs with reference boxes or label maps, and phantoms."""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Evaluation.CentroidCases import (
    CENTROIDS_SUFFIX,
    caseName,
    centroidFiles,
    centroidReferences,
    ctOfCentroids,
)
from CervicalSpineDetectionLib.Evaluation.Metrics import Reference
from CervicalSpineDetectionLib.Imaging.ImageFile import IMAGE_SUFFIXES
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Imaging.SagittalVolume import VOID_HU
from CervicalSpineDetectionLib.ProcessTuning import beginAsOneOfMany
from CervicalSpineDetectionLib.SafeChildren import startingSafely
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Boxes import Bounds
from CervicalSpineDetectionLib.Spine.Levels import LEVELS
from CervicalSpineDetectionLib.Truth.Masks import VERSE_NUMBERS, checkLevels, readMask, renumbered
from CervicalSpineDetectionLib.Truth.Vertebrae import vertebraeOf

LABELS_SUFFIX = "_labels"


@dataclass(frozen=True)
class Case:
    """One scan with its truth.

    :param image: sitk CT.
    :param references: level -> Reference.
    :param labels: sitk label map, codes as in ``Levels.SPINE_LEVELS``, or None where the truth is boxes only.
    :param slivers: levels of which so little is in view that they need not be found, and may be.
    """

    name: str
    image: sitk.Image
    references: dict[str, Reference]
    labels: sitk.Image | None = None
    slivers: frozenset[str] = frozenset()


def casesIn(folder: str | Path) -> Iterator[Case]:
    """Cases of a folder, by name; each is read when its turn comes.

    NAME.json: {"case", "image", "vertebrae": {level: {"min", "max", "centre"}}}, LPS mm, the image named relative to
    the folder's parent. Or NAME_labels.nii.gz, a label map (1 to 7 for C1 to C7, 8 to 19 for T1 to T12,
    20 to 24 for L1 to L5, as VerSe numbers them; 25 to 28 are not looked at) beside its CT NAME.nii.gz; NRRD and
    MetaImage files do as well. Or centroids, see ``CentroidCases``; where a case has a label map too, that one counts.

    :return: yields Case.
    :raises InputError: no such files, or one that can't be used.
    """
    folder = Path(folder)
    boxes, maps, centroids = _filesIn(folder)
    if not boxes and not maps and not centroids:
        raise InputError(f"{folder} holds no JSON files with reference boxes, no label maps "
                         f"NAME{LABELS_SUFFIX}.nii.gz and no centroids NAME{CENTROIDS_SUFFIX}; give the folder that "
                         "does.")
    for path in boxes:
        yield _boxCase(path)
    for path in maps:
        yield _labelCase(path)
    for path in centroids:
        image = readImage(ctOfCentroids(path))
        references, slivers = centroidReferences(path, image)
        yield Case(caseName(path), image, references, slivers=slivers)


def countCases(folder: str | Path) -> int:
    """How many cases ``casesIn`` gives."""
    return sum(map(len, _filesIn(Path(folder))))


def _filesIn(folder: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """JSON files with boxes, label maps, JSON files with centroids."""
    maps = sorted(path for path in folder.glob(f"*{LABELS_SUFFIX}.*") if path.name.lower().endswith(IMAGE_SUFFIXES))
    labelled = {path.name[: path.name.rindex(LABELS_SUFFIX)] for path in maps}
    boxes = sorted(path for path in folder.glob("*.json") if not path.name.endswith(CENTROIDS_SUFFIX))
    return boxes, maps, [path for path in centroidFiles(folder) if caseName(path) not in labelled]


def _boxCase(path: Path) -> Case:
    try:
        case = json.loads(path.read_text(encoding="utf-8"))
        references = {
            level: Reference(None if entry["centre"] is None else np.array(entry["centre"], float),
                             Bounds(np.array(entry["min"], float), np.array(entry["max"], float)))
            for level, entry in case["vertebrae"].items()
        }
        name, image = case["case"], path.parent.parent / case["image"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} holds no reference boxes ({error!r}); remove or mend it.") from error
    return Case(name, readImage(image), references)


def _labelCase(path: Path) -> Case:
    name = path.name[: path.name.rindex(LABELS_SUFFIX)]
    images = [path.with_name(name + suffix) for suffix in IMAGE_SUFFIXES if path.with_name(name + suffix).is_file()]
    if len(images) != 1:
        raise InputError(f"{path} needs exactly one CT {name}.nii.gz (or NRRD, MetaImage) beside it; "
                         f"there are {len(images)}.")
    labels = renumbered(readMask(path), VERSE_NUMBERS)
    checkLevels(labels)
    labels = alongPatientAxes(labels)
    return Case(name, readImage(images[0]), referencesOf(labels), labels)


def alongPatientAxes(labels: sitk.Image) -> sitk.Image:
    """A label map cut to its labels, on a grid along the patient axes.

    :param labels: uint8 sitk image, any grid, not empty.
    :return: uint8 sitk image with identity direction and cubic voxels of the smallest spacing, at least 0.5 mm.
    """
    index = np.argwhere(sitk.GetArrayViewFromImage(labels))[:, ::-1]
    first, last = index.min(0) - 0.5, index.max(0) + 0.5
    corners = np.array([labels.TransformContinuousIndexToPhysicalPoint(np.where(bits, last, first).tolist())
                        for bits in np.ndindex(2, 2, 2)])
    spacing = max(min(labels.GetSpacing()), 0.5)
    lower = corners.min(0) - spacing / 2
    size = np.ceil((corners.max(0) - lower) / spacing).astype(int) + 1
    return sitk.Resample(labels, size.tolist(), sitk.Transform(), sitk.sitkNearestNeighbor, lower.tolist(),
                         [spacing] * 3, np.eye(3).ravel().tolist(), 0)


def referencesOf(labels: sitk.Image) -> dict[str, Reference]:
    """Level -> Reference of what ``alongPatientAxes`` gives; without centre where no slice shows the body."""
    references: dict[str, Reference] = {
        vertebra.level: Reference(vertebra.centre, vertebra.bounds) for vertebra in vertebraeOf(labels)}
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(labels)
    origin, spacing = np.array(labels.GetOrigin()), labels.GetSpacing()[0]
    for code in [code for code in statistics.GetLabels() if code <= len(LEVELS)]:
        box = np.array(statistics.GetBoundingBox(code), float)
        first = origin + (box[:3] - 0.5) * spacing
        references.setdefault(LEVELS[code - 1], Reference(None, Bounds(first, first + box[3:] * spacing)))
    return references


def phantomCases(count: int, firstSeed: int, workers: int = 1, region: str = "neck",
                 stratum: str | None = None) -> Iterator[Case]:
    """Phantoms that no training has seen, if the seeds are others, made in processes of their own.

    :param region, stratum: see ``Phantom.makePhantom``.
    :return: yields Case, in the order of the seeds.
    """
    # A forked process would inherit torch's and ITK's threads in an unknown state.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, context, initializer=beginAsOneOfMany) as pool:
        seeds = iter(range(firstSeed, firstSeed + count))
        # Few ahead: a fine phantom takes 500 MB.
        waiting = deque(_submit(pool, phantomCase, seed, region, stratum) for seed in islice(seeds, workers + 1))
        while waiting:
            case = waiting.popleft().result()
            waiting.extend(_submit(pool, phantomCase, seed, region, stratum) for seed in islice(seeds, 1))
            yield case


def phantomCase(seed: int, region: str = "neck", stratum: str | None = None) -> Case:
    """Case of one phantom; a vertebra whose centre lies outside the field of view has a box only."""
    from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom

    phantom = makePhantom(seed, region, stratum=stratum)
    references: dict[str, Reference] = {
        v.level: Reference(v.centre if _isInView(phantom.ct, v.centre) else None, v.bounds)
        for v in phantom.vertebrae}
    codes = np.unique(sitk.GetArrayViewFromImage(phantom.labels))
    inView = {LEVELS[code - 1] for code in codes if 0 < code <= len(LEVELS)}
    name = f"phantom {seed}" if region == "neck" else f"{region} phantom {seed}"
    return Case(name, phantom.ct, references, phantom.fineLabels, frozenset(inView - references.keys()))


def _isInView(ct: sitk.Image, point: Array) -> bool:
    index = ct.TransformPhysicalPointToIndex(point.tolist())
    inside = all(0 <= i < n for i, n in zip(index, ct.GetSize(), strict=True))
    return inside and ct.GetPixel(index) > VOID_HU


def _submit(pool: ProcessPoolExecutor, *task: Any) -> Future[Case]:
    """A pool starts its processes when it needs them."""
    with startingSafely():
        return pool.submit(*task)
