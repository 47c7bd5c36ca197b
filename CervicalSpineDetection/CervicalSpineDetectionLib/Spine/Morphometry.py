"""How far apart and how wide vertebrae are: the one model, which fusion, scene, cohort and training share.

Means of the phantom, which follows published morphometry (see ``Phantom.Morphometry``); a person is smaller or larger
as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from CervicalSpineDetectionLib.Spine.Arrays import Array

# Distance in mm between the centres of neighbouring bodies (C1: of its ring), C1-C2 to L4-L5. Below T4: height of the
# bodies and the disc between them (Panjabi et al. 1991, Spine 16(8):888-901; 1992, Spine 17(3):299-306).
SPACING_MM = np.array([
    22.9, 19.0, 18.4, 17.5, 16.9, 18.1, 19.8, 20.1, 20.6, 20.7,
    21.3, 21.9, 22.5, 23.1, 23.8, 24.6, 25.6, 27.2, 30.5, 33.0, 34.5, 36.0, 36.5,
])
# Distance between any two levels, shape (levels, levels); 0 where the second is not below the first.
DISTANCE_MM = np.array([[SPACING_MM[upper:lower].sum() for lower in range(len(SPACING_MM) + 1)]
                        for upper in range(len(SPACING_MM) + 1)])
# Depth in mm from front to back of the whole vertebra, C1 to L5: C1 to T1 means of the hand-drawn boxes of the
# development set (scatter 6 to 10 %), below those of the label map of a chest CT and of the phantom.
DEPTH_MM = np.array([
    48.2, 54.7, 46.8, 47.3, 51.3, 58.9, 65.7, 68.4,
    66.0, 66.0, 67.0, 67.0, 66.0, 65.0, 65.0, 65.0, 65.0, 65.0, 70.0, 78.0, 82.0, 86.0, 88.0, 86.0,
])
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


def usualDistances(levels: Sequence[int]) -> Array:
    """How far apart neighbours of a mean adult are, mm, shape (n - 1,). :param levels: n rising ``Level.order``."""
    return np.array([usualDistance(upper, lower) for upper, lower in zip(levels, levels[1:], strict=False)])


def expectedDistances(levels: Sequence[int], distances: Array) -> Array:
    """How far apart a person's vertebrae should be, mm, shape (n - 1,).

    :param levels: n rising ``Level.order``.
    :param distances: shape (n - 1,), mm, as found; their median against the usual ones gives the person's scale.
    """
    usual = usualDistances(levels)
    return np.asarray(usual * np.median(distances / usual))


def expectedHalfWidths(levels: Sequence[int], halves: Array, isWhole: Array) -> Array:
    """How wide a person's vertebrae should be to each side, mm, shape (n,).

    :param levels: n ``Level.order``.
    :param halves: shape (n, 2), mm, as found; their median against the usual ones gives the person's scale.
    :param isWhole: bool, shape (n, 2), which of them tell; where none does, all do.
    """
    usual = np.array([WIDTH_MM[level] / 2 for level in levels])
    telling = isWhole if isWhole.any() else np.ones_like(isWhole)
    return np.median((halves / usual[:, None])[telling]) * usual if len(levels) else usual
