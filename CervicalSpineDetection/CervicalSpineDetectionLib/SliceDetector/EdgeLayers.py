"""The second look's network: its layers, and in which order they are computed, by torch or by ONNX Runtime.

A crop is halved three times and brought back to a half; what the maps show across a box is gathered along its columns,
and along its rows; where along them each edge lies is told from that. Beside it the network learns which pixels are the
vertebra's, which helps it to find the edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

MOST_ROWS, MOST_COLUMNS = 72, 112  # of a crop
STEP = 8  # rows and columns are multiples of it
PICTURES = 3  # previous, own and next slice
CHANNELS = PICTURES + 3  # and where the box is, where others are, and whether it is a body's
STRIDES = (2, 4)  # of the maps that tell of edges; the first is that of the places an edge can be at
FIRST, SECOND, THIRD, ALONG = 16, 32, 64, 48  # channels
GATHERED = 2 * (FIRST + SECOND) + 1
# Layer -> shape of its weights: out, in, kernel.
LAYERS: dict[str, tuple[int, int, int, int]] = {
    "halved": (FIRST, CHANNELS, 3, 3),
    "quarter": (SECOND, FIRST, 3, 3), "quarter1": (SECOND, SECOND, 3, 3), "quarter2": (SECOND, SECOND, 3, 3),
    "eighth": (THIRD, SECOND, 3, 3), "eighth1": (THIRD, THIRD, 3, 3), "eighth2": (THIRD, THIRD, 3, 3),
    "back": (SECOND, THIRD, 1, 1), "joined": (SECOND, SECOND, 3, 3),
    "further": (FIRST, SECOND, 1, 1), "fine": (FIRST, FIRST, 3, 3), "own": (1, FIRST, 1, 1),
    "columns1": (ALONG, GATHERED, 1, 5), "columns2": (ALONG, ALONG, 1, 5), "columns3": (2, ALONG, 1, 1),
    "rows1": (ALONG, GATHERED, 5, 1), "rows2": (ALONG, ALONG, 5, 1), "rows3": (2, ALONG, 1, 1),
}
STEPPING = ("halved", "quarter", "eighth")  # those with a stride of 2
LEAST_OWN = -8.0  # logit of what is not looked at to be the vertebra's

Result = TypeVar("Result")


class Calculus(Protocol[Result]):
    """What computes; maps have the shape (n, channels, rows, columns)."""

    def convolved(self, name: str, given: Result, bent: bool = True) -> Result:
        """By a layer of ``LAYERS``, results as many as what is given, or half as many where it steps.

        :param bent: what is below 0 is cut off.
        """
        ...

    def sum(self, one: Result, other: Result, bent: bool = True) -> Result:
        ...

    def plus(self, given: Result, number: float) -> Result:
        ...

    def doubled(self, given: Result) -> Result:
        """In rows and columns, each place twice."""
        ...

    def lengthened(self, given: Result, axis: int) -> Result:
        """Twice as many places along an axis, interpolated."""
        ...

    def greatest(self, given: Result, near: Result, axis: int) -> Result:
        """Across an axis, 0 for what is not near. :param near: 0 or 1."""
        ...

    def mean(self, given: Result, near: Result, axis: int) -> Result:
        """Across an axis, of what is near."""
        ...

    def joined(self, *given: Result) -> Result:
        """Channels of one after those of the other."""
        ...


def edgeMaps(on: Calculus[Result], crops: Result, near: Sequence[Sequence[Result]]) -> tuple[Result, Result, Result]:
    """:param crops: see ``EdgeCrops.Crops``.
    :param near: of the rows and of the columns, for each of ``STRIDES``: 1 near the box, 0 further beside it, shape
        (n, 1, places, 1) and (n, 1, 1, places).
    :return: logits of places of the left and right edge, shape (n, 2, 1, columns / 2), and of the top and bottom ones,
        shape (n, 2, rows / 2, 1); logits of the vertebra's own pixels, shape (n, 1, rows / 2, columns / 2).
    """
    half = on.convolved("halved", crops)
    quarter = _residual(on, "quarter", on.convolved("quarter", half))
    eighth = _residual(on, "eighth", on.convolved("eighth", quarter))
    back = on.doubled(on.convolved("back", eighth, bent=False))
    quarter = on.convolved("joined", on.sum(quarter, back, bent=False))
    further = on.doubled(on.convolved("further", quarter, bent=False))
    half = on.convolved("fine", on.sum(half, further))
    own = on.convolved("own", half, bent=False)
    logits = []
    for name, across, along in (("columns", 2, 3), ("rows", 3, 2)):
        fine, coarse = near[across - 2]
        shown = on.plus(on.greatest(on.plus(own, -LEAST_OWN), fine, across), LEAST_OWN)
        told = on.joined(
            on.greatest(half, fine, across), on.mean(half, fine, across), shown,
            on.lengthened(on.joined(on.greatest(quarter, coarse, across), on.mean(quarter, coarse, across)), along))
        for number in (1, 2):
            told = on.convolved(f"{name}{number}", told)
        logits.append(on.convolved(f"{name}3", told, bent=False))
    return logits[0], logits[1], own


def _residual(on: Calculus[Result], name: str, given: Result) -> Result:
    seen = on.convolved(f"{name}2", on.convolved(f"{name}1", given), bent=False)
    return on.sum(given, seen)
