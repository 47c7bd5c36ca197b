"""The shapes of single vertebrae in their local frames.

Local frames: x to the left, y to posterior, z to superior, mm; the origin is the middle of the body (C1: midway between
the two arches; C2: the body below the dens).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from CervicalSpineDetectionLib.Phantom.Morphometry import AtlasSize, Degeneration, VertebraSize
from CervicalSpineDetectionLib.Phantom.Shapes import Bar, Blob, Shape, smoothTube, tube
from CervicalSpineDetectionLib.Spine.Arrays import Array

# Facets of the subaxial joints descend towards posterior by about 45 degrees (Panjabi et al., Spine 1993; 18: 1298).
FACET_SLOPE = 1.0
FORAMEN_RADIUS = 2.9

Solid: TypeAlias = tuple[Sequence[Shape], Sequence[Shape]]  # shapes, less holes


@dataclass(frozen=True)
class Body:
    """A cervical or thoracic vertebral body.

    :param upperWidth: mm, left-right; likewise ``lowerWidth``, and ``depth``, ``height``.
    :param uncus: mm, how far the lateral edges of the upper endplate rise.
    :param lip: mm, how far the anterior edge hangs below the lower endplate.
    :param slope: rise of the endplates per mm towards posterior.
    :param concavity: mm, hollow of each endplate.
    """

    upperWidth: float
    lowerWidth: float
    depth: float
    height: float
    uncus: float
    lip: float
    slope: float
    concavity: float

    def bounds(self) -> tuple[Array, Array]:
        half = np.array([max(self.upperWidth, self.lowerWidth), self.depth, self.height + abs(self.slope) * self.depth])
        half = half / 2
        return -half - [0, 0, self.lip], half + [0, 0, self.uncus]

    def contains(self, x: Array, y: Array, z: Array) -> Array:
        height = np.clip(z / self.height + 0.5, 0, 1)
        waist = 1 - 0.36 * height * (1 - height)
        u = np.abs(x) / ((self.lowerWidth + (self.upperWidth - self.lowerWidth) * height) * waist / 2)
        v = y / (self.depth * (0.5 + 0.5 * waist) / 2)
        # Rounded in front, flat towards the canal.
        outline = u**4 + np.where(v < 0, v * v * np.abs(v), v**6)
        hollow = self.concavity * np.clip(1 - u * u - v * v, 0, 1)
        edge = np.clip((u - 0.55) / 0.45, 0, 1)
        top = self.height / 2 + self.slope * y + self.uncus * edge - hollow
        front = np.clip((-v - 0.3) / 0.7, 0, 1)
        # Below, the lateral edges are bevelled to make room for the uncinate processes of the next body.
        bottom = -self.height / 2 + self.slope * y + 0.5 * self.uncus * edge - self.lip * front + hollow
        return (outline < 1) & (z < top) & (z > bottom)


def subaxialShapes(size: VertebraSize, wear: Degeneration, above: float, level: str,
                   random: np.random.Generator) -> Solid:
    """C3 to C7.

    :param size: the vertebra's ``VertebraSize``.
    :param wear: its ``Degeneration``.
    :param above: mm, distance to the middle of the body above.
    :return: (shapes, holes), lists in the local frame.
    """
    below = size.height / 2 + size.disc + size.height / 2
    seventh = level == "C7"
    shapes: list[Shape]
    shapes = [Body(size.upperWidth, size.lowerWidth, size.depth, size.height, uncus=random.uniform(2.5, 4.5) - seventh,
                   lip=random.uniform(1, 2.8), slope=random.uniform(0.08, 0.2), concavity=random.uniform(0.3, 1.2))]
    shapes += _osteophytes(size, wear, random)
    holes: list[Shape] = []
    gap = 0.2 if wear.fused else random.uniform(0.6, 1.0)
    upper, lower = above / 2 - gap, -below / 2 + gap
    back = size.depth / 2 + size.canalDepth
    for side in (-1, 1):
        wide = size.transverseWidth / 2 * random.normal(1, 0.02)
        pillar = np.array([side * size.pillarOffset, size.depth / 2 + 5.5, 0]) + random.normal(0, 0.4, 3)
        shapes.append(_pillar(pillar, 5.8 * wear.facet, 6.1 * wear.facet, upper, lower, FACET_SLOPE))
        tip = np.array([side * wide, 2 + 5 * seventh, -1.5 + 3 * seventh])
        # Anterior (costal) root with its tubercle, then the posterior root, around the foramen transversarium.
        root = np.array([side * size.upperWidth * 0.40, -1.0, 0.5])
        tubercle = np.array([side * (wide - 2.5), -3.0 + 6 * seventh, -2.5 + 3 * seventh])
        thin = 1.7 if seventh else 2.2
        shapes += tube([root, tubercle], [thin + 1.6, thin - 0.2], (1, 1, 1.5))
        shapes += tube([tubercle, tip], [thin + 0.2, thin + 0.3 + 1.0 * seventh])
        shapes += tube([pillar + [side * 2, -3, 1], tip], [3.2, 2.1 + 1.2 * seventh], (1, 1, 1.2))
        # Pedicle: from the upper half of the body back and out to the pillar.
        shapes.append(Bar([side * size.upperWidth * 0.36, size.depth * 0.3, 1], pillar - [side * 2, 1, -1], 3.6, 3.4,
                          (1, 1, 1.4)))
        foramen = np.array([side * foramenOffset(size), 2.0, 0])
        holes.append(Bar(foramen - [0, 0, 12], foramen + [0, 0, 12], FORAMEN_RADIUS, FORAMEN_RADIUS))
        shapes.append(Bar(pillar + [-side * 1.5, 3, -1.5], [side * 1.5, back + 2.5, -3], 2.5, 3.1, (1, 1, 2.3)))
    shapes += _spinousProcess(size, level, np.array([0, back + 2, -3]), random)
    holes.append(_canal(size))
    return shapes, holes


def thoracicShapes(size: VertebraSize, wear: Degeneration, above: float,
                   random: np.random.Generator) -> Solid:
    """T1 to T12, without ribs. Parameters and result as ``subaxialShapes``."""
    below = size.height + size.disc
    shapes: list[Shape]
    shapes = [Body(size.upperWidth, size.lowerWidth, size.depth, size.height, uncus=0.5, lip=random.uniform(0, 1.2),
                   slope=random.uniform(-0.02, 0.08), concavity=random.uniform(0.3, 1.2))]
    shapes += _osteophytes(size, wear, random)
    back = size.depth / 2 + size.canalDepth
    gap = random.uniform(0.6, 1.0)
    for side in (-1, 1):
        wide = size.transverseWidth / 2 * random.normal(1, 0.02)
        pillar = np.array([side * size.pillarOffset, size.depth / 2 + 10, 0]) + random.normal(0, 0.4, 3)
        # Thoracic facets stand steeper, about 60 to 70 degrees.
        shapes.append(_pillar(pillar, 5.5 * wear.facet, 5.0, above / 2 + 1.5 - gap, -below / 2 - 1.5 + gap, 1.5))
        shapes.append(Bar([side * size.upperWidth * 0.38, size.depth * 0.25, 2], pillar + [0, 0, 1], 3.6, 4.0,
                          (1, 1, 1.6)))
        tip = np.array([side * (wide - 5), size.depth / 2 + 16, 3])
        shapes += tube([pillar + [0, 1, 1], tip], [4.6, 4.6], (1, 1, 1.2))
        shapes.append(Bar(pillar + [-side * 1.5, 3, -2], [side * 2, back + 3, -4], 3.2, 3.6, (1, 1, 2.8)))
    shapes += _spinousProcess(size, "T", np.array([0, back + 2, -5]), random)
    return shapes, [_canal(size)]


def lumbarShapes(size: VertebraSize, wear: Degeneration, above: float,
                 random: np.random.Generator) -> Solid:
    """L1 to L5. Parameters and result as ``subaxialShapes``."""
    below = size.height + size.disc
    shapes: list[Shape]
    shapes = [Body(size.upperWidth, size.lowerWidth, size.depth, size.height, uncus=0.3, lip=random.uniform(0, 1.0),
                   slope=random.uniform(-0.02, 0.04), concavity=random.uniform(0.8, 2.4))]
    shapes += _osteophytes(size, wear, random)
    back = size.depth / 2 + size.canalDepth
    pillarY = size.depth / 2 + 0.75 * size.canalDepth
    gap = random.uniform(0.6, 1.2)
    for side in (-1, 1):
        wide = size.transverseWidth / 2 * random.normal(1, 0.03)
        middle = np.array([side * size.pillarOffset, pillarY, 2.0]) + random.normal(0, 0.4, 3)
        # The upper facets embrace the lower ones of the vertebra above (van Schaik et al., Spine 1985; 10: 276).
        shapes.append(_pillar(middle + [side * 3.5, -1, 0], 5.0 * wear.facet, 6.0, above / 2 - 2 - gap, -4, 0.2))
        shapes.append(_pillar(middle + [-side * 2.0, 3, 0], 4.8 * wear.facet, 6.0, 4, -below / 2 - 6 + gap, 0.2))
        shapes.append(Bar([side * size.upperWidth * 0.34, size.depth * 0.32, size.height * 0.22], middle + [0, -2, 2],
                          0.14 * size.upperWidth, 5.5, (1, 1, 1.35)))
        tip = [side * (wide - 3), size.depth / 2 + 6, 3]
        shapes += tube([middle + [side * 2, -3, 2], [side * (size.pillarOffset + 9), size.depth / 2 + 4, 3], tip],
                       [5.0, 3.4, 3.4], (1, 1, 1.5))
        shapes.append(Bar(middle + [-side * 1.5, 3, -3], [side * 2, back + 3, -7], 3.4, 3.8, (1, 1, 2.6)))
    shapes += _spinousProcess(size, "L", np.array([0, back + 3, -6]), random)
    return shapes, [_canal(size)]


def axisShapes(size: VertebraSize, atlas: AtlasSize, wear: Degeneration,
               random: np.random.Generator) -> Solid:
    """C2. Parameters and result as ``subaxialShapes``; ``atlas`` is the ``AtlasSize``."""
    below = size.height / 2 + size.disc + 7
    shapes: list[Shape]
    shapes = [Body(size.upperWidth, size.lowerWidth, size.depth, size.height, uncus=0.0, lip=random.uniform(2, 3.5),
                   slope=random.uniform(0.02, 0.12), concavity=0.3)]
    base, tip = dens(size, atlas)
    shapes += tube([[0, 0, 0], base, (base + tip) / 2, tip - [0, 0, atlas.densDepth * 0.4]],
                   [atlas.densWidth * 0.62, atlas.densWidth * 0.5, atlas.densWidth * 0.53, atlas.densWidth * 0.42],
                   (1, atlas.densDepth / atlas.densWidth, 1))
    back = size.depth / 2 + size.canalDepth
    holes: list[Shape] = []
    for side in (-1, 1):
        # Superior facet: a shoulder that slopes down laterally.
        mass = np.array([side * 15.5, 4.5, size.height * 0.22]) + random.normal(0, 0.4, 3)
        shapes.append(Blob(mass, np.array([[8.5, 0, 0], [0, 8.5, 0], [-side * 3.2, 0, 6.8]]), 2))
        pillar = np.array([side * size.pillarOffset, size.depth / 2 + 9, -7])
        shapes.append(Bar(mass, pillar, 6, 5.4, (1, 1, 1.1)))
        lower = -below - pillar[2] + random.uniform(0.6, 1.0)
        shapes.append(_pillar(pillar, 6, 5.2, 5, min(lower + 3.0, -6.0), FACET_SLOPE))
        wide = size.transverseWidth / 2 * random.normal(1, 0.02)
        tip = np.array([side * (wide - 2), 7, -6])
        shapes += tube([mass + [0, 0, -3], [side * (wide - 4), 4, -4], tip], [3.2, 2.2, 2.2])
        shapes += tube([pillar, tip], [3.2, 2.0])
        foramen = np.array([side * 20.5, 5.5, -2])
        holes.append(Bar(foramen + [-side * 2, 1, -10], foramen + [side * 3, 0, 6], 2.4, 2.4))
        shapes.append(Bar(pillar + [-side * 1, 2, 2], [side * 2, back + 3, -4], 3.2, 3.6, (1, 1, 1.9)))
    shapes += _spinousProcess(size, "C2", np.array([0, back + 3, -5]), random)
    shapes += _osteophytes(size, wear, random)
    holes.append(_canal(size))
    return shapes, holes


def foramenOffset(size: VertebraSize) -> float:
    """From the midline to the middle of a transverse foramen, C3 to C7, mm."""
    return size.upperWidth / 2 + 4.2


def dens(size: VertebraSize, atlas: AtlasSize) -> tuple[Array, Array]:
    """Base and tip of the dens in C2's frame, each of shape (3,), mm."""
    base = np.array([0, -0.5, size.height / 2])
    return base, base + [0, 1.0, atlas.densHeight]


