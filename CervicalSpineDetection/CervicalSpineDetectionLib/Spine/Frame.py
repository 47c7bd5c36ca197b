"""A frame of its own for a body that stands turned in its CT, and the way of vertebrae from one to the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra


@dataclass(frozen=True)
class Frame:
    """Axes along a body, turned about a point.

    :param axes: shape (3, 3), orthonormal and right-handed; rows point to the body's left, back and head, in LPS of
        the CT.
    :param middle: shape (3,), LPS mm, the same point in both.
    """

    axes: Array
    middle: Array

    @property
    def isCt(self) -> bool:
        """No turn at all."""
        return bool(np.allclose(self.axes, np.eye(3)))

    @property
    def degrees(self) -> float:
        """By how much it is turned against the CT, 0 to 180."""
        return float(np.degrees(np.arccos(np.clip((np.trace(self.axes) - 1) / 2, -1, 1))))

    def fromCt(self, points: Array) -> Array:
        """LPS mm of the CT, shape (..., 3), to the frame."""
        return np.asarray((points - self.middle) @ self.axes.T + self.middle)

    def toCt(self, points: Array) -> Array:
        """The inverse of ``fromCt``."""
        return np.asarray((points - self.middle) @ self.axes + self.middle)

    def vertebraFromCt(self, vertebra: Vertebra) -> Vertebra:
        """:param vertebra: in LPS mm of the CT."""
        inverse = Frame(self.axes.T, self.middle)
        return inverse.vertebraToCt(vertebra)

    def vertebraToCt(self, vertebra: Vertebra) -> Vertebra:
        """:param vertebra: in this frame. :return: in LPS mm of the CT."""
        box = vertebra.orientedBox
        return replace(vertebra, centre=self.toCt(vertebra.centre), bounds=self._boundsToCt(vertebra.bounds),
                       orientedBox=OrientedBox(self.toCt(box.centre), box.size, box.axes @ self.axes))

    def _boundsToCt(self, bounds: Bounds) -> Bounds:
        """Axis-aligned bounds in the CT: those of the ellipsoid in the box, which is empty in its corners as a vertebra
        is; the box's own corners would reach a third too far."""
        half = np.sqrt(((bounds.size / 2)[:, None] ** 2 * self.axes**2).sum(axis=0))
        centre = self.toCt(bounds.centre)
        return Bounds(centre - half, centre + half)
