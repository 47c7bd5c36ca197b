"""Two weights on the pictures that neither was trained on: is the new one better?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Evaluation.SliceMetrics import averagePrecision, detectorBoxes, matched
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Truth.SliceBoxes import SliceBox

CHUNK = 64
# A figure that differs by less has not changed.
NOTICEABLE = 0.002


def compareWeights(datasets: Iterable[str | Path], weights: Iterable[str | Path],
                   device: str = "cpu") -> list[dict[str, Any]]:
    """Average precision of several weights on the held-out pictures of data sets.

    :param datasets: folders of one slice geometry, as ``Dataset`` writes them.
    :param weights: list of paths or names.
    :param device: as for ``loadDetector``.
    :return: list, as ``weights``, of what ``SliceMetrics.averagePrecision`` gives, with "pictures".
    :raises InputError: no picture is held out, or weights can't be used.
    """
    pictures = [path for folder in datasets for path in sorted((Path(folder) / "images" / "val").glob("*.png"))]
    if not pictures:
        raise InputError("No picture of the data sets is held out (images/val is empty), so weights can't be compared; "
                         "make a data set of more patients.")
    truth = [_boxes(path) for path in pictures]
    results = []
    for choice in weights:
        detector = loadDetector(choice, device, everySlice=True)
        found = [detectorBoxes(detections) for start in range(0, len(pictures), CHUNK)
                 for detections in detector.detect(_slices(pictures[start : start + CHUNK]))]
        results.append({**averagePrecision([matched(found, truth)]), "pictures": len(pictures)})
    return results


def isBetter(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether the mean AP over IoU 0.5 to 0.95 rose noticeably, and that at IoU 0.5 did not fall.

    :param old, new: of ``compareWeights``.
    """
    return new["mAP50-95"] > old["mAP50-95"] + NOTICEABLE and new["mAP50"] > old["mAP50"] - NOTICEABLE


def _slices(paths: Iterable[Path]) -> Array:
    return np.stack([np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1) for path in paths])


def _boxes(path: Path) -> list[SliceBox]:
    """(class, corners in pixel edges) of the boxes of a picture."""
    width, height = Image.open(path).size
    labels = path.parents[2] / "labels" / "val" / f"{path.stem}.txt"
    boxes = []
    for line in labels.read_text(encoding="utf-8").splitlines():
        kind, *parts = line.split()
        x, y, w, h = (float(part) * whole for part, whole in zip(parts, (width, height) * 2, strict=True))
        boxes.append((int(kind), x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    return boxes
