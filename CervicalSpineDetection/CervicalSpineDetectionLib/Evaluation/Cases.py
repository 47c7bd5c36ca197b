"""Cases to evaluate on: CTs with hand-drawn boxes, and phantoms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from CervicalSpineDetectionLib.Detection.Vertebra import Bounds
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Evaluation.Metrics import Reference
from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom


def labelledCases(folder):
    """Cases of a folder of JSON files: {"case", "image", "vertebrae": {level: {"min", "max", "centre"}}}, LPS mm.

    Images are named relative to the folder's parent.

    :return: yields (name, path of the image, level -> Reference).
    :raises InputError: no such files.
    """
    paths = sorted(Path(folder).glob("*.json"))
    if not paths:
        raise InputError(f"{folder} holds no JSON files with reference boxes; give the folder of the labels.")
    for path in paths:
        case = json.loads(path.read_text(encoding="utf-8"))
        references = {
            level: Reference(None if entry["centre"] is None else np.array(entry["centre"], float),
                             Bounds(np.array(entry["min"], float), np.array(entry["max"], float)))
            for level, entry in case["vertebrae"].items()
        }
        yield case["case"], Path(folder).parent / case["image"], references


def phantomCases(count, firstSeed):
    """Phantoms that no training has seen, if the seeds are others.

    :return: yields (name, sitk CT, level -> Reference).
    """
    for seed in range(firstSeed, firstSeed + count):
        phantom = makePhantom(seed)
        yield f"phantom {seed}", phantom.ct, {v.level: Reference(v.centre, v.bounds) for v in phantom.vertebrae}
