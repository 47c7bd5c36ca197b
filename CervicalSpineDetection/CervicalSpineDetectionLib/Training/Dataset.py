"""Made CTs -> a YOLO data set of sagittal slices, exactly as the detector will see them."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from PIL import Image

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.Resampling import resampleLabels, resampleSagittal
from CervicalSpineDetectionLib.Imaging.SagittalVolume import windowed, withNeighbours
from CervicalSpineDetectionLib.Phantom import Scanner, Tissues
from CervicalSpineDetectionLib.Phantom.Implants import addPlate
from CervicalSpineDetectionLib.Phantom.Warp import randomPosture, warpLabels
from CervicalSpineDetectionLib.SliceDetector.Detector import CLASS_NAMES
from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, readCard
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Training.Windows import placed, randomView
from CervicalSpineDetectionLib.Truth.SliceBoxes import SliceBox, boxesInSlice, middlesOf

IMPLANT_PART = 0.06  # of the made necks
CHILD_PART, CHILD_SCALE = 0.2, (0.6, 0.85)
THICK_PART, THICK_SLICES_MM = 0.1, (3.0, 6.0)
TURNED_PART, MOST_TURN = 0.15, np.radians(30)  # the whole patient about the vertical axis
# Of the fields of view: cut above and below; narrow, as small reformats and cone-beam CTs are; without what lies in
# front, or behind.
SHORT_PART, NARROW_PART, BACK_ONLY_PART, FRONT_ONLY_PART = 0.5, 0.2, 0.2, 0.1
SHORTEST_MM, NARROW_MM = 60, (36, 110)
LEAST_BONE_MM3 = 4000
WINDOW_PART = 0.4  # of the pictures are windows of their slice


@dataclass(frozen=True)
class SliceGeometry:
    """How volumes become slices; the model card repeats it. The defaults are those of the shipped weights.

    :param pixelSize: mm.
    :param sliceSpacing: mm.
    :param window: HU mapped to 0 and 255.
    :param pictureSize: pixels, rows and columns of a training picture.
    """

    pixelSize: float = 0.8
    sliceSpacing: float = 2.0
    window: tuple[float, float] = (-200.0, 1000.0)
    pictureSize: int = 256


def geometryOf(weights: str | Path | None = None) -> SliceGeometry:
    """The geometry that weights look at, for data sets to train on from them.

    :param weights: file or name, see ``Weights.findWeights``; None for the shipped ones.
    :raises InputError: no such weights.
    """
    card = readCard(findWeights(weights))
    return SliceGeometry(card["pixelSize"], card["sliceSpacing"], tuple(card["window"]))


def checkGeometry(folder: Path, geometry: SliceGeometry) -> None:
    """:raises InputError: the folder's ``dataset.json`` says that its slices were cut otherwise."""
    if (folder / "dataset.json").is_file() and readDescription(folder)["geometry"] != json.loads(
            json.dumps(asdict(geometry))):
        raise InputError(f"{folder} holds slices for weights with other pixels or slices; choose another folder.")


def readDescription(folder: Path) -> dict[str, Any]:
    """What ``writeDescription`` wrote. :raises InputError: damaged, as a loss of power leaves it, or something else."""
    try:
        description = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        if isinstance(description["geometry"], dict):
            return dict(description)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    raise InputError(f"{folder / 'dataset.json'} is damaged or describes no data set; make the data set anew.")


def writeDescription(folder: Path, geometry: SliceGeometry, note: Mapping[str, Any]) -> None:
    """``dataset.json``: the geometry, and where the pictures come from."""
    text = json.dumps({"geometry": asdict(geometry), "classes": CLASS_NAMES, **note}, indent=1)
    (folder / "dataset.json").write_text(text + "\n", encoding="utf-8")


