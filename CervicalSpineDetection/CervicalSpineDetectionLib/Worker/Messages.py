"""What client and worker say to each other: one JSON object a line, each line of bounded length.

Commands of the client: "warm", "volume" (shared memory to open), "detect". Events of the worker: "hello", "alive",
"ready", "progress", "finished", "failed". Numbers pass unrounded, so that a result is the same as without a worker.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra
from CervicalSpineDetectionLib.Spine.VertebraDocument import (
    basisFromDocument,
    basisToDocument,
    vertebraFromDocument,
    vertebraToDocument,
)

# Eleven vertebrae with their boxes take about 10 kB.
MAXIMUM_LINE_BYTES = 1_000_000


def encode(message: Mapping[str, Any], allowNan: bool = False) -> bytes:
    """A message as a line of bytes.

    :param message: dict of JSON values; numpy arrays and scalars become lists and numbers.
    :raises ValueError: too long, or NaN or infinity in it.
    """
    line = json.dumps(message, allow_nan=allowNan, default=lambda value: value.tolist()).encode() + b"\n"
    if len(line) > MAXIMUM_LINE_BYTES:
        raise ValueError(f"a message of {len(line)} bytes")
    return line


def readMessages(stream: Any) -> Iterator[dict[str, Any]]:
    """Messages of a binary stream until it ends.

    :raises ValueError: a line that is too long or no JSON object.
    """
    while line := stream.readline(MAXIMUM_LINE_BYTES):
        if not line.endswith(b"\n"):
            raise ValueError("a message that is too long or cut off")
        message = json.loads(line)
        if not isinstance(message, dict):
            raise ValueError("a message that is no JSON object")
        yield message


def resultToMessage(result: DetectionResult) -> dict[str, Any]:
    """:param result: DetectionResult. :return: dict for ``encode``."""
    return {"vertebrae": vertebraeToMessage(result.vertebrae), "warnings": list(result.warnings), "image": result.image,
            "model": result.model, "timings": result.timings, "basis": basisToDocument(result.basis)}


def resultFromMessage(fields: Mapping[str, Any]) -> DetectionResult:
    """Inverse of ``resultToMessage``, after JSON."""
    return DetectionResult(**{**fields, "vertebrae": vertebraeFromMessage(fields["vertebrae"]),
                              "basis": basisFromDocument(fields.get("basis") or {})})


def vertebraeToMessage(vertebrae: Iterable[Vertebra]) -> list[dict[str, Any]]:
    """:param vertebrae: Vertebra objects. :return: list of dicts for ``encode``."""
    return [vertebraToDocument(vertebra) for vertebra in vertebrae]


def vertebraeFromMessage(documents: Iterable[Mapping[str, Any]]) -> list[Vertebra]:
    """Inverse of ``vertebraeToMessage``, after JSON."""
    return [vertebraFromDocument(document) for document in documents]
