"""Boxes of vertebrae, LPS mm: along the patient's axes, and along the spine's curve."""

from __future__ import annotations

from dataclasses import dataclass

from CervicalSpineDetectionLib.Spine.Arrays import Array


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