def madeVolume(tissues: Array, spacing: float, pivot: Array, random: np.random.Generator,
               shape: tuple[int, int, int] = (150, 250, 300), bending: float = 1.0,
               stratum: str | None = None) -> tuple[sitk.Image, sitk.Image, dict[int, float]]:
    """One random CT of one anatomy.

    :param tissues: tissue codes, shape (x, y, z) along LPS; they are posed anew.
    :param spacing: mm, isotropic.
    :param pivot: shape (3,), index of the place about which it bends.
    :param shape: (x, y, z) of the posed part of the body in voxels; the field of view is a random part of it.
    :param bending: factor on how far it bends; chest and loins are stiffer than a neck.
    :param stratum: one of ``Scanner.STRATA``, or None for a mixture.
    :return: (CT, labels, middles): sitk images in one physical frame, the labels codes of ``Levels.SPINE_LEVELS``,
        void where the field of view is void; and level code -> LPS x of the middle of the whole vertebra's canal in mm,
        for the field of view may show a part of it.
    """
    pivot = pivot + random.normal(0, [3, 12, 14])
    posture, protocol = randomPosture(random), Scanner.randomProtocol(random, stratum)
    posture = replace(posture, flexion=bending * posture.flexion, lateralBend=bending * posture.lateralBend,
                      twist=bending * posture.twist)
    if random.random() < CHILD_PART:
        posture = replace(posture, scale=random.uniform(*CHILD_SCALE) * random.uniform(0.93, 1.07, 3))
    if random.random() < TURNED_PART:
        posture = replace(posture, twist=posture.twist + [random.uniform(-MOST_TURN, MOST_TURN), 0, 0])
    if stratum is None and random.random() < THICK_PART:
        protocol = replace(protocol, sliceSpacing=random.uniform(*THICK_SLICES_MM))
    # Every second voxel will do to choose the field of view.
    coarse = warpLabels(tissues, spacing, pivot, posture, shape, copy.deepcopy(random), (slice(None, None, 2),) * 3)
    coarse[coarse > Tissues.LAST_VERTEBRA] = 0
    middles = middlesOf(coarse.transpose(0, 2, 1)[:, ::-1], (np.arange(len(coarse)) * 2 + 0.5) * spacing, 2 * spacing)
    own = random.spawn(1)[0]
    field = [slice(2 * edges.start, min(2 * edges.stop, n)) for edges, n in
             zip(randomField(coarse, 2 * spacing, own), shape, strict=True)]
    posed = warpLabels(tissues, spacing, pivot, posture, shape, random, field)
    hu = Scanner.paint(posed, spacing, protocol, random)
    if random.random() < IMPLANT_PART:
        addPlate(hu, posed, spacing, random)
    voxels, exact = Scanner.acquire(hu, spacing, protocol, random)
    inside = Scanner.maskedFieldOfView(voxels.shape, random)
    voxels[~inside] = Scanner.VOID_HU
    corner = [edges.start * spacing for edges in field]
    ct = Scanner.imageFromArray(voxels, exact, corner)
    posed[posed > Tissues.LAST_VERTEBRA] = 0
    labels = Scanner.imageFromArray(posed, [spacing] * 3, corner)
    mask = sitk.Resample(Scanner.imageFromArray(inside.astype(np.uint8), exact, corner), labels, sitk.Transform(),
                         sitk.sitkNearestNeighbor)
    return ct, labels * mask, middles


def randomField(tissues: Array, spacing: float, random: np.random.Generator) -> tuple[slice, ...]:
    """A field of view: any height, its edges through anything, in some narrow or without front or back.

    :param tissues: tissue codes, shape (x, y, z) along LPS.
    :param spacing: mm, isotropic.
    :return: three slices; some vertebra is in them, if there is one.
    """
    bone = (tissues > 0) & (tissues <= Tissues.LAST_VERTEBRA)
    if not bone.any():
        return tuple(slice(0, n) for n in tissues.shape)
    x, y = (np.flatnonzero(bone.any(axis=other)) for other in ((1, 2), (0, 2)))
    for _ in range(10):
        first, last = np.zeros(3, int), np.array(tissues.shape)
        if random.random() < SHORT_PART:
            height = np.exp(random.uniform(np.log(SHORTEST_MM), np.log(tissues.shape[2] * spacing))) / spacing
            first[2] = random.uniform(0, tissues.shape[2] - height)
            last[2] = first[2] + height
        if random.random() < NARROW_PART:
            width = random.uniform(*NARROW_MM) / spacing
            first[0] = max(0, random.uniform(x[0] - width / 2, x[-1] - width / 2))
            last[0] = min(first[0] + width, tissues.shape[0])
        depth = y[-1] - y[0]
        if random.random() < BACK_ONLY_PART:
            first[1] = max(0, y[0] + depth * random.uniform(-0.5, 0.6))
        elif random.random() < FRONT_ONLY_PART:
            last[1] = min(y[-1] + depth * random.uniform(-0.6, 0.2), tissues.shape[1])
        field = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
        if bone[field].sum() * spacing**3 >= LEAST_BONE_MM3:
            return field
    return tuple(slice(0, n) for n in tissues.shape)


