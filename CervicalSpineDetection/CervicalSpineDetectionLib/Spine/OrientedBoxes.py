"""Boxes along the vertebrae's own axes, from those along the patient's: turned with the spine's curve, and tight.

A vertebra that leans forward fills other corners of a box along the patient's axes than of one along its own: its body
tilts while its spinous process drops. How far it reaches along its own axes was measured, see ``REACH``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Levels import Level

# End plates lean further forward than the line through the bodies. Medians: 8 degrees in 60 phantoms (C3 to C7), 4 in
# the bone surfaces of a person (BodyParts3D, Mitsuhashi et al. 2009, Nucleic Acids Research 37:D782-D785).
PLATE_LEAN = np.deg2rad(7)
# What the measured vertebrae leaned at most; further, the line through the bodies rather shows a wrong center.
MOST_LEAN = np.deg2rad(45)
# Front, back, bottom and top face of a box along a vertebra's own axes, from the middle of that along the patient's
# (depth d, height h), at a forward lean a: half the length times cos a, plus the first number here times the other
# length times sin a, plus the second times the own length. Least squares (``Testing/fitOrientedBoxes.py``) to the
# tightest boxes that hold 98 % of the voxels of 384 vertebrae of 60 phantoms, from the boxes that were found there.
# Each level counts for those below it too, down to the next: C7's spinous process is long.
REACH = {
    Level.C1: ((-0.19, 0.01), (0.2, 0.0), (0.03, 0.12), (0.01, -0.14)),
    Level.C2: ((-0.04, 0.02), (-0.04, -0.02), (-0.09, 0.06), (0.37, -0.03)),
    Level.C3: ((-0.17, 0.01), (0.31, -0.1), (-0.03, 0.11), (0.26, -0.1)),
    Level.C7: ((-0.2, 0.02), (0.39, -0.11), (-0.16, 0.11), (0.3, -0.08)),
}
# Found boxes are now too small and now too large: with so much more on each face half of the vertebrae of the same
# phantoms have 98 % of their voxels inside.
MARGIN_MM = {Level.C1: 0.5, Level.C2: 0.0, Level.C3: 0.6, Level.C7: 0.6}


# Phantoms lean as a whole, while in real necks the spinous process of a C7 that leans still points down: in the six of
# 44 CTs (development set and calibration patients) where it leans by 30 degrees and more the bone at the back of its
# box lies 0.40 of the height from below, in phantoms 0.68. Boxes of C7 and below hold a tip that low all the same: its
# underside, in parts of the height from below, and how much of its end may be left out.
TIP_HEIGHT, TIP_MM = 0.3, 3.0


def orientedBoxes(levels: Sequence[Level], centres: Sequence[Array], boundsList: Sequence[Bounds],
                  atlasLean: float | None = None) -> list[OrientedBox]:
    """The boxes that hold 98 % of each vertebra, along the end plates.

    The tangent of the curve through the bodies gives the superior axis, with ``PLATE_LEAN`` where there are two end
    plates. C1, which has no body, goes with C2 where nothing tells its own lean, and its box is as large as its bounds.

    :param levels: n levels in cranio-caudal order.
    :param centres: n of shape (3,), LPS mm, of the bodies.
    :param boundsList: n Bounds of the whole vertebrae.
    :param atlasLean: radians that the ring of C1 leans forward, where it is known.
    :return: list of n OrientedBox.
    """
    curve = [centre for level, centre in zip(levels, centres, strict=True) if level != Level.C1]
    boxes = []
    for i, (level, bounds) in enumerate(zip(levels, boundsList, strict=True)):
        k = max(i - (len(levels) - len(curve)), 0)
        tangent = curve[max(k - 1, 0)] - curve[min(k + 1, len(curve) - 1)] if len(curve) > 1 else np.array([0.0, 0, 1])
        if level != Level.C1:
            boxes.append(tightBox(level, bounds, axesAlong(tangent, PLATE_LEAN if level != Level.C2 else 0.0)))
        elif atlasLean is not None:
            further = atlasLean - float(np.arctan2(-tangent[1], tangent[2]))
            boxes.append(tightBox(level, bounds, axesAlong(tangent, further)))
        else:
            boxes.append(OrientedBox(bounds.centre, bounds.size, axesAlong(tangent)))
    return boxes


def tightBox(level: Level, bounds: Bounds, axes: Array) -> OrientedBox:
    """A vertebra's box along its own axes.

    :param axes: as in ``OrientedBox``.
    """
    width, depth, height = bounds.size
    cosine, sine = axes[2, 2], -axes[2, 1]
    group = reachGroup(level)
    margin = MARGIN_MM[group]
    faces = zip(REACH[group], (depth, depth, height, height),
                (height, height, depth, depth), (-1, 1, -1, 1), strict=True)
    front, back, bottom, top = (shear * other * sine + (share + 0.5 * side * cosine) * own + side * margin
                                for (shear, share), own, other, side in faces)
    if group == Level.C7:
        bottom = min(bottom, (TIP_MM - depth / 2) * sine - (0.5 - TIP_HEIGHT) * height * cosine)
    middle = np.array([0.0, front + back, bottom + top]) / 2
    size = np.array([width + 2 * margin, back - front, top - bottom])
    return OrientedBox(bounds.centre + middle @ axes, size, axes)


def reachGroup(level: Level) -> Level:
    """The level of ``REACH`` that counts for this one."""
    return max((one for one in REACH if one.order <= level.order), key=lambda one: one.order)


def axesAlong(tangent: Array, furtherForward: float = 0.0) -> Array:
    """Rows left, posterior, superior for a superior direction.

    :param tangent: shape (3,).
    :param furtherForward: radians to lean more than it.
    :return: shape (3, 3); turned by at most ``MOST_LEAN``.
    """
    superior = tangent / max(np.linalg.norm(tangent), 1e-9)
    c, s = np.cos(furtherForward), np.sin(furtherForward)
    superior = np.array([superior[0], c * superior[1] - s * superior[2], c * superior[2] + s * superior[1]])
    across = np.hypot(superior[0], superior[1])
    if np.arctan2(across, superior[2]) > MOST_LEAN:
        superior = np.array([*(superior[:2] / across * np.sin(MOST_LEAN)), np.cos(MOST_LEAN)])
    left = np.array([1.0, 0, 0]) - superior[0] * superior
    left /= np.linalg.norm(left)
    return np.array([left, np.cross(superior, left), superior])
