"""Where the bodies stand along the spine: what was seen of each, and how evenly bodies follow each other.

Where discs have degenerated and bodies grown together, a body can be taken for a part of its neighbour. The most
probable positions (maximum a posteriori, both parts Gaussian, a linear least squares problem) put it right, and how far
they lie from what was seen tells which places are doubtful.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from CervicalSpineDetectionLib.Fusion import Settings
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Morphometry import expectedDistances


def evenedCentres(levels: Sequence[int], centres: Array, exactness: Array) -> tuple[Array, Array]:
    """Centres moved along the spine to their most probable places.

    :param levels: n rising ``Level.order``, C2 and lower.
    :param centres: shape (n, 3), mm.
    :param exactness: shape (n,), mm.
    :return: (centres of shape (n, 3), how far each was moved in mm, shape (n,)); with fewer than four unmoved.
    """
    centres = np.asarray(centres, float)
    count = len(centres)
    if count < Settings.MINIMUM_BODIES:
        return centres, np.zeros(count)
    distances = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    expected = expectedDistances(levels, distances)
    # Rows: each centre stays; each distance becomes the expected one.
    stay = np.diag(1 / np.asarray(exactness, float))
    weights = 1 / (Settings.SPACING_SCATTER * expected)
    spread = (np.eye(count)[1:] - np.eye(count)[:-1]) * weights[:, None]
    target = np.concatenate([np.zeros(count), (expected - distances) * weights])
    moves = np.linalg.lstsq(np.concatenate([stay, spread]), target, rcond=None)[0]
    before, after = centres[np.maximum(np.arange(count) - 1, 0)], centres[np.minimum(np.arange(count) + 1, count - 1)]
    along = (after - before) / np.linalg.norm(after - before, axis=1, keepdims=True)
    return centres + moves[:, None] * along, np.abs(moves)


def inLine(places: Array, seen: Array, guessed: Array) -> Array:
    """Bodies that were only guessed, moved to the line through those seen above and below, at their own height.

    :param places: shape (n, 3), LPS mm.
    :param seen, guessed: shape (n,), bool.
    :return: shape (n, 3).
    """
    places = places.copy()
    if seen.any():
        heights = places[:, 2]
        between = guessed & (heights > heights[seen].min()) & (heights < heights[seen].max())
        places[between, :2] = lineThrough(places, seen)[between]
    return places


def lineThrough(places: Array, seen: Array) -> Array:
    """Where the line through the bodies seen is at the height of each; beyond the outermost ones it runs straight up.

    :param places: shape (n, 3), LPS mm.
    :param seen: shape (n,), bool, at least one.
    :return: shape (n, 2), x and y.
    """
    upwards = np.flatnonzero(seen)[np.argsort(places[seen, 2])]
    return np.stack([np.interp(places[:, 2], places[upwards, 2], places[upwards, axis]) for axis in (0, 1)], axis=1)