def writeSlices(folder: Path, split: str, name: str, ct: sitk.Image, labels: sitk.Image, geometry: SliceGeometry,
                random: np.random.Generator, count: int = 16, middles: Mapping[int, float] | None = None) -> int:
    """Cut random slices of one labelled CT into pictures and boxes.

    :param middles: see ``madeVolume``; None to find them in what the labels show.
    :return: how many.
    """
    pictures, boxes = labelledSlices(ct, labels, geometry, middles)
    return writePictures(folder, split, name, withNeighbours(pictures), boxes, geometry.pictureSize, random, count)


def labelledSlices(ct: sitk.Image, labels: sitk.Image, geometry: SliceGeometry,
                   middles: Mapping[int, float] | None = None) -> tuple[Array, list[list[SliceBox]]]:
    """All sagittal slices of one labelled CT.

    :param middles: see ``writeSlices``.
    :return: (uint8, shape (slices, rows, columns); one list a slice of boxes as ``boxesInSlice`` gives them).
    """
    volume = resampleSagittal(ct, geometry.pixelSize, geometry.sliceSpacing)
    levels = resampleLabels(labels, volume)
    xs = volume.origin[0] + np.arange(len(levels)) * geometry.sliceSpacing
    middles = middlesOf(levels, xs, geometry.pixelSize) if middles is None else middles
    boxes = [boxesInSlice(level, x, middles, geometry.pixelSize) for level, x in zip(levels, xs, strict=True)]
    return windowed(volume, geometry.window), boxes


def writePictures(folder: Path, split: str, name: str, pictures: Array, boxes: Sequence[Sequence[SliceBox]], size: int,
                  random: np.random.Generator, count: int) -> int:
    """Write some slices with their boxes; nine of ten cross a vertebra.

    Each shows a random part of its slice in a random place, see ``Windows``.

    :param pictures: uint8, shape (slices, 3, rows, columns).
    :param boxes: one list a slice of (class, firstColumn, firstRow, lastColumn, lastRow).
    :return: how many were chosen.
    """
    crossing = np.flatnonzero([len(b) > 0 for b in boxes])
    if not len(crossing):
        return 0
    # Slices with much vertebra in them are the more telling ones.
    weights = np.sqrt([sum((b[3] - b[1]) * (b[4] - b[2]) for b in boxes[i]) for i in crossing.tolist()])
    most = min(len(crossing), max(1, int(count * 0.9)))
    chosen = random.choice(crossing, most, replace=False, p=weights / weights.sum())
    others = np.setdiff1d(np.arange(len(boxes)), crossing)
    if len(others):
        chosen = np.concatenate([chosen, random.choice(others, min(len(others), count - len(chosen)), replace=False)])
    for index in chosen.tolist():
        _writePicture(folder, split, f"{name}_{index:03d}", pictures[index], boxes[index], size, random)
    return len(chosen)


def _writePicture(folder: Path, split: str, name: str, channels: Array, boxes: Sequence[SliceBox], size: int,
                  random: np.random.Generator) -> None:
    picture = channels.transpose(1, 2, 0)
    if random.random() < WINDOW_PART:
        picture, boxes = randomView(picture, boxes, size, random)
    else:
        rows, columns = picture.shape[:2]
        picture, boxes = placed(picture, boxes, (0, 0, columns, rows), size, random)
    lines = []
    for kind, left, top, right, bottom in boxes:
        lines.append(f"{kind} {(left + right) / 2 / size:.5f} {(top + bottom) / 2 / size:.5f} "
                     f"{(right - left) / size:.5f} {(bottom - top) / size:.5f}")
    Image.fromarray(picture).save(folder / "images" / split / f"{name}.png", compress_level=1)
    (folder / "labels" / split / f"{name}.txt").write_text("\n".join(lines))

