"""How the time of a detection grows with the CT's slices, its matrix, and the number of CTs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Benchmark.Processes import medianSeconds
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Pipeline import detectVertebrae
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector
from CervicalSpineDetectionLib.Spine.Arrays import Array

SIZES = (0.25, 0.5, 1.0)
SCANS = (1, 2, 4)


def growth(path: str | Path, weights: str | Path | None, device: str, repeats: int) -> list[dict[str, Any]]:
    """Median seconds of detections in variants of a CT; see ``variants``.

    :return: list of dict: "kind" ("slices", "matrix" or "scans"), "size" (number), "seconds".
    """
    image, detector = readImage(path), loadDetector(weights, device)
    detectVertebrae(image, detector)
    rows = []
    for kind, size, scans in variants(image):
        def run(scans: Sequence[sitk.Image] = scans) -> None:
            for scan in scans:
                detectVertebrae(scan, detector)

        rows.append({"kind": kind, "size": size, "seconds": medianSeconds(run, repeats, warmUp=False)})
    return rows


def variants(image: sitk.Image) -> Iterator[tuple[str, int, list[sitk.Image]]]:
    """Variants of a CT, one at a time in memory.

    :return: yields (kind, size, list of images): "slices": the uppermost part of the axial slices; "matrix": the same
        field of view with fewer pixels; "scans": several CTs one after the other.
    """
    size = np.array(image.GetSize())
    for part in SIZES:
        count = max(int(size[2] * part), 8)
        yield "slices", count, [image[:, :, int(size[2]) - count :]]
    for part in SIZES:
        matrix = np.maximum((size[:2] * part).astype(int), 8)
        yield "matrix", int(matrix[0]), [withMatrix(image, matrix)]
    for count in SCANS:
        yield "scans", count, [image] * count


def withMatrix(image: sitk.Image, matrix: Array) -> sitk.Image:
    """The same field of view on another axial matrix (shape (2,)), linear."""
    size = np.array([*matrix, image.GetSize()[2]], int)
    scale = np.array(image.GetSize()) / size
    origin = image.TransformContinuousIndexToPhysicalPoint(((scale - 1) / 2).tolist())
    return sitk.Resample(image, size.tolist(), sitk.Transform(), sitk.sitkLinear, origin,
                         (np.array(image.GetSpacing()) * scale).tolist(), image.GetDirection(), -1024.0)
