"""Centers of vertebral bodies as VerSe and BIDS derivatives store them (``*_ctd.json``), which TPTBox reads.

A list whose first entry describes the image: "direction" names where its axes run to, e.g. ["L", "P", "S"]; as TPTBox
writes them, "zoom" (mm), "shape", and "origin" and "rotation" in RAS. The others hold a VerSe number ("label") and the
voxel coordinates X, Y, Z along these axes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

FRAME = "X, Y, Z are voxels of the CT along direction; origin and rotation are RAS mm"
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def writeCentroids(path: str | Path, result: DetectionResult, image: sitk.Image) -> None:
    """:param image: the CT that the result is of, in any orientation."""
    axes = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    direction = np.reshape(image.GetDirection(), (3, 3))
    entries: list[dict[str, Any]] = [{
        "direction": list(axes), "zoom": list(image.GetSpacing()), "shape": list(image.GetSize()),
        "origin": (LPS_TO_RAS @ image.GetOrigin()).tolist(), "rotation": (LPS_TO_RAS @ direction).tolist(),
        "frame": FRAME,
    }]
    for vertebra in result.vertebrae:
        place = image.TransformPhysicalPointToContinuousIndex([float(value) for value in vertebra.centre])
        entries.append({"label": vertebra.level.code,
                        **{axis: round(value, 3) for axis, value in zip("XYZ", place, strict=True)}})
    Path(path).write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


def readCentroids(path: str | Path, image: sitk.Image) -> dict[int, Array]:
    """Centers of vertebrae. Only the voxel coordinates and their axes are used; the image says where they lie.

    :param path: JSON file.
    :param image: image the coordinates are voxels of; it may be stored along other axes.
    :return: VerSe number -> shape (3,) LPS mm.
    :raises InputError: another kind of file.
    """
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8"))
        image = sitk.DICOMOrient(image, "".join(entries[0]["direction"]))
        return {
            int(entry["label"]): np.array(image.TransformContinuousIndexToPhysicalPoint(
                [float(entry[axis]) for axis in "XYZ"]))
            for entry in entries[1:] if "nan" not in str(entry).lower()
        }
    except (OSError, ValueError, KeyError, TypeError, IndexError, RuntimeError) as error:
        raise InputError(f"The centroid file {path} is damaged or of another kind; download it again.") from error
