"""How far apart and how wide vertebrae are: the one model, which fusion, scene, cohort and training share.

Means of the phantom, which follows published morphometry (see ``Phantom.Morphometry``); a person is smaller or larger
as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from CervicalSpineDetectionLib.Spine.Arrays import Array

# Distance in mm between the centres of neighbouring bodies (C1: of its ring), C1-C2 to T3-T4.
SPACING_MM = np.array([22.9, 19.0, 18.4, 17.5, 16.9, 18.1, 19.8, 20.1, 20.6, 20.7])
# Below T4 the level chain keeps eight places without a name, a little further apart each.
NAMELESS_SPACING_MM = 21.0 + 0.4 * np.arange(8)
_SPACING = np.concatenate([SPACING_MM, NAMELESS_SPACING_MM])
# Distance between any two of the chain, shape (levels, levels); 0 where the second is not below the first.
DISTANCE_MM = np.array([[_SPACING[upper:lower].sum() for lower in range(len(_SPACING) + 1)]
                        for upper in range(len(_SPACING) + 1)])
# Widths in mm over the transverse processes, C1 to T4.
WIDTH_MM = np.array([79.9, 56.8, 58.5, 59.5, 61.3, 63.1, 68.5, 78.3, 71.7, 66.2, 66.5])
# Half the distance of neighbouring bodies: a centre this near to another is that of the same vertebra.
SAME_VERTEBRA_MM = 9.0
# Sagittal slices this near to the vertebra's middle cross the canal, which parts the body from the arch.
BODY_HALF_WIDTH_MM = 8.0


def usualDistance(upper: int, lower: int) -> float:
    """mm between the centres of two levels.

    :param upper, lower: their ``Level.order``.
    """
    return float(DISTANCE_MM[upper, lower])


def expectedDistances(levels: Sequence[int], distances: Array) -> Array:
    """How far apart a person's vertebrae should be, mm, shape (n - 1,).

    :param levels: n rising ``Level.order``.
    :param distances: shape (n - 1,), mm, as found; their median against the usual ones gives the person's scale.
    """
    usual = np.array([usualDistance(upper, lower) for upper, lower in zip(levels, levels[1:], strict=False)])
    return np.asarray(usual * np.median(distances / usual))


def expectedHalfWidths(levels: Sequence[int], halves: Array) -> Array:
    """How wide a person's vertebrae should be to each side, mm, shape (n,).

    :param levels: n ``Level.order``.
    :param halves: shape (n, 2), mm, as found; their median against the usual ones gives the person's scale.
    """
    usual = np.array([WIDTH_MM[level] / 2 for level in levels])
    return np.median(halves / usual[:, None]) * usual if len(levels) else usual
