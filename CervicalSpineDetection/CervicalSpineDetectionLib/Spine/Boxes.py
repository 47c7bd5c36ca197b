"""Boxes of vertebrae, LPS mm: along the patient's axes, and along the spine's curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.Spine.Arrays import Array

# A box turned further than this can't be told from its axis-aligned bounds.
MAXIMUM_TILT = np.deg2rad(30)


@dataclass(frozen=True)
class Bounds:
    """Axis-aligned box in LPS mm.

    :param minimum: shape (3,), right-anterior-inferior corner.
    :param maximum: shape (3,), left-posterior-superior corner.
    """

    minimum: Array
    maximum: Array

    @property
    def centre(self) -> Array:
        return (self.minimum + self.maximum) / 2

    @property
    def size(self) -> Array:
        return self.maximum - self.minimum


@dataclass(frozen=True)
class OrientedBox:
    """Box turned with the spine's curve, in LPS mm.

    :param centre: shape (3,).
    :param size: shape (3,), full edge lengths along the three axes.
    :param axes: shape (3, 3), orthonormal and right-handed; rows point to the vertebra's left, posterior, superior.
    """

    centre: Array
    size: Array
    axes: Array


def orientedBoxes(levels: Sequence[str], centres: Sequence[Array], boundsList: Sequence[Bounds]) -> list[OrientedBox]:
    """Boxes that follow the spine's curve.

    The tangent of the curve through the bodies gives the superior axis (C1, which has none, goes with C2). The sizes
    are those of the bounds: the spinous process drops while the body tilts, so a turned vertebra is about as high along
    its own axis as along the patient's, and a flatter box would leave parts of it outside.

    :param levels: n names in cranio-caudal order.
    :param centres: n of shape (3,), LPS mm.
    :param boundsList: n Bounds.
    :return: list of n OrientedBox.
    """
    curve = [centre for level, centre in zip(levels, centres, strict=True) if level != "C1"]
    boxes = []
    for i, bounds in enumerate(boundsList):
        k = max(i - (len(levels) - len(curve)), 0)
        tangent = curve[max(k - 1, 0)] - curve[min(k + 1, len(curve) - 1)] if len(curve) > 1 else np.array([0.0, 0, 1])
        boxes.append(OrientedBox(bounds.centre, bounds.size, _axesAlong(tangent)))
    return boxes


def _axesAlong(tangent: Array) -> Array:
    """Rows left, posterior, superior for a superior direction, turned by at most ``MAXIMUM_TILT``."""
    superior = tangent / max(np.linalg.norm(tangent), 1e-9)
    across = np.hypot(superior[0], superior[1])
    tilt = np.arctan2(across, superior[2])
    if tilt > MAXIMUM_TILT:
        superior = np.array([*(superior[:2] / across * np.sin(MAXIMUM_TILT)), np.cos(MAXIMUM_TILT)])
    left = np.array([1.0, 0, 0]) - superior[0] * superior
    left /= np.linalg.norm(left)
    return np.array([left, np.cross(superior, left), superior])
