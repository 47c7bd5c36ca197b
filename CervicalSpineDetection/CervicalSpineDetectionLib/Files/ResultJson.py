"""``vertebrae.json``: the result as a document other programs read. ``vertebrae.schema.json`` is its schema."""

from __future__ import annotations

import numpy as np

from CervicalSpineDetectionLib import __version__
from CervicalSpineDetectionLib.Detection.Vertebra import Bounds, DetectionResult, OrientedBox, Vertebra


def toJson(result):
    """A DetectionResult as JSON-ready dict, lengths in mm to 0.01, LPS."""
    return {
        "schemaVersion": 1,
        "frame": "LPS",
        "units": "mm",
        "software": {"name": "CervicalSpineDetection", "version": __version__},
        "image": result.image,
        "model": result.model,
        "vertebrae": [_vertebraToJson(vertebra) for vertebra in result.vertebrae],
        "warnings": list(result.warnings),
        "timings": result.timings,
    }


def fromJson(document):
    """The DetectionResult of a document that ``toJson`` made."""
    return DetectionResult(
        vertebrae=[_vertebraFromJson(entry) for entry in document["vertebrae"]],
        warnings=list(document["warnings"]), image=document["image"], model=document["model"],
        timings=document["timings"],
    )


def _vertebraToJson(vertebra):
    box = vertebra.orientedBox
    return {
        "level": vertebra.level,
        "confidence": round(float(vertebra.confidence), 4),
        "inferred": bool(vertebra.inferred),
        "complete": bool(vertebra.complete),
        "centre": _rounded(vertebra.centre),
        "bounds": {"min": _rounded(vertebra.bounds.minimum), "max": _rounded(vertebra.bounds.maximum)},
        "orientedBox": {"centre": _rounded(box.centre), "size": _rounded(box.size), "axes": _rounded(box.axes, 6)},
    }


def _vertebraFromJson(entry):
    bounds, box = entry["bounds"], entry["orientedBox"]
    return Vertebra(
        entry["level"], entry["confidence"], np.array(entry["centre"], float),
        Bounds(np.array(bounds["min"], float), np.array(bounds["max"], float)),
        OrientedBox(*(np.array(box[key], float) for key in ("centre", "size", "axes"))),
        inferred=entry["inferred"], complete=entry["complete"],
    )


def _rounded(values, digits=2):
    return np.round(np.asarray(values, float), digits).tolist()
