"""What the second looks learn from: the vertebrae's boxes in the slices of synthetic CTs, and where they end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from torchvision.ops import box_iou

from CervicalSpineDetectionLib.AtomicFiles import atomicFile
from CervicalSpineDetectionLib.Fusion.SliceBoxes import sliceBoxesOf
from CervicalSpineDetectionLib.Imaging.CoronalSlices import CORONAL, coronalGrid
from CervicalSpineDetectionLib.Imaging.HounsfieldUnits import correctHuOffset
from CervicalSpineDetectionLib.Imaging.Resampling import fineSlices, interpolatedLabels, resampleSagittal, turnedImage
from CervicalSpineDetectionLib.Imaging.SagittalVolume import FineSlices, SagittalVolume, emptyGrid
from CervicalSpineDetectionLib.Looks import slicesOf
from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS
from CervicalSpineDetectionLib.SliceDetector.EdgeCrops import FINEST_MM
from CervicalSpineDetectionLib.SliceDetector.SecondLook import SHOWN_AROUND_MM
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import YoloDetector, loadDetector
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS
from CervicalSpineDetectionLib.Training.Sources import VOLUMES_PER_ANATOMY, VolumeSource
from CervicalSpineDetectionLib.Truth.SliceBoxes import MINIMUM_AREA_MM2, boxesInSlice

STRATUM_SHARES = {"clinical": 0.45, "routine": 0.35, "coarse": 0.2}
LAST_CODE = len(CERVICAL_LEVELS) + 1  # T1 stands beside C7
BODY_CODE = 0
# Boxes in coronal slices are made of what was seen in sagittal ones, and off by so much more than the detector's.
CORONAL_INEXACTNESS = 1.4
SAME_IOU = 0.35  # of a box that the detector found and the true one that it is to be moved to
# A box's columns: slice, code, front, top, back, bottom (mm from the middle of the first pixel), area (mm2).
COLUMNS = 7
NO_BOXES = np.zeros((0, COLUMNS), np.float32)


@dataclass(frozen=True)
class EdgeCt:
    """Slices of one CT with their boxes; slices are counted from the first that is kept.

    :param voxels: int16 HU, shape (slices, rows, columns). :param labels: uint8, the same, codes of ``SPINE_LEVELS``.
    :param truth: float32, shape (n, COLUMNS); ``BODY_CODE`` for bodies.
    :param found: the same for boxes that the detector found, each with the code of the true one that it stands for.
    :param inexactness: how much further than usual true boxes are moved at random.
    """

    voxels: Array
    labels: Array
    truth: Array
    found: Array
    inexactness: float = 1.0

    @property
    def slices(self) -> FineSlices:
        return FineSlices(self.voxels, 0, np.zeros(2), FINEST_MM)


class EdgeLesson:
    """See ``VolumeMakers.Lesson``.

    :param weights: of the detector whose boxes are looked at again; None for the shipped ones.
    :param isCoronal: for the look at coronal slices, which the detector has no boxes in.
    """

    def __init__(self, weights: str | None = None, isCoronal: bool = False) -> None:
        self._weights, self._isCoronal = weights, isCoronal

    def of(self, source: VolumeSource, seed: int) -> EdgeCt:
        """The first CT of each anatomy is shown to the detector as well."""
        strata = list(STRATUM_SHARES)
        stratum = np.random.default_rng([5, seed]).choice(strata, p=list(STRATUM_SHARES.values()))
        ct, labels, middles, random = source.volume(seed, str(stratum))
        start = random.uniform(0, FINEST_MM, 2)
        if self._isCoronal:
            return coronalCtOf(correctHuOffset(ct)[0], labels, start)
        return edgeCtOf(correctHuOffset(ct)[0], labels, middles, start, _detector(self._weights),
                        isShown=seed % VOLUMES_PER_ANATOMY == 0)

    def write(self, path: Path, made: EdgeCt) -> None:
        with atomicFile(path) as temporary:
            np.savez(temporary, **{one.name: getattr(made, one.name) for one in fields(made)})

    def read(self, path: Path) -> EdgeCt:
        with np.load(path) as data:
            voxels, labels, truth, found, inexactness = (data[one.name] for one in fields(EdgeCt))
            return EdgeCt(voxels, labels, truth, found, float(inexactness))


@lru_cache(maxsize=1)
def _detector(weights: str | None) -> YoloDetector:
    return loadDetector(weights, "cpu")


def edgeCtOf(ct: sitk.Image, labels: sitk.Image, middles: Mapping[int, float], start: Array, detector: YoloDetector,
             isShown: bool) -> EdgeCt:
    """:param middles: see ``Dataset.madeVolume``.
    :param start: shape (2,), how far behind and below the volume's first pixel the finer ones begin that the labels are
        told on, mm. At random, lest these always lie in the same way between the labels' own voxels, and all edges off
        to the same side.
    :param isShown: to the detector, whose boxes are learned from too.
    :raises ValueError: too little of a vertebra is in view.
    """
    volume, slices = slicesOf(ct, detector)
    true = _trueBoxes(volume, start, labels, middles)
    return _cut(ct, labels, volume, true, _foundBoxes(detector, slices, true) if isShown else NO_BOXES)


def coronalCtOf(ct: sitk.Image, labels: sitk.Image, start: Array) -> EdgeCt:
    """The same of coronal slices. :raises ValueError: too little of a vertebra is in view."""
    grid = coronalGrid(resampleSagittal(ct))
    ct, labels = turnedImage(ct, CORONAL), turnedImage(labels, CORONAL)
    return replace(_cut(ct, labels, grid, _trueBoxes(grid, start, labels, {}), NO_BOXES),
                   inexactness=CORONAL_INEXACTNESS)


def _finer(volume: SagittalVolume, start: Array) -> SagittalVolume:
    """The grid alone, with the finest pixels that are looked at. :param start: of these, see ``edgeCtOf``."""
    extent = (np.array(volume.voxels.shape[1:]) - 1) * volume.pixelSize
    shape = np.array([len(volume.voxels), *(np.floor(extent / FINEST_MM) + 1)])
    back, down = start
    return emptyGrid(shape, volume.offsetToLps(np.array([0, down, back])), FINEST_MM, volume.sliceSpacing)


def _cut(ct: sitk.Image, labels: sitk.Image, volume: SagittalVolume, true: Array, found: Array) -> EdgeCt:
    """:param ct, labels: in the frame of the volume. :param true, found: boxes in its slices, shape (n, COLUMNS).
    :raises ValueError: there is no true one.
    """
    if not len(true):
        raise ValueError("no vertebra in view")
    part = fineSlices(ct, volume, true[:, 0].astype(int), true[:, 2:6], FINEST_MM, SHOWN_AROUND_MM)
    origin = volume.offsetToLps(np.array([part.first * volume.sliceSpacing, part.corner[1], part.corner[0]]))
    codes = interpolatedLabels(labels, emptyGrid(part.voxels.shape, origin, FINEST_MM, volume.sliceSpacing))
    codes[codes > LAST_CODE] = 0
    moved = np.array([part.first, 0, *part.corner, *part.corner, 0], np.float32)
    return EdgeCt(np.clip(np.rint(part.voxels), -1100, 3000).astype(np.int16), codes, true - moved, found - moved)


def _trueBoxes(volume: SagittalVolume, start: Array, labels: sitk.Image, middles: Mapping[int, float]) -> Array:
    """Shape (n, COLUMNS). :param start, middles: see ``edgeCtOf``."""
    grid = _finer(volume, start)
    known = {code: middles.get(code, np.inf) for code in range(1, LAST_CODE + 1)}
    rows = []
    for index, codes in enumerate(interpolatedLabels(labels, grid)):
        codes = np.where(codes <= LAST_CODE, codes, 0)
        areas = np.bincount(codes.ravel(), minlength=LAST_CODE + 1) * grid.pixelSize**2
        x = grid.origin[0] + index * grid.sliceSpacing
        for kind, *box in boxesInSlice(codes, x, known, grid.pixelSize, minimumArea=0):
            code, area = (BODY_CODE, 0) if kind == BODY_CLASS else (kind + 1, areas[kind + 1])
            rows.append([index, code, *((np.array(box) - 0.5) * grid.pixelSize + np.tile(start, 2)), area])
    return np.array(rows, np.float32).reshape(-1, COLUMNS)


def _foundBoxes(detector: YoloDetector, slices: Array, true: Array) -> Array:
    """Those of a detector that stand for a true box, shape (n, COLUMNS)."""
    rows = []
    for index, found in enumerate(sliceBoxesOf(detector.detect(slices), detector.pixelSize)):
        here = true[true[:, 0] == index]
        for boxes, own in ((found.boxes, here[(here[:, 1] != BODY_CODE) & (here[:, 6] >= MINIMUM_AREA_MM2)]),
                           (found.bodyBoxes, here[here[:, 1] == BODY_CODE])):
            overlap = box_iou(torch.from_numpy(boxes).double(), torch.from_numpy(own[:, 2:6]).double()).numpy()
            for row, box in enumerate(boxes):
                # Of several boxes of one vertebra the nearest counts.
                best = int(overlap[row].argmax()) if len(own) else 0
                if len(own) and overlap[row, best] >= SAME_IOU and overlap[:, best].argmax() == row:
                    rows.append([index, own[best, 1], *box, own[best, 6]])
    return np.array(rows, np.float32).reshape(-1, COLUMNS)
