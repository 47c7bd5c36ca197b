"""Centers of vertebral bodies as VerSe and BIDS derivatives store them (``*_ctd.json``), which TPTBox reads.

A list whose first entry describes the image: "direction" names where its axes run to, e.g. ["L", "P", "S"]; as TPTBox
writes them, "zoom" (mm), "shape", and "origin" and "rotation" in RAS. The others hold a VerSe number ("label") and the
voxel coordinates X, Y, Z along these axes. TPTBox adds 256 times the part of the vertebra to the number (50 is the
body), or writes, by default, one entry {"C3": {"Vertebra_Corpus": [x, y, z]}}, of millimetres if "coordinate_system"
says so (itk: LPS, nib: RAS).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

FRAME = "as exported: X, Y, Z are voxels of the CT along direction; origin and rotation are RAS mm"
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
# TPTBox: label = part * PART_FACTOR + number; a plain number, as VerSe's, means the body.
PART_FACTOR = 256
BODY_PARTS = (0, 50)
BODY_NAMES = ("Vertebra_Corpus", "50")
NUMBERS = {**{str(level): level.code for level in SPINE_LEVELS}, **{str(number): number for number in range(1, 29)}}
# Grids this much alike are the same: VerSe and TPTBox round.
SAME_ZOOM_MM = 0.01
# About half a body: of a vertebra at the edge of the view the center may lie beyond it.
BEYOND_THE_EDGE_MM = 10.0


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
    """Centers of vertebral bodies, as VerSe, BIDS derivatives or TPTBox store them.

    Where the file places its voxels itself (zoom, origin and rotation, or millimetres) it may be of another grid than
    the image, e.g. of a resampled copy. Else the coordinates are voxels of the image, which may be stored along other
    axes.

    :param path: JSON file.
    :param image: the CT, or another image of its grid.
    :return: VerSe number -> shape (3,) LPS mm, inside the image.
    :raises InputError: another kind of file, or of another image.
    """
    try:
        head, *entries = json.loads(Path(path).read_text(encoding="utf-8"))
        points = _bodies(entries)
        toLps = _placement(head, image, path)
        centres = {number: toLps(point) for number, point in points.items()}
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, IndexError, RuntimeError, AttributeError) as error:
        raise InputError(f"The centroid file {path} is damaged or of another kind; download it again.") from error
    if not centres:
        raise InputError(f"{path} holds no centers of vertebral bodies; choose another file.")
    margin = BEYOND_THE_EDGE_MM / np.array(image.GetSpacing())
    for centre in centres.values():
        index = np.array(image.TransformPhysicalPointToContinuousIndex(centre.tolist()))
        if (index < -margin).any() or (index > image.GetSize() + margin).any():
            raise InputError(f"A center in {path} lies outside the CT; give the CT that it was marked on.")
    return centres


def _bodies(entries: list[dict[str, Any]]) -> dict[int, list[float]]:
    """Number -> coordinates of the body, as they stand; NaN is left out, as VerSe's own reader does."""
    points = {}
    for entry in entries:
        if "label" in entry:
            part, number = divmod(int(entry["label"]), PART_FACTOR)
            if part in BODY_PARTS:
                points[number] = [float(entry[axis]) for axis in "XYZ"]
        else:
            for name, parts in entry.items():
                for known in BODY_NAMES:
                    if name in NUMBERS and known in parts:
                        points[NUMBERS[name]] = [float(value) for value in parts[known]]
    return {number: point for number, point in points.items() if not np.isnan(point).any()}


def _placement(head: dict[str, Any], image: sitk.Image, path: str | Path) -> Callable[[list[float]], Array]:
    """Coordinates of the file -> LPS mm."""
    if "coordinate_system" in head:
        matrix = {"itk": np.eye(3), "nib": LPS_TO_RAS}[head["coordinate_system"]]
        return lambda point: matrix @ point
    if all(head.get(key) is not None for key in ("zoom", "origin", "rotation")):
        matrix, origin = np.array(head["rotation"], float) * head["zoom"], np.array(head["origin"], float)
        return lambda point: LPS_TO_RAS @ (matrix @ point + origin)
    image = sitk.DICOMOrient(image, "".join(head["direction"]))
    zoom, shape = head.get("zoom"), head.get("shape")
    if (zoom is not None and not np.allclose(zoom, image.GetSpacing(), atol=SAME_ZOOM_MM)) or (
            shape is not None and tuple(map(round, shape)) != image.GetSize()):
        raise InputError(f"{path} is of voxels of another size or number than the CT's; give the CT it was made on.")
    return lambda point: np.array(image.TransformContinuousIndexToPhysicalPoint(point))