def atlasShapes(atlas: AtlasSize, random: np.random.Generator) -> Solid:
    """C1. :return: (shapes, holes) as ``subaxialShapes``."""
    front, back = -atlas.depth / 2, atlas.depth / 2
    mass = np.array([atlas.massOffset, -5.0, 0.0])
    shapes: list[Shape] = []
    holes: list[Shape] = []
    archHeight = random.uniform(1.6, 2.1)
    thickness = 3.0
    ring = []
    for side in (-1, 1):
        middle = mass * [side, 1, 1] + random.normal(0, 0.4, 3)
        half = atlas.massHeight / 2
        # Both facets slope inwards: the mass is a wedge, taller laterally; the upper facet is a cup.
        shapes.append(Blob(middle, np.array([[7.5, 2.0 * side, 0], [-2.0 * side, 9.5, 0], [0.5 * side, 0, half]]), 2))
        shapes.append(Blob(middle + [side * 4.5, 1, 0.5], (5.5, 8.5, half + 1.0), 2))
        tip = np.array([side * (atlas.width / 2 * random.normal(1, 0.02) - 3.5), 0.5, -1])
        shapes += tube([middle + [side * 4, -5, 0], tip], [2.4, 3.2], (1, 1, 1.2))
        shapes += tube([middle + [side * 4, 6, 0], tip], [2.8, 3.4], (1, 1, 1.2))
        foramen = np.array([side * (atlas.massOffset + 9.5), -0.3, 0])
        holes.append(Bar(foramen - [0, 0, 12], foramen + [0, 0, 12], FORAMEN_RADIUS, FORAMEN_RADIUS))
        ring.append(middle)
    shapes += smoothTube([ring[0] + [3, -6, 0], [-10, front + 4.5, 0.5], [0, front + thickness, 1],
                          [10, front + 4.5, 0.5], ring[1] + [-3, -6, 0]], thickness, (1, 1, archHeight))
    shapes.append(Blob(np.array([0, front + 2.8, 0]), (4.5, 2.8, 5.5)))
    shapes += smoothTube([ring[0] + [0, 6, 0], [-19.5, back * 0.45, 0], [-11, back - 7, 0], [0, back - 3, 0],
                          [11, back - 7, 0], [19.5, back * 0.45, 0], ring[1] + [0, 6, 0]],
                         [3.5, 2.7, 2.8, 3.2, 2.8, 2.7, 3.5], (1, 1, random.uniform(1.4, 2.0)))
    shapes.append(Blob(np.array([0, back - 3, -0.5]), (6, 3, 6)))
    return shapes, holes


