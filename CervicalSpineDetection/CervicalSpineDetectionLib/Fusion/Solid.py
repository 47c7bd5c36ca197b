"""What a vertebra fills, as the second look saw it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.Fusion import Settings
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Boxes import OrientedBox


@dataclass(frozen=True)
class Solid:
    """:param points: shape (n, 3), LPS mm. :param weights: shape (n,), mm3 that each stands for.
    :param cell: shape (2,), mm from one to the next, from right to left and upward.
    """

    points: Array
    weights: Array
    cell: Array


def boxAround(solid: Solid, box: OrientedBox, specks: float = Settings.SPECKS,
              margin: float = Settings.SOLID_MARGIN_MM) -> OrientedBox:
    """The box of a solid along the axes of another one, or that one where the solid is too small to tell.

    :param specks, margin: see ``Settings``.
    """
    if solid.weights.sum() < Settings.LEAST_SOLID_MM3:
        return box
    faces = []
    for axis in box.axes:
        along = solid.points @ axis
        order = np.argsort(along)
        shares = np.cumsum(solid.weights[order]) / solid.weights.sum()
        first, last = np.searchsorted(shares, [specks, 1 - specks]).clip(max=len(order) - 1)
        faces.append((along[order[first]] - margin, along[order[last]] + margin))
    lower, upper = np.array(faces).T
    return OrientedBox((lower + upper) / 2 @ box.axes, upper - lower, box.axes)
