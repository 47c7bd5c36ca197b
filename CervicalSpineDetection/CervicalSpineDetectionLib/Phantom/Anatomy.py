"""Random head-and-neck anatomies as tissue maps with exact vertebra labels."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Phantom import SoftTissue, Tissues, VertebraShapes
from CervicalSpineDetectionLib.Phantom.Head import Head
from CervicalSpineDetectionLib.Phantom.Morphometry import randomIndividual
from CervicalSpineDetectionLib.Phantom.Shapes import Blob, Canvas, randomWobble
from CervicalSpineDetectionLib.Phantom.Spine import ALL_LEVELS, LOWER_LEVELS, randomSpine
from CervicalSpineDetectionLib.Phantom.Trunk import ribShapes, shoulderShapes
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, SPINE_LEVELS

SIZE_MM = np.array([200.0, 250.0, 340.0])
TOP_ABOVE_ATLAS_MM = 72.0
VERTEBRA_CODES = range(Tissues.FIRST_VERTEBRA, Tissues.LAST_VERTEBRA + 1)


def makeAnatomy(random, spacing=1.0):
    """A random, anatomically plausible head and neck from the skull base to about T6.

    :param random: ``numpy.random.Generator``; the same state gives the same anatomy bit for bit.
    :param spacing: mm, isotropic.
    :return: ``TissueMap`` of about 200 x 250 x 340 mm with a random origin; C1 to T8 each one connected piece.
    """
    individual = randomIndividual(random)
    spine = randomSpine(individual, random)
    head = Head(spine, random)
    lower = _lowerCorner(spine, individual)
    canvas = Canvas(lower, lower + SIZE_MM, spacing)
    SoftTissue.fill(canvas, spine, head, random)
    wobble = randomWobble(random, 0.35, 14)
    canvas.fill(ribShapes(spine, random) + shoulderShapes(spine, random), Tissues.BONE, wobble=wobble,
                keep=(Tissues.AIR, Tissues.SKIN))
    head.fill(canvas, random)
    _fillDiscs(canvas, spine)
    _fillVertebrae(canvas, spine, random)
    return _tissueMap(canvas, spine, random)


def _lowerCorner(spine, individual):
    top = spine.frames["C1"].origin[2] + TOP_ABOVE_ATLAS_MM * individual.scale
    back = max(spine.point(level, [0, 48, 0])[1] for level in LEVELS[5:])
    return np.array([-SIZE_MM[0] / 2, back + 45 - SIZE_MM[1], top - SIZE_MM[2]])


def _fillDiscs(canvas, spine):
    levels = LEVELS[1:] + LOWER_LEVELS
    for upper, lower in zip(levels, levels[1:], strict=False):
        size = spine.sizes[upper]
        top = spine.point(upper, [0, 0, -size.height / 2])
        bottom = spine.point(lower, [0, 0, spine.sizes[lower].height / 2])
        axes = spine.frames[upper].rotation * [size.lowerWidth * 0.48, size.depth * 0.49, size.disc / 2 + 3]
        canvas.fill([Blob((top + bottom) / 2, axes, 2)], Tissues.DISC)


def _fillVertebrae(canvas, spine, random):
    for level in (*LEVELS[1:], "C1", *LOWER_LEVELS):
        above = spine.distanceAbove(level) if level not in ("C1", "C2") else 0
        size, wear = spine.sizes.get(level), spine.wear.get(level)
        if level == "C1":
            shapes, holes = VertebraShapes.atlasShapes(spine.individual.atlas, random)
        elif level == "C2":
            shapes, holes = VertebraShapes.axisShapes(size, spine.individual.atlas, wear, random)
        elif level.startswith("C"):
            shapes, holes = VertebraShapes.subaxialShapes(size, wear, above, level, random)
        else:
            shapes, holes = VertebraShapes.thoracicShapes(size, wear, above, random)
        code = SPINE_LEVELS.index(level) + Tissues.FIRST_VERTEBRA
        canvas.fillConnected(shapes, holes, code, spine.frames[level], keep=VERTEBRA_CODES,
                             wobble=randomWobble(random, 0.25, 12))


def _tissueMap(canvas, spine, random):
    offset = random.uniform(-300, 300, 3)
    image = sitk.GetImageFromArray(np.ascontiguousarray(canvas.tissues.transpose(2, 1, 0)))
    image.SetSpacing([canvas.spacing] * 3)
    image.SetOrigin((canvas.first + offset).tolist())
    upper = canvas.first + (np.array(canvas.tissues.shape) - 1) * canvas.spacing
    centres = {level: spine.frames[level].origin + offset for level in ALL_LEVELS
               if np.all(spine.frames[level].origin > canvas.first) and np.all(spine.frames[level].origin < upper)}
    return Tissues.TissueMap(image, centres)
