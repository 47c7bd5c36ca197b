"""Made CTs -> a YOLO data set of sagittal slices, exactly as the detector will see them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np
import SimpleITK as sitk
from PIL import Image

from CervicalSpineDetectionLib.Imaging.Resampling import resampleLabels, resampleSagittal
from CervicalSpineDetectionLib.Imaging.Slices import windowed, withNeighbours
from CervicalSpineDetectionLib.Phantom import Scanner, Tissues
from CervicalSpineDetectionLib.Phantom.Implants import addPlate
from CervicalSpineDetectionLib.Phantom.Warp import randomPosture, warpLabels
from CervicalSpineDetectionLib.SliceDetector.Detector import CLASS_NAMES
from CervicalSpineDetectionLib.Truth.SliceBoxes import boxesInSlice, middlesOf

IMPLANT_PART = 0.06  # of the made necks


@dataclass(frozen=True)
class SliceGeometry:
    """How volumes become slices; the model card repeats it.

    :param pixelSize: mm.
    :param sliceSpacing: mm.
    :param window: HU mapped to 0 and 255.
    :param pictureSize: pixels, rows and columns of a training picture.
    """

    pixelSize: float = 1.0
    sliceSpacing: float = 2.0
    window: tuple[float, float] = (-200.0, 1000.0)
    pictureSize: int = 256


def writeDescription(folder, geometry, note):
    """``dataset.json``: the geometry, and where the pictures come from."""
    text = json.dumps({"geometry": asdict(geometry), "classes": CLASS_NAMES, **note}, indent=1)
    (folder / "dataset.json").write_text(text + "\n", encoding="utf-8")


def madeVolume(tissues, spacing, pivot, random, shape=(150, 250, 300)):
    """One random CT of one anatomy.

    :param tissues: tissue codes, shape (x, y, z) along LPS; they are posed anew.
    :param spacing: mm, isotropic.
    :param pivot: shape (3,), index of the neck's middle, about which it bends.
    :param shape: (x, y, z) of the posed field in voxels.
    :return: (CT, labels), sitk images in one physical frame; labels are codes of ``Anatomy.SPINE_LEVELS``, void where
        the field of view is cut.
    """
    pivot = pivot + random.normal(0, [3, 12, 14])
    posed = warpLabels(tissues, spacing, pivot, randomPosture(random), shape, random)
    protocol = Scanner.randomProtocol(random)
    hu = Scanner.paint(posed, spacing, protocol, random)
    if random.random() < IMPLANT_PART:
        addPlate(hu, posed, spacing, random)
    voxels, exact = Scanner.acquire(hu, spacing, protocol, random)
    posed[posed > Tissues.LAST_VERTEBRA] = 0
    inside = Scanner.maskedFieldOfView(voxels.shape, random)
    voxels[~inside] = Scanner.VOID_HU
    ct = Scanner.imageFromArray(voxels, exact)
    labels = Scanner.imageFromArray(posed, [spacing] * 3)
    mask = sitk.Resample(Scanner.imageFromArray(inside.astype(np.uint8), exact), labels, sitk.Transform(),
                         sitk.sitkNearestNeighbor)
    return ct, labels * mask


def writeSlices(folder, split, name, ct, labels, geometry, random, count=16):
    """Cut random slices of one labelled CT into pictures and boxes.

    :return: how many.
    """
    volume = resampleSagittal(ct, geometry.pixelSize, geometry.sliceSpacing)
    levels = resampleLabels(labels, volume)
    pictures = withNeighbours(windowed(volume, geometry.window))
    xs = volume.origin[0] + np.arange(len(levels)) * geometry.sliceSpacing
    middles = middlesOf(levels, xs, geometry.pixelSize)
    boxes = [boxesInSlice(level, x, middles, geometry.pixelSize) for level, x in zip(levels, xs, strict=True)]
    return writePictures(folder, split, name, pictures, boxes, geometry.pictureSize, random, count)


def writePictures(folder, split, name, pictures, boxes, size, random, count):
    """Write some slices with their boxes; nine of ten cross a vertebra, each is a random crop around the spine.

    :param pictures: uint8, shape (slices, 3, rows, columns).
    :param boxes: one list a slice of (class, firstColumn, firstRow, lastColumn, lastRow).
    :return: how many were chosen.
    """
    crossing = np.flatnonzero([len(b) > 0 for b in boxes])
    if not len(crossing):
        return 0
    # Slices with much vertebra in them are the more telling ones.
    weights = np.sqrt([sum((b[3] - b[1]) * (b[4] - b[2]) for b in boxes[i]) for i in crossing])
    most = min(len(crossing), max(1, int(count * 0.9)))
    chosen = random.choice(crossing, most, replace=False, p=weights / weights.sum())
    others = np.setdiff1d(np.arange(len(boxes)), crossing)
    if len(others):
        chosen = np.concatenate([chosen, random.choice(others, min(len(others), count - len(chosen)), replace=False)])
    for index in chosen:
        _writePicture(folder, split, f"{name}_{index:03d}", pictures[index], boxes[index], size, random)
    return len(chosen)


def _writePicture(folder, split, name, channels, boxes, size, random):
    rows, columns = channels.shape[1:]
    if boxes:
        corners = np.array(boxes)[:, 1:]
        middle = (corners[:, [1, 0]].min(0) + corners[:, [3, 2]].max(0)) / 2
    else:
        middle = np.array([rows, columns]) / 2
    first = np.rint(middle - size / 2 + random.uniform(-45, 45, 2)).astype(int)
    picture = np.zeros((size, size, 3), np.uint8)
    a, b = np.maximum(first, 0), np.minimum(first + size, [rows, columns])
    if (b <= a).any():
        return
    picture[a[0] - first[0] : b[0] - first[0], a[1] - first[1] : b[1] - first[1]] = channels[
        :, a[0] : b[0], a[1] : b[1]].transpose(1, 2, 0)
    lines = []
    for kind, *corners in boxes:
        whole = np.array(corners, float) - [first[1], first[0]] * 2
        cut = np.clip(whole, 0, size)
        extent, full = cut[2:] - cut[:2], whole[2:] - whole[:2]
        if (extent < 3).any() or extent.prod() < 0.3 * full.prod():
            continue
        centre = (cut[:2] + cut[2:]) / 2
        lines.append(f"{kind} {centre[0] / size:.5f} {centre[1] / size:.5f} {extent[0] / size:.5f} "
                     f"{extent[1] / size:.5f}")
    Image.fromarray(picture).save(folder / "images" / split / f"{name}.png", compress_level=1)
    (folder / "labels" / split / f"{name}.txt").write_text("\n".join(lines))

