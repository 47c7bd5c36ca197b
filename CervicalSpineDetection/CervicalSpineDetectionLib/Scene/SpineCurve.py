"""Where a missed vertebra stands, and which one stands at a place. LPS mm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.Translation import tr as _
from CervicalSpineDetectionLib.Scene.VertebraState import hull
from CervicalSpineDetectionLib.Spine.Arrays import Array, Point
from CervicalSpineDetectionLib.Spine.Boxes import OrientedBox
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, Level, levelIndex
from CervicalSpineDetectionLib.Spine.Morphometry import SPACING_MM
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra

# Distance of each level from C1 along a usual spine; the person's own scale comes from the neighbours.
USUAL_PLACE = np.concatenate([[0], np.cumsum(SPACING_MM)])
# Of the boxes of C1 to T4: left-right, posterior-anterior, inferior-superior extent, and from the body's centre to the
# box's in the patient's left, posterior, superior direction. Means of the phantom (see ``Phantom.Morphometry``).
USUAL_SIZE_MM = np.array([
    [90, 52, 34], [61, 61, 53], [63, 54, 36], [64, 54, 35], [67, 57, 35], [70, 61, 35], [75, 75, 40], [84, 73, 44],
    [78, 78, 47], [75, 77, 51], [75, 67, 51],
], float)
USUAL_BOX_OFFSET_MM = np.array([
    [0, 0, 0], [0, 18, 2], [0, 15, -2], [0, 17, -2], [0, 17, -3], [0, 19, -4], [0, 26, -7], [0, 24, -5], [0, 25, -7],
    [0, 24, -7], [0, 19, -7],
], float)
# Further along the spine than this from the nearest level, a point belongs to none.
REACH_MM = 15


def usualVertebra(level: str, centre: Point) -> Vertebra:
    """A level's vertebra of usual size along the patient axes, where there is no other one to go by.

    :param centre: of the body, shape (3,).
    """
    index = levelIndex(level)
    centre = np.array(centre, float)
    box = OrientedBox(centre + USUAL_BOX_OFFSET_MM[index], USUAL_SIZE_MM[index], np.eye(3))
    return Vertebra(Level(level), 1.0, centre, hull(box), box)


def interpolated(level: str, others: Sequence[Vertebra], centre: Point | None = None) -> Vertebra:
    """A level's vertebra as its neighbours let expect it.

    Centres lie on a cubic Hermite curve through those of the others (Catmull and Rom 1974, A class of local
    interpolating splines), which goes on straight beyond them. Size, orientation and the place of the centre in the box
    are those of the neighbours, weighted by their nearness.

    :param level: name of a level that is not among the others.
    :param others: at least one Vertebra, each level once, in cranio-caudal order; their oriented boxes are used.
    :param centre: shape (3,), where it is known.
    :return: Vertebra, inferred where no centre was given.
    """
    index = levelIndex(level)
    known = np.array([levelIndex(other.level) for other in others])
    place = _curve(USUAL_PLACE[index], USUAL_PLACE[known], others) if centre is None else np.array(centre, float)
    below = int(np.searchsorted(known, index))
    upper, lower = others[max(below - 1, 0)], others[min(below, len(others) - 1)]
    gap = USUAL_PLACE[levelIndex(lower.level)] - USUAL_PLACE[levelIndex(upper.level)]
    weight = (USUAL_PLACE[index] - USUAL_PLACE[levelIndex(upper.level)]) / gap if gap else 0.0

    def between(quantity: Callable[[Vertebra], Array]) -> Array:
        return (1 - weight) * quantity(upper) + weight * quantity(lower)

    # The rotation nearest to the mean of two.
    left, _stretch, right = np.linalg.svd(between(lambda vertebra: vertebra.orientedBox.axes))
    axes = left @ right
    toBox = between(lambda vertebra: vertebra.orientedBox.axes @ (vertebra.orientedBox.centre - vertebra.centre))
    box = OrientedBox(place + toBox @ axes, between(lambda vertebra: vertebra.orientedBox.size), axes)
    return Vertebra(Level(level), 1.0, place, hull(box), box, inferred=centre is None)


def missingLevelAt(position: Array, others: Sequence[Vertebra]) -> str:
    """Which missing level stands at a place, by its height along the spine.

    :param position: shape (3,).
    :param others: as for ``interpolated``.
    :raises InputError: the nearest level is there already, or none is near.
    """
    present = {other.level: other for other in others}
    candidates = [present.get(level) or interpolated(level, others) for level in LEVELS]
    heights = [abs(candidate.orientedBox.axes[2] @ (position - candidate.centre)) for candidate in candidates]
    nearest = int(np.argmin(heights))
    level = LEVELS[nearest]
    if level in present:
        raise InputError(_("{level} is already there: click where a level is missing, or shift or rename its neighbors "
                           "first.").format(level=level))
    if heights[nearest] > REACH_MM:
        raise InputError(_("No level from {first} to {last} is expected there: click closer to the other vertebrae of "
                           "the spine.").format(first=LEVELS[0], last=LEVELS[-1]))
    return level


def _curve(parameter: float, knots: Array, others: Sequence[Vertebra]) -> Array:
    """Point of the Hermite curve at a parameter, shape (3,). Tangents are finite differences over both neighbours."""
    centres = np.array([other.centre for other in others])
    if len(others) == 1:
        return centres[0] - (parameter - knots[0]) * others[0].orientedBox.axes[2]
    tangents = np.gradient(centres, knots, axis=0)
    if parameter <= knots[0] or parameter >= knots[-1]:
        end = 0 if parameter <= knots[0] else -1
        return centres[end] + (parameter - knots[end]) * tangents[end]
    return CubicHermiteSpline(knots, centres, tangents)(parameter)