def atlasInnerFront(atlas: AtlasSize) -> float:
    """y of the back of the anterior arch in C1's frame, mm."""
    return -atlas.depth / 2 + 6.0


def canalMiddle(size: VertebraSize) -> Array:
    """Middle of the vertebral foramen in the local frame, shape (3,), mm."""
    return np.array([0, size.depth / 2 + size.canalDepth / 2, 0])


def _canal(size: VertebraSize) -> Bar:
    middle = canalMiddle(size)
    radius = size.canalDepth / 2 - 0.3
    return Bar(middle - [0, 0, 8], middle + [0, 0, 8], radius, radius, (size.canalWidth / size.canalDepth, 1, 1))


def _pillar(middle: Array, halfWidth: float, halfDepth: float, upper: float, lower: float, slope: float) -> Blob:
    """Articular pillar: a block between two facets that descend towards posterior."""
    centre = middle + [0, 0, (upper + lower) / 2]
    # A superellipsoid falls short of its corners: 6 % more height brings the facets to their places.
    axes = np.array([[halfWidth, 0, 0], [0, halfDepth, 0], [0, -slope * halfDepth, (upper - lower) / 2 * 1.06]])
    return Blob(centre, axes, 2)


def _spinousProcess(size: VertebraSize, level: str, root: Array, random: np.random.Generator) -> list[Bar]:
    drop = np.tan(np.radians(size.spinousDrop))
    # A stream of its own: all else of the phantoms stays as it was. The tips of bifid processes are often far apart and
    # differ in length (Duray et al. 1999, J Forensic Sci 44(5):937-944).
    own = random.spawn(1)[0]
    reach = (size.spinousReach - 2) * own.uniform(0.9, 1.2)
    end = np.array([random.normal(0, 1.0), root[1] + reach, root[2] - reach * drop])
    middle = (root + end) / 2 + [0, 0, 0.05 * reach]
    if level in ("C2", "C3", "C4", "C5", "C6"):
        fork = random.uniform(1.0, 4.0) * (0.5 if level == "C6" else 1.0) * own.uniform(1.0, 1.7)
        height = 2.3 if level == "C2" else 1.95
        end = end - [0, 2.2, 0]
        shapes = tube([root, middle], [3.0, 2.4], (1, 1, height))
        for side in (-1, 1):
            spread = np.array([side * fork, random.uniform(-1, 1) + own.uniform(-3, 2), random.uniform(-1.5, 0.5)])
            shapes += tube([middle, end + spread], [2.3, 2.2], (1, 1, height * 0.85))
        return shapes
    if level == "L":
        return tube([root, middle, end - [0, 3, 0]], (3.2, 3.0, 3.6), (1, 1, 3.2))
    thick = (3.1, 2.7, 3.4)
    return tube([root, middle, end - [0, 3, 0]], thick, (1, 1, 1.9))


def _osteophytes(size: VertebraSize, wear: Degeneration, random: np.random.Generator) -> list[Blob]:
    """Beaks at the front and back margins of the endplates, towards the discs."""
    shapes = []
    if wear.osteophyte < 0.7:
        return shapes
    for top, front in ((1, -1), (-1, -1), (1, 1), (-1, 1)):
        growth = wear.osteophyte * random.uniform(0.3, 1.2) * (1 if front < 0 else 0.5)
        width = (size.upperWidth if top > 0 else size.lowerWidth) * random.uniform(0.25, 0.45)
        margin = np.array([random.normal(0, 2), front * (size.depth / 2 - 1.0), top * (size.height / 2 - 1.2)])
        shapes.append(Blob(margin, (width, 1.6 + growth, 2.0 + 0.35 * growth)))
    return shapes
