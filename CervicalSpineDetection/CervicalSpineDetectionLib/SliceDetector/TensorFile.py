"""What a safetensors file says of its tensors, checked before a library computes with it.

The format (huggingface.co/docs/safetensors): 8 bytes with the length of a JSON header, the header, the numbers.
"""

from __future__ import annotations

import json
import math
from typing import Any

# Kinds of numbers that networks of this program hold -> bytes of one. Not F8, F4 and others, which torch reads and then
# can't compute with.
ITEM_BYTES = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8, "I64": 8}
LENGTH_BYTES = 8
MAXIMUM_HEADER_BYTES = 1_000_000
# yolov5x has about 700.
MAXIMUM_TENSORS = 10_000
MAXIMUM_DIMENSIONS = 6


def checkTensorFile(data: bytes) -> None:
    """:raises ValueError: no safetensors file, or one of numbers that can't be weights."""
    length = int.from_bytes(data[:LENGTH_BYTES], "little")
    if not 0 < length <= min(MAXIMUM_HEADER_BYTES, len(data) - LENGTH_BYTES):
        raise ValueError("no header")
    try:
        header = json.loads(data[LENGTH_BYTES : LENGTH_BYTES + length])
    except RecursionError:
        raise ValueError("a header of nested brackets") from None
    if not isinstance(header, dict) or len(header) > MAXIMUM_TENSORS:
        raise ValueError("no list of tensors")
    room = len(data) - LENGTH_BYTES - length
    for name, tensor in header.items():
        if name != "__metadata__" and not _isUsable(tensor, room):
            raise ValueError(f"a tensor {name:.60} of unknown kind or shape")


def _isUsable(tensor: Any, room: int) -> bool:
    """:param room: bytes of numbers in the file."""
    try:
        shape, (begin, end), itemBytes = tensor["shape"], tensor["data_offsets"], ITEM_BYTES[tensor["dtype"]]
    except (KeyError, TypeError, ValueError):
        return False
    if not isinstance(shape, list) or len(shape) > MAXIMUM_DIMENSIONS:
        return False
    if not all(type(number) is int and 0 <= number <= room for number in (*shape, begin, end)):
        return False
    return bool(end - begin == math.prod(shape) * itemBytes)
