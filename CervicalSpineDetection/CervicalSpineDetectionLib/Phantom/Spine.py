"""Where the vertebrae of a made anatomy stand: curvature, neck inclination, small turns of single levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from CervicalSpineDetectionLib.Phantom import VertebraShapes
from CervicalSpineDetectionLib.Phantom.Morphometry import Degeneration, Individual, VertebraSize
from CervicalSpineDetectionLib.Phantom.Shapes import Frame, rotation
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS

NECK_LEVELS = SPINE_LEVELS[:15]  # C1 to T8, what the canvas of a neck can hold
SACRAL_SIZE = (30.0, 29.0)  # depth and height of the body of S1, mm
# Degrees by which each lower level is turned against the one above, T9 to S1: the lower half of the thoracic kyphosis,
# which is 40 (20 to 60) degrees in all, and the lumbar lordosis, 60 (40 to 80) to the upper end of the sacrum (Vialle
# et al., J Bone Joint Surg Am 2005; 87: 260-267; Roussouly et al., Spine 2005; 30: 346-353).
LOWER_KYPHOSIS = (4.0, 3.5, 2.5, 1.5)
LORDOSIS = (-2.0, -5.0, -8.0, -12.0, -15.0, -15.0)


@dataclass(frozen=True)
class Spine:
    """A placed spine.

    :param individual: the person's sizes.
    :param sizes: level -> ``VertebraSize``, C2 to L5.
    :param wear: level -> ``Degeneration``, C2 to L5.
    :param frames: level -> ``Frame``, C1 to L5 and S1, in mm with axes left, posterior, superior and C4's body in the
        origin.
    :param headTurn: shape (3, 3), rotation of the head.
    """

    individual: Individual
    sizes: dict[str, VertebraSize]
    wear: dict[str, Degeneration]
    frames: dict[str, Frame]
    headTurn: Array

    def point(self, level: str, local: ArrayLike) -> Array:
        """A point of a level's frame, anatomy mm."""
        return self.frames[level].toWorld(local)

    def front(self, level: str) -> Array:
        """Middle of the front of a vertebra, anatomy mm."""
        if level == "C1":
            return self.point("C1", [0, -self.individual.atlas.depth / 2, 0])
        depth = SACRAL_SIZE[0] * self.individual.scale if level == "S1" else self.sizes[level].depth
        return self.point(level, [0, -depth / 2, 0])

    def canal(self, level: str) -> Array:
        """Middle of a vertebral foramen, anatomy mm."""
        if level == "C1":
            # The back third of the ring belongs to the cord, the front one to the dens (rule of Steel).
            return self.point("C1", [0, 6.5, 0])
        return self.point(level, VertebraShapes.canalMiddle(self.sizes[level]))

    def distanceAbove(self, level: str) -> float:
        """mm between the middles of a body, C3 or lower, and of the one above."""
        upper = SPINE_LEVELS[SPINE_LEVELS.index(level) - 1]
        return float(np.linalg.norm(self.frames[level].origin - self.frames[upper].origin))


