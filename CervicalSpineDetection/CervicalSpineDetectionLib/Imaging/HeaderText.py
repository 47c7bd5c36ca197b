"""Numbers and words of headers that are text."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from CervicalSpineDetectionLib.Imaging.ImageHeader import damaged
from CervicalSpineDetectionLib.Spine.Arrays import Array

# Not what Python calls a number: no "nan", no "1_000"; and with a decimal point in every country.
NUMBER = r"[-+]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][-+]?\d{1,3})?"
# A file of a sequence: characters of a usual name, and one number with leading zeros or none.
PATTERN = re.compile(r"([\w.\- ]{0,200})%(0?[1-9]?)d([\w.\- ]{0,200})")
MAXIMUM_FILES = 10_000
# What stands in a line that is read; others may be longer.
MAXIMUM_LINE = 10_000


def numbers(path: Path, text: str, count: int | None = None) -> Array:
    """Numbers between blanks.

    :param count: how many there must be, or None.
    :raises InputError: anything else.
    """
    words = text.split()
    if len(text) > MAXIMUM_LINE or not words or not all(re.fullmatch(NUMBER, word) for word in words) or (
            count is not None and len(words) != count):
        raise damaged(path, "a number of its header can't be read")
    return np.array(words, float)


def wholeNumbers(path: Path, text: str, count: int | None = None) -> tuple[int, ...]:
    """The same for whole numbers below a billion."""
    if not re.fullmatch(r"\s*-?\d{1,9}(\s+-?\d{1,9})*\s*", text[:MAXIMUM_LINE]):
        raise damaged(path, "a number of its header can't be read")
    return tuple(map(int, numbers(path, text, count)))


def patternNames(path: Path, pattern: str, bounds: tuple[int, ...]) -> list[str]:
    """Names of numbered files.

    :param pattern: with one "%d", "%3d" or "%03d".
    :param bounds: first number, last number, step.
    :raises InputError: another pattern, or numbers that lead nowhere.
    """
    match = PATTERN.fullmatch(pattern)
    first, last, step = bounds
    if not match or step < 1 or first < 0 or last < first or (last - first) // step >= MAXIMUM_FILES:
        raise damaged(path, "the numbers of its data files make no sense")
    before, width, after = match.groups()
    return [f"{before}{number:{width}d}{after}" for number in range(first, last + 1, step)]
