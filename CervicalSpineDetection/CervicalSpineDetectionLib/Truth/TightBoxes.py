"""How tight a box can be, and how a body's end plates lie, told from the voxels of a label map."""

from __future__ import annotations

import numpy as np

from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Boxes import OrientedBox

TIGHT_SHARE = 0.98
STEP_MM = 0.5
# End plates are read from a column of the body about its centre, along the box's axes (an upright one of a body that
# leans would end at its front): so far to the sides, to front and back, up and down.
COLUMN_HALF_MM = np.array([5.0, 5.0, 14.0])
EDGE_SHARE = 0.03  # of the voxels of each strip of the column, which are left out at either end as slips
FEWEST_STRIPS = 6  # of 1 mm each


def tightestBox(points: Array, axes: Array, share: float = TIGHT_SHARE) -> OrientedBox:
    """The smallest box along some axes that holds a share of the voxels.

    Found by trimming: from the box of all voxels the face is moved inwards, step by step, that gives up the fewest of
    them for the volume it saves.

    :param points: shape (n, 3), LPS mm, centres of the voxels.
    :param axes: as in ``OrientedBox``.
    """
    own = points @ axes.T
    first, last = own.min(axis=0), own.max(axis=0)
    kept = np.ones(len(own), bool)
    spare = int(len(own) * (1 - share))
    while True:
        outside = [(own[:, axis] < first[axis] + STEP_MM, own[:, axis] > last[axis] - STEP_MM) for axis in range(3)]
        lost = np.array([[int((kept & beyond).sum()) for beyond in pair] for pair in outside])
        # Half a voxel more, so that among faces that give up none the one that saves most is taken.
        price = np.where(lost <= spare, (lost + 0.5) * (last - first)[:, None], np.inf)
        axis, side = np.unravel_index(price.argmin(), price.shape)
        if not np.isfinite(price[axis, side]) or (last - first)[axis] <= STEP_MM:
            return OrientedBox((first + last) / 2 @ axes, last - first, axes)
        spare -= lost[axis, side]
        kept &= ~outside[axis][side]
        if side == 0:
            first[axis] += STEP_MM
        else:
            last[axis] -= STEP_MM


def shareInside(points: Array, box: OrientedBox) -> float:
    """Of the voxels, how many a box holds, 0 to 1. :param points: shape (n, 3), LPS mm."""
    return float((np.abs((points - box.centre) @ box.axes.T) <= box.size / 2).all(axis=1).mean())


def endPlateLean(points: Array, centre: Array, axes: Array) -> float:
    """Degrees that a body's end plates, the mean of both, lean further forward than a box; nan where too little of the
    body is seen.

    :param points: shape (n, 3), LPS mm, of the whole vertebra, C3 or below.
    :param centre: shape (3,), of its body.
    :param axes: of the box, as in ``OrientedBox``.
    """
    column = (points - centre) @ axes.T
    column = column[(np.abs(column) < COLUMN_HALF_MM).all(axis=1)]
    strips = np.floor(column[:, 1]).astype(int)
    places = np.unique(strips)
    if len(places) < FEWEST_STRIPS:
        return float("nan")
    ends = np.array([np.quantile(column[strips == place, 2], [EDGE_SHARE, 1 - EDGE_SHARE]) for place in places])
    return float(np.degrees(np.arctan(np.polyfit(places, ends, 1)[0].mean())))
