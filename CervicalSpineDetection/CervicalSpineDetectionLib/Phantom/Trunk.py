"""Ribs and shoulder girdle of the made anatomies, in plain shapes."""

from __future__ import annotations

import numpy as np

from CervicalSpineDetectionLib.Phantom.Shapes import Bar, smoothTube, tube
from CervicalSpineDetectionLib.Phantom.Spine import NECK_LEVELS, Spine
from CervicalSpineDetectionLib.Spine.Arrays import Array

# Courses of the ribs from head to cartilage in the frame of their vertebra (x for the left side, mm).
FIRST_RIB = [(13, 6, 6), (27, 15, 5), (41, 20, 4), (56, 10, -4), (60, -15, -16), (48, -42, -30), (30, -58, -38)]
SECOND_RIB = [(14, 8, 7), (28, 18, 5), (44, 26, 1), (70, 20, -12), (88, -8, -30), (86, -45, -48)]
LOWER_RIB = [(14, 9, 7), (28, 21, 5), (44, 30, 0), (74, 28, -16), (98, 0, -38), (102, -45, -62)]


def ribShapes(spine: Spine, random: np.random.Generator) -> list[Bar]:
    """Ribs 1 to 8 and cervical ribs, anatomy mm."""
    shapes: list[Bar] = []
    scale = spine.individual.scale
    for level in NECK_LEVELS[7:]:
        size = spine.sizes[level]
        course = np.array({"T1": FIRST_RIB, "T2": SECOND_RIB}.get(level, LOWER_RIB), float) * scale
        # The head sits at the upper edge of the body, the tubercle in front of the tip of the transverse process.
        course[0, 0] = size.upperWidth / 2 + 2.0
        course[1] = [size.transverseWidth * 0.37, size.depth / 2 + 6, 5]
        course[2] = [size.transverseWidth * 0.52, size.depth / 2 + 11, 3]
        flat = (1.0, 1.0, 0.8) if level == "T1" else (1.0, 1.0, 1.3)
        for side in (-1, 1):
            points = spine.point(level, course * [side, 1, 1] + random.normal(0, 1.0, course.shape) * [0.5, 0.5, 1])
            shapes += smoothTube(points, [3.6, 3.2, 3.8, 4.2, 4.8, 5.0, 5.0][: len(points)], flat)
    for side, length in zip((-1, 1), spine.individual.cervicalRib, strict=True):
        if length:
            wide = spine.sizes["C7"].transverseWidth / 2
            bend = [(side * (wide - 1), 4, 0), (side * (wide + 0.5 * length), 2, -0.3 * length),
                    (side * (wide + 0.5 * length), -0.6 * length, -0.7 * length)]
            shapes += smoothTube(spine.point("C7", bend), 3.0)
    return shapes


def manubriumTop(spine: Spine) -> Array:
    """Jugular notch in anatomy mm: at the height of T2/T3, about 50 mm in front."""
    return spine.front("T2") + np.array([0, -50, -8]) * spine.individual.scale


def shoulderShapes(spine: Spine, random: np.random.Generator) -> list[Bar]:
    """Clavicles, manubrium and scapulae, anatomy mm."""
    notch = manubriumTop(spine)
    shapes = [Bar(notch + [0, 2, -4], notch + [0, -8, -60], 6, 6, (3.5, 1, 1))]
    rise = random.uniform(0, 22)
    for side in (-1, 1):
        shapes += smoothTube(notch + np.array([[side * 17, -1, 2], [side * 50, -6, 8 + 0.3 * rise],
                                               [side * 85, 16, 12 + 0.8 * rise], [side * 130, 40, 14 + rise]]),
                             [8.5, 6.0, 5.5, 7])
        blade = spine.point("T2", [side * 88, 38, -5 + 0.5 * rise])
        shapes += tube([blade + [0, 0, 25], blade + [side * -10, 14, -60]], [4, 4], (5, 1, 1))
        shapes += tube([blade + [side * -15, 12, 15], blade + [side * 40, -5, 30]], [4.5, 7])
    return shapes
