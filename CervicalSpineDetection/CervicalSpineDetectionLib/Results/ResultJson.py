"""The result as JSON. ``vertebrae.schema.json`` beside this file describes the document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from CervicalSpineDetectionLib import __version__
from CervicalSpineDetectionLib.Errors import InputError
<<<<<<< HEAD
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult
from CervicalSpineDetectionLib.Spine.VertebraDocument import vertebraFromDocument, vertebraToDocument
=======
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Levels import LEVELS
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, NameBasis, Vertebra
>>>>>>> 405e4b0 (ENH: One level model from C1 to L5 with calibrated names; views of CTs to measure them)

SCHEMA_VERSION = 1
# A result has about 10 kB.
MAXIMUM_BYTES = 1_000_000
SCHEMA_FILE = Path(__file__).with_name("vertebrae.schema.json")


def toJson(result: DetectionResult) -> dict[str, Any]:
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
<<<<<<< HEAD
        "vertebrae": [vertebraToDocument(vertebra, rounded=True) for vertebra in result.vertebrae],
=======
        **_basisToJson(result.basis),
        "vertebrae": [_vertebraToJson(vertebra) for vertebra in result.vertebrae],
>>>>>>> 405e4b0 (ENH: One level model from C1 to L5 with calibrated names; views of CTs to measure them)
        "warnings": list(result.warnings),
        "timings": {step: round(float(seconds), 3) for step, seconds in result.timings.items()},
    }


def fromJson(document: Any) -> DetectionResult:
    """The DetectionResult of a document made by ``toJson``.

    :raises InputError: not such a document, or one of another version.
    """
    try:
        version = document["schemaVersion"], document["frame"], document["units"]
        if version != (SCHEMA_VERSION, "LPS", "mm"):
            raise ValueError(f"schemaVersion, frame, units: {version}")
        vertebrae = [vertebraFromDocument(vertebra) for vertebra in document["vertebrae"]]
        order = [vertebra.level.order for vertebra in vertebrae]
        if sorted(set(order)) != order:
            raise ValueError("levels twice or out of order")
        return DetectionResult(
            vertebrae, [str(warning) for warning in document["warnings"]], dict(document["image"]),
            dict(document["model"]), {step: float(seconds) for step, seconds in document["timings"].items()},
            _basisFromJson(document),
        )
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise InputError(f"The result can't be used ({error}); run the detection again.") from error


def readJson(path: str | Path) -> DetectionResult:
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


def writeJson(path: str | Path, result: DetectionResult) -> None:
    """Write a result; numbers that JSON can't hold (NaN) raise ValueError."""
    text = json.dumps(toJson(result), indent=1, allow_nan=False, ensure_ascii=False)
    Path(path).write_text(text + "\n", encoding="utf-8")
<<<<<<< HEAD
=======


def _basisToJson(basis):
    """What the names rest on, where the result says so."""
    if basis is None:
        return {}
    other = {"shift": basis.shift, "probability": round(float(basis.shiftProbability), 3)} if basis.shift else None
    return {"anchors": list(basis.anchors), "alternativeNaming": other}


def _basisFromJson(document):
    if "anchors" not in document:
        return None
    other = document["alternativeNaming"] or {"shift": 0, "probability": 0.0}
    probability = float(other["probability"])
    if not 0 <= probability <= 1:
        raise ValueError("alternativeNaming")
    return NameBasis(tuple(str(anchor) for anchor in document["anchors"]), int(other["shift"]), probability)


def _vertebraToJson(vertebra):
    return {
        "level": vertebra.level,
        "confidence": round(float(vertebra.confidence), 3),
        "uncertain": bool(vertebra.uncertain),
        "doubt": vertebra.doubt,
        "inferred": bool(vertebra.inferred),
        "complete": bool(vertebra.complete),
        "centre": _rounded(vertebra.centre),
        "bounds": {"min": _rounded(vertebra.bounds.minimum), "max": _rounded(vertebra.bounds.maximum)},
        "orientedBox": {
            "centre": _rounded(vertebra.orientedBox.centre),
            "size": _rounded(vertebra.orientedBox.size),
            "axes": _rounded(vertebra.orientedBox.axes, 6),
        },
    }


def _vertebraFromJson(document):
    bounds, box = document["bounds"], document["orientedBox"]
    if document["level"] not in LEVELS:
        raise ValueError(f"level {document['level']}")
    if not 0 <= document["confidence"] <= 1 or not {document["inferred"], document["complete"]} <= {True, False}:
        raise ValueError("confidence, inferred or complete")
    return Vertebra(
        level=document["level"],
        confidence=document["confidence"],
        centre=_array(document["centre"], 3),
        bounds=Bounds(_array(bounds["min"], 3), _array(bounds["max"], 3)),
        orientedBox=OrientedBox(_array(box["centre"], 3), _array(box["size"], 3), _array(box["axes"], 3, 3)),
        inferred=document["inferred"],
        complete=document["complete"],
        # Results of earlier versions say nothing of it.
        doubt=str(document.get("doubt", "")),
    )


def _array(numbers, *shape):
    array = np.array(numbers, float)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"not {' x '.join(map(str, shape))} numbers")
    return array


def _rounded(numbers, decimals=2):
    # Plus zero: no "-0.0".
    return (np.round(np.asarray(numbers, float), decimals) + 0.0).tolist()
>>>>>>> 405e4b0 (ENH: One level model from C1 to L5 with calibrated names; views of CTs to measure them)
