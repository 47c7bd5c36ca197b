"""What client and worker say to each other: one JSON object a line, each line of bounded length.

Commands of the client: "warm", "volume" (shared memory to open), "detect". Events of the worker: "hello", "alive",
"ready", "progress", "finished", "failed". Numbers pass unrounded, so that a result is the same as without a worker.
"""

from __future__ import annotations

import dataclasses
import json

import numpy as np

from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra

# Eleven vertebrae with their boxes take about 10 kB.
MAXIMUM_LINE_BYTES = 1_000_000


def encode(message, allowNan=False):
    """A message as a line of bytes.

    :param message: dict of JSON values; numpy arrays and scalars become lists and numbers.
    :raises ValueError: too long, or NaN or infinity in it.
    """
    line = json.dumps(message, allow_nan=allowNan, default=lambda value: value.tolist()).encode() + b"\n"
    if len(line) > MAXIMUM_LINE_BYTES:
        raise ValueError(f"a message of {len(line)} bytes")
    return line


def readMessages(stream):
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


def resultFromMessage(fields):
    """:param fields: ``dataclasses.asdict`` of a DetectionResult, as it comes out of JSON. :return: DetectionResult."""
    return DetectionResult(**{**fields, "vertebrae": vertebraeFromMessage(fields["vertebrae"])})


def vertebraeToMessage(vertebrae):
    """:param vertebrae: Vertebra objects. :return: list of dicts for ``encode``."""
    return [dataclasses.asdict(vertebra) for vertebra in vertebrae]


def vertebraeFromMessage(documents):
    """Inverse of ``vertebraeToMessage``, after JSON."""
    return [Vertebra(**{
        **document,
        "centre": np.array(document["centre"]),
        "bounds": Bounds(**_arrays(document["bounds"])),
        "orientedBox": OrientedBox(**_arrays(document["orientedBox"])),
    }) for document in documents]


def _arrays(fields):
    return {name: np.array(numbers) for name, numbers in fields.items()}
