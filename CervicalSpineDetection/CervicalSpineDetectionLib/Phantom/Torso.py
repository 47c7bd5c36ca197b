"""The frame of chest, abdomen and pelvis of the made anatomies: places along the spine, the inner wall, the skin.

Sizes are those of textbooks for adults of middle size (Gray's Anatomy, 41st ed. 2016, ch. 53 to 61) in the places that
axial CT shows them at. Places are given along the spine, in levels from T1 = 0 to L5 = 16, S1 = 17, and as millimetres
to the left and in front of the vertebral bodies.
"""

from __future__ import annotations

import numpy as np

from CervicalSpineDetectionLib.Phantom.Shapes import Canvas
from CervicalSpineDetectionLib.Phantom.Spine import Spine
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS

TRUNK_LEVELS = (*SPINE_LEVELS[7:], "S1")
S1 = TRUNK_LEVELS.index("S1")

# The inside of chest and abdomen: half width, and how far it reaches in front of the bodies and behind their middles.
CAGE_LEVELS = (-1.0, 0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0, 17.0, 19.0)
CAGE_HALF_WIDTH = (8, 42, 68, 88, 101, 117, 126, 128, 122, 116, 112, 108, 95)
CAGE_FRONT = (14, 24, 40, 54, 68, 92, 108, 113, 108, 98, 88, 90, 100)
CAGE_BACK = (5, 18, 32, 40, 44, 48, 48, 46, 42, 36, 32, 26, 20)
WALL_MM = 9.0

Outline = tuple[Array, Array, Array, Array]  # middle x and y, half depth and half width at each height, mm


class Torso:
    """A placed trunk.

    :param spine: its frames reach from T1 to S1.
    """

    spine: Spine
    scale: float  # of the person, 1 for the middle size
    origins: Array  # middles of the bodies from T1 to S1, shape (18, 3), anatomy mm
    fronts: Array  # middles of their fronts, likewise

    def __init__(self, spine: Spine, random: np.random.Generator) -> None:
        self.spine = spine
        self.scale = spine.individual.scale
        self.width = np.clip(random.normal(1, 0.06), 0.85, 1.15) * self.scale
        self.depth = np.clip(random.normal(1, 0.09), 0.8, 1.25) * self.scale
        frames = [spine.frames[level] for level in TRUNK_LEVELS]
        self.origins = np.array([frame.origin for frame in frames])
        self.fronts = np.array([spine.front(level) for level in TRUNK_LEVELS])
        # The wall in front is smoother than the spine's curves.
        smooth = np.convolve(np.pad(self.fronts[:, 1], 4, mode="edge"), np.hanning(11)[1:-1], mode="valid")
        self._wallFronts = smooth / np.hanning(11).sum()
        self.breath = random.uniform(-0.8, 0.7)  # levels by which the diaphragm stands lower

    def levelAt(self, z: Array) -> Array:
        """Place along the spine (T1 = 0) of heights in anatomy mm; above T1 and below S1 it goes on evenly."""
        heights = self.origins[::-1, 2]
        level = np.interp(z, heights, np.arange(S1, -1.0, -1.0))
        above = np.maximum(z - heights[-1], 0) / (heights[-1] - heights[-2])
        below = np.maximum(heights[0] - z, 0) / (heights[1] - heights[0])
        return level - above + below

    def at(self, level: float, left: float, ahead: float) -> Array:
        """A point so many mm to the left and in front of the fronts of the bodies, anatomy mm."""
        below = max(level - S1, 0) * (self.origins[-2, 2] - self.origins[-1, 2])
        places = np.arange(len(TRUNK_LEVELS))
        front = np.array([np.interp(level, places, self.fronts[:, axis]) for axis in range(3)])
        front[2] = np.interp(level, places, self.origins[:, 2]) - below
        return front + self.scale * np.array([left, -ahead, 0.0])

    def cage(self, z: Array) -> tuple[Array, Array, Array, Array]:
        """The inside of the trunk at heights, each shape (n,): middle x and y, half width and half depth, mm."""
        level = self.levelAt(z)
        places = np.arange(len(TRUNK_LEVELS))
        x, y = (np.interp(level, places, self.origins[:, axis]) for axis in (0, 1))
        front = np.interp(level, places, self._wallFronts) - self.depth * np.interp(level, CAGE_LEVELS, CAGE_FRONT)
        back = y + self.scale * np.interp(level, CAGE_LEVELS, CAGE_BACK)
        return x, (front + back) / 2, self.width * np.interp(level, CAGE_LEVELS, CAGE_HALF_WIDTH), (back - front) / 2

    def outline(self, z: Array, neck: Outline, covering: float, plumpness: float) -> Outline:
        """The skin, from the neck's outline into that of the trunk.

        :param z: heights, shape (n,), mm.
        :param neck: middle x and y, half depth and half width at each height, mm.
        :param covering: mm of fat and skin.
        :param plumpness: 0 to 1.
        :return: as ``neck``.
        """
        level = self.levelAt(z)
        x, y, width, depth = self.cage(z)
        belly = max(0.0, 90 * (plumpness - 0.25)) * np.interp(level, (8, 12, 15, 19), (0, 0.8, 1, 0.5))
        shoulder = np.interp(level, (0, 2, 5, 8, 10, 16, 18), (30, 30, 28, 14, 4, 4, 45))
        front = y - depth - WALL_MM - 7 - covering - belly
        back = np.maximum(y + depth + WALL_MM, np.interp(level, np.arange(len(TRUNK_LEVELS)), self.origins[:, 1])
                          + self.scale * np.interp(level, (0, 8, 13, 17, 19), (58, 54, 60, 66, 78))) + covering
        trunk = x, (front + back) / 2, (back - front) / 2, width + WALL_MM + shoulder + covering + 0.4 * belly
        share = np.clip((level - 1) / 2.5, 0, 1)
        return tuple((1 - share) * a + share * b for a, b in zip(neck, trunk, strict=True))

    def cageRadius(self, canvas: Canvas) -> Array:
        """1 on the inner surface of the trunk, less inside; float32 of the canvas' shape."""
        x, y, width, depth = (values.astype(np.float32) for values in self.cage(canvas.axes[2].astype(float)))
        across = (np.abs(canvas.axes[0][:, None] - x) / width) ** np.float32(2.3)
        along = (np.abs(canvas.axes[1][:, None] - y) / depth) ** np.float32(2.3)
        return (across[:, None] + along[None]) ** np.float32(1 / 2.3)

    def onCage(self, z: float, side: int, angle: float, outside: float) -> Array:
        """A point so many mm outside the inner surface.

        :param side: 1 on the left, -1 on the right.
        :param angle: radians; 0 is the back, pi the front.
        """
        x, y, width, depth = (float(value[0]) for value in self.cage(np.array([z])))
        sine, cosine = np.sin(angle), np.cos(angle)
        # On the superellipse that the wall is.
        radius = (abs(sine) ** 2.3 + abs(cosine) ** 2.3) ** (-1 / 2.3)
        return np.array([x + side * (width + outside) * sine * radius, y + (depth + outside) * cosine * radius, z])
