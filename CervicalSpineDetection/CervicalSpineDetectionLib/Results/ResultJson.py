"""The result as JSON. ``vertebrae.schema.json`` beside this file describes the document."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from CervicalSpineDetectionLib import __version__
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Spine.Proportions import proportionsOf
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult
from CervicalSpineDetectionLib.Spine.VertebraDocument import (
    basisFromDocument,
    basisToDocument,
    vertebraFromDocument,
    vertebraToDocument,
)

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
        **basisToDocument(result.basis, rounded=True),
        "scale": _scaleOf(result),
        "vertebrae": [vertebraToDocument(vertebra, rounded=True) for vertebra in result.vertebrae],
        "warnings": list(result.warnings),
        "timings": {step: round(float(seconds), 3) for step, seconds in result.timings.items()},
    }


def _scaleOf(result: DetectionResult) -> dict[str, float] | None:
    """The size of the vertebrae relative to a usual adult's, None where too few tell."""
    proportions = proportionsOf(result.vertebrae)
    return {axis: round(size, 2) for axis, size in asdict(proportions).items()} if proportions else None


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
            basisFromDocument(document),
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