def randomSpine(individual: Individual, random: np.random.Generator) -> Spine:
    """Place a person's vertebrae: lordotic, straight or kyphotic, upright or leaning.

    Angles follow the usual radiographic ranges: T1 slope about 25 (10 to 40) degrees, C2-C7 lordosis about 10 to 15
    with a wide scatter including kyphosis (Scheer et al., J Neurosurg Spine 2013; 19: 141-159).
    """
    sizes = individual.sizes
    below = (*SPINE_LEVELS[1:], "S1")
    count, rest = len(NECK_LEVELS) - 1, len(below) - len(NECK_LEVELS) + 1
    flexion = _flexions(random)
    lateral = random.normal(0, 0.9, count)
    twist = random.normal(0, 1.5, count)
    # A stream of its own: the neck of a seed does not depend on what lies below.
    lower = random.spawn(1)[0]
    flexion = np.radians(np.concatenate([flexion, _lowerFlexions(flexion[-1], lower)]))
    lateral = np.radians(np.cumsum(np.concatenate([lateral, lower.normal(0, 0.9, rest)])))
    lateral -= lateral[2]
    twist = np.radians(np.concatenate([twist, lower.normal(0, 1.5, rest)]))
    frames = {}
    position = np.zeros(3)
    for i, level in enumerate(below):
        turn = rotation(flexion[i], lateral[i], twist[i])
        if i:
            previous = frames[below[i - 1]].rotation
            discAxis = previous[:, 2] + turn[:, 2]
            position = position - previous[:, 2] * sizes[below[i - 1]].height / 2
            position = position - discAxis / np.linalg.norm(discAxis) * sizes[below[i - 1]].disc
            height = SACRAL_SIZE[1] * individual.scale if level == "S1" else sizes[level].height
            position = position - turn[:, 2] * height / 2
            slip = (random if i < count else lower).normal(0, 0.4)
            position = position + turn[:, 1] * slip
        frames[level] = Frame(position, turn)
    atlasTurn, headTurn = _upperTurns(flexion[0], frames["C2"].rotation, random)
    frames["C1"] = _atlasFrame(individual, sizes["C2"], frames["C2"], atlasTurn)
    shift = frames["C4"].origin
    frames = {level: Frame(frames[level].origin - shift, frames[level].rotation) for level in frames}
    return Spine(individual, sizes, individual.wear, frames, headTurn)


def _flexions(random: np.random.Generator) -> Array:
    """Degrees for C2 to T8; negative leans forward."""
    slope = np.clip(random.normal(24, 7), 8, 40)
    # A steeper T1 goes with more lordosis, which keeps the head above the chest.
    lordosis = np.clip(0.8 * slope - 6 + random.normal(0, 9), -14, 36)
    seventh = -(slope - random.uniform(2, 6))
    # C2 to C7: where along the neck the curve lies varies.
    along = np.linspace(0, 1, 6) ** random.uniform(0.8, 1.6)
    cervical = seventh + lordosis * (1 - along)
    thoracic = -slope + np.cumsum(random.uniform(0, 1.2) + np.array([0, 1, 2.5, 3.5, 4, 4, 4, 4.0]))
    return np.concatenate([cervical, thoracic]) + random.normal(0, 1.2, 14)


def _lowerFlexions(last: float, random: np.random.Generator) -> Array:
    """Degrees for T9 to L5 and S1.

    :param last: that of T8.
    """
    kyphosis = np.array(LOWER_KYPHOSIS) * np.clip(random.normal(1, 0.5), -0.3, 2.2)
    # Much kyphosis goes with much lordosis.
    turn = last + kyphosis.sum()
    lordosis = np.array(LORDOSIS) * np.clip(random.normal(0.85, 0.2) + 0.012 * turn, 0.3, 1.5)
    return last + np.cumsum(np.concatenate([kyphosis, lordosis])) + random.normal(0, 1.2, len(kyphosis) + len(lordosis))


def _upperTurns(axisFlexion: float, axisTurn: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Rotations of C1 and the head: they level the gaze, each joint within its range."""
    missing = np.degrees(-axisFlexion) + random.normal(0, 9)
    nod = np.radians([np.clip(0.35 * missing + random.normal(-2, 3), -12, 12),
                      np.clip(0.5 * missing + random.normal(0, 3), -14, 18)])
    atlas = axisTurn @ rotation(nod[0], *np.radians(random.normal(0, [1.5, 4])))
    return atlas, atlas @ rotation(nod[1], *np.radians(random.normal(0, [1.5, 1.5])))


def _atlasFrame(individual: Individual, axis: VertebraSize, axisFrame: Frame, turn: Array) -> Frame:
    """C1 about the dens."""
    atlas = individual.atlas
    _, tip = VertebraShapes.dens(axis, atlas)
    densFront = axisFrame.toWorld(tip - [0, atlas.densDepth / 2, 8.0])
    arch = np.array([0, VertebraShapes.atlasInnerFront(atlas), 0.5])
    return Frame(densFront - turn @ (arch + [0, atlas.densGap, 0]), turn)
