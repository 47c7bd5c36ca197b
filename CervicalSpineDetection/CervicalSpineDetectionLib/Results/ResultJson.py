"""The result as JSON. ``vertebrae.schema.json`` beside this file describes the document."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from CervicalSpineDetectionLib import __version__
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Levels import LEVELS
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Review, Vertebra

SCHEMA_VERSION = 1
# A result has about 10 kB.
MAXIMUM_BYTES = 1_000_000
SCHEMA_FILE = Path(__file__).with_name("vertebrae.schema.json")


def toJson(result):
    """A result as plain dicts, lists and numbers: LPS, mm rounded to 0.01.

    :param result: DetectionResult.
    """
    return {
        "schemaVersion": SCHEMA_VERSION,
        "frame": "LPS",
        "units": "mm",
        "software": {"name": "CervicalSpineDetection", "version": __version__},
        "image": result.image,
        "model": result.model,
        "vertebrae": [_vertebraToJson(vertebra) for vertebra in result.vertebrae],
        "warnings": list(result.warnings),
        "timings": {step: round(float(seconds), 3) for step, seconds in result.timings.items()},
    }


def fromJson(document):
    """The DetectionResult of a document made by ``toJson``.

    :raises InputError: not such a document, or one of another version.
    """
    try:
        version = document["schemaVersion"], document["frame"], document["units"]
        if version != (SCHEMA_VERSION, "LPS", "mm"):
            raise ValueError(f"schemaVersion, frame, units: {version}")
        vertebrae = [_vertebraFromJson(vertebra) for vertebra in document["vertebrae"]]
        order = [LEVELS.index(vertebra.level) for vertebra in vertebrae]
        if sorted(set(order)) != order:
            raise ValueError("levels twice or out of order")
        return DetectionResult(
            vertebrae, [str(warning) for warning in document["warnings"]], dict(document["image"]),
            dict(document["model"]), {step: float(seconds) for step, seconds in document["timings"].items()},
        )
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise InputError(f"The result can't be used ({error}); run the detection again.") from error


def readJson(path):
    """The DetectionResult of a file that ``writeJson`` wrote.

    :raises InputError: no such file, or one that holds something else.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}); check the path and the permissions.") from error
    try:
        if len(text) > MAXIMUM_BYTES:
            raise ValueError("too large")
        document = json.loads(text)
    # RecursionError: brackets nested ten thousand deep.
    except (ValueError, RecursionError):
        raise InputError(f"{path} can't be read (damaged, or no result of this program); run the detection "
                         "again.") from None
    return fromJson(document)


def writeJson(path, result):
    """Write a result; numbers that JSON can't hold (NaN) raise ValueError."""
    text = json.dumps(toJson(result), indent=1, allow_nan=False, ensure_ascii=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def _vertebraToJson(vertebra):
    review = vertebra.review
    return {
        "level": vertebra.level,
        # Of the detector, which did not see what a person inserted.
        "confidence": None if review and review.inserted else round(float(vertebra.confidence), 3),
        "inferred": bool(vertebra.inferred),
        "complete": bool(vertebra.complete),
        "centre": _rounded(vertebra.centre),
        "bounds": {"min": _rounded(vertebra.bounds.minimum), "max": _rounded(vertebra.bounds.maximum)},
        "orientedBox": {
            "centre": _rounded(vertebra.orientedBox.centre),
            "size": _rounded(vertebra.orientedBox.size),
            "axes": _rounded(vertebra.orientedBox.axes, 6),
        },
        **({"review": asdict(review)} if review else {}),
    }


def _vertebraFromJson(document):
    bounds, box = document["bounds"], document["orientedBox"]
    if document["level"] not in LEVELS:
        raise ValueError(f"level {document['level']}")
    review = _reviewFromJson(document["review"]) if "review" in document else None
    confidence = document["confidence"]
    if confidence is None and review and review.inserted:
        confidence = 1.0
    if not 0 <= confidence <= 1 or not {document["inferred"], document["complete"]} <= {True, False}:
        raise ValueError("confidence, inferred or complete")
    return Vertebra(
        level=document["level"],
        confidence=confidence,
        centre=_array(document["centre"], 3),
        bounds=Bounds(_array(bounds["min"], 3), _array(bounds["max"], 3)),
        orientedBox=OrientedBox(_array(box["centre"], 3), _array(box["size"], 3), _array(box["axes"], 3, 3)),
        inferred=document["inferred"],
        complete=document["complete"],
        review=review,
    )


def _reviewFromJson(document):
    if set(document) != {field.name for field in fields(Review)}:
        raise ValueError("review")
    review = Review(**document)
    if not {review.confirmed, review.edited, review.inserted, review.locked} <= {True, False}:
        raise ValueError("review")
    return review


def _array(numbers, *shape):
    array = np.array(numbers, float)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"not {' x '.join(map(str, shape))} numbers")
    return array


def _rounded(numbers, decimals=2):
    # Plus zero: no "-0.0".
    return (np.round(np.asarray(numbers, float), decimals) + 0.0).tolist()
