"""Random anatomies from the skull to the pelvis as tissue maps with exact vertebra labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Phantom import SoftTissue, Tissues, VertebraShapes
from CervicalSpineDetectionLib.Phantom.Head import Head
from CervicalSpineDetectionLib.Phantom.Morphometry import Individual, randomIndividual
from CervicalSpineDetectionLib.Phantom.Shapes import Blob, Canvas, randomWobble
from CervicalSpineDetectionLib.Phantom.Spine import NECK_LEVELS, SACRAL_SIZE, Spine, randomSpine
from CervicalSpineDetectionLib.Phantom.Tissues import TissueMap
from CervicalSpineDetectionLib.Phantom.Torso import Torso
from CervicalSpineDetectionLib.Phantom.TorsoBones import fillBones
from CervicalSpineDetectionLib.Phantom.Trunk import ribShapes, shoulderShapes
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, SPINE_LEVELS

SIZE_MM = np.array([200.0, 250.0, 340.0])
TOP_ABOVE_ATLAS_MM = 72.0
BELOW_SACRUM_MM = 150.0  # the upper end of the sacrum
VERTEBRA_CODES = range(Tissues.FIRST_VERTEBRA, Tissues.LAST_VERTEBRA + 1)
# The level in the middle of the canvas. A neck hangs from its head, the whole spine reaches from head to pelvis.
REGIONS = {"neck": "C5", "cervicothoracic": "T3", "chest": "T7", "abdomen": "L1", "pelvis": "L5", "whole": "T9"}


def makeAnatomy(random: np.random.Generator, spacing: float = 1.0, region: str = "neck") -> TissueMap:
    """A random, anatomically plausible part of a body.

    :param random: ``numpy.random.Generator``; the same state gives the same anatomy bit for bit.
    :param spacing: mm, isotropic.
    :param region: one of ``REGIONS``; "neck" reaches from the skull base to about T6.
    :return: ``TissueMap`` of about 200 x 250 x 340 mm, "whole" of twice the height, with a random origin; each vertebra
        one connected piece.
    """
    individual = randomIndividual(random)
    spine = randomSpine(individual, random)
    head = Head(spine, random)
    torso = None if region == "neck" else Torso(spine, random)
    lower, upper = _corners(spine, individual, region)
    canvas = Canvas(lower, upper, spacing)
    SoftTissue.fill(canvas, spine, head, random, torso)
    wobble = randomWobble(random, 0.35, 14)
    bones = shoulderShapes(spine, random) if torso else ribShapes(spine, random) + shoulderShapes(spine, random)
    canvas.fill(bones, Tissues.BONE, wobble=wobble, keep=(Tissues.AIR, Tissues.SKIN))
    if torso:
        fillBones(torso, canvas, random)
    head.fill(canvas, random)
    levels = SPINE_LEVELS if torso else NECK_LEVELS
    _fillDiscs(canvas, spine, (*levels[1:], "S1") if torso else levels[1:])
    _fillVertebrae(canvas, spine, levels, random)
    return _tissueMap(canvas, spine, random)


def _corners(spine: Spine, individual: Individual, region: str) -> tuple[Array, Array]:
    """Lower and upper corner of the canvas, mm."""
    size = SIZE_MM
    side = 0.0
    levels: tuple[str, ...] = LEVELS[5:]
    top = spine.frames["C1"].origin[2] + TOP_ABOVE_ATLAS_MM * individual.scale
    if region == "whole":
        levels = SPINE_LEVELS[5:]
        bottom = spine.frames["S1"].origin[2] - BELOW_SACRUM_MM * individual.scale
        size = np.array([*SIZE_MM[:2], top - bottom])
    elif region != "neck":
        middle = SPINE_LEVELS.index(REGIONS[region])
        levels = SPINE_LEVELS[max(middle - 5, 5) : middle + 6]
        top = spine.frames[REGIONS[region]].origin[2] + SIZE_MM[2] / 2
        side = float(np.mean([spine.frames[level].origin[0] for level in levels]))
    back = max(spine.point(level, [0, 48, 0])[1] for level in levels)
    lower = np.array([side - size[0] / 2, back + 45 - size[1], top - size[2]])
    return lower, lower + size


def _fillDiscs(canvas: Canvas, spine: Spine, levels: Sequence[str]) -> None:
    for upper, lower in zip(levels, levels[1:], strict=False):
        size = spine.sizes[upper]
        height = SACRAL_SIZE[1] * spine.individual.scale if lower == "S1" else spine.sizes[lower].height
        top = spine.point(upper, [0, 0, -size.height / 2])
        bottom = spine.point(lower, [0, 0, height / 2])
        axes = spine.frames[upper].rotation * [size.lowerWidth * 0.48, size.depth * 0.49, size.disc / 2 + 3]
        canvas.fill([Blob((top + bottom) / 2, axes, 2)], Tissues.DISC)


def _fillVertebrae(canvas: Canvas, spine: Spine, levels: Sequence[str], random: np.random.Generator) -> None:
    for level in (*LEVELS[1:], "C1", *levels[len(LEVELS):]):
        shapes, holes = _solidOf(spine, level, random)
        code = SPINE_LEVELS.index(level) + Tissues.FIRST_VERTEBRA
        canvas.fillConnected(shapes, holes, code, spine.frames[level], keep=VERTEBRA_CODES,
                             wobble=randomWobble(random, 0.25, 12))


def _solidOf(spine: Spine, level: str, random: np.random.Generator) -> VertebraShapes.Solid:
    atlas = spine.individual.atlas
    if level == "C1":
        return VertebraShapes.atlasShapes(atlas, random)
    size, wear = spine.sizes[level], spine.wear[level]
    if level == "C2":
        return VertebraShapes.axisShapes(size, atlas, wear, random)
    above = spine.distanceAbove(level)
    if level.startswith("C"):
        return VertebraShapes.subaxialShapes(size, wear, above, level, random)
    if level.startswith("T"):
        return VertebraShapes.thoracicShapes(size, wear, above, random)
    return VertebraShapes.lumbarShapes(size, wear, above, random)


def _tissueMap(canvas: Canvas, spine: Spine, random: np.random.Generator) -> TissueMap:
    offset = random.uniform(-300, 300, 3)
    image = sitk.GetImageFromArray(np.ascontiguousarray(canvas.tissues.transpose(2, 1, 0)))
    image.SetSpacing([canvas.spacing] * 3)
    image.SetOrigin((canvas.first + offset).tolist())
    upper = canvas.first + (np.array(canvas.tissues.shape) - 1) * canvas.spacing
    centres: dict[str, Array] = {
        level: spine.frames[level].origin + offset for level in SPINE_LEVELS
        if np.all(spine.frames[level].origin > canvas.first) and np.all(spine.frames[level].origin < upper)}
    return Tissues.TissueMap(image, centres)
