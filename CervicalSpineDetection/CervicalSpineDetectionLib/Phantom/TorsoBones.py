"""Bones of chest and pelvis: ribs and sternum, sacrum and hip bones.

Sizes are those of textbooks for adults of middle size (Gray's Anatomy, 41st ed. 2016, ch. 53 to 61) in the places that
axial CT shows them at. Places are those of ``Torso``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from CervicalSpineDetectionLib.Phantom import Tissues
from CervicalSpineDetectionLib.Phantom.Flesh import FLESH
from CervicalSpineDetectionLib.Phantom.Shapes import (
    Bar,
    Blob,
    Canvas,
    Frame,
    Shape,
    Wobble,
    randomWobble,
    rotation,
    smoothTube,
    tube,
)
from CervicalSpineDetectionLib.Phantom.Torso import Torso
from CervicalSpineDetectionLib.Spine.Arrays import Array

# How far each rib descends from its head to its end, and how far around it reaches (0: back, 180: front).
RIB_DROP = (36, 50, 62, 72, 80, 86, 90, 90, 84, 74, 52, 32)
RIB_END = (138, 143, 146, 148, 148, 147, 144, 134, 124, 114, 92, 62)


def fillBones(torso: Torso, canvas: Canvas, random: np.random.Generator, keep: Sequence[int] = (),
              firstRib: int = 1) -> None:
    """Ribs, sternum, sacrum and hip bones.

    :param firstRib: number of the first one; with the first comes the sternum.
    :param keep: codes that are not overwritten.
    """
    wobble = randomWobble(random, 0.4, 16)
    keep = (*keep, Tissues.AIR, Tissues.SKIN)
    bones, cartilage = ribs(torso, random, firstRib)
    canvas.fill(cartilage, Tissues.DISC, keep=keep, wobble=wobble)
    canvas.fill(bones, Tissues.BONE, keep=keep, wobble=wobble)
    _fillSacrum(torso, canvas, random, keep, wobble)
    _fillHips(torso, canvas, keep, wobble)


def ribs(torso: Torso, random: np.random.Generator, firstRib: int) -> tuple[list[Bar], list[Bar]]:
    """Ribs to the twelfth and sternum; and the cartilages between. Anatomy mm."""
    bones: list[Bar] = []
    cartilage: list[Bar] = []
    notch = torso.at(1.4, 0, 50)[2]
    sternumX, sternum = torso.origins[:4, 0].mean(), []
    for z in np.linspace(notch - 5, torso.at(8.2, 0, 0)[2], 7):
        _, middle, _, depth = (float(value[0]) for value in torso.cage(np.array([z])))
        sternum.append([sternumX, middle - depth - 6, z])
    if firstRib == 1:
        bones += smoothTube(np.array(sternum), [6, 6, 5, 5.5, 5.5, 4.5, 3], (3.2, 1, 1), 2)
    shortLast = random.uniform(0.5, 1.1)
    for number, (usualDrop, usualEnd) in enumerate(zip(RIB_DROP, RIB_END, strict=True), 1):
        if number < firstRib:
            continue
        level = f"T{number}"
        size = torso.spine.sizes[level]
        end = usualEnd * (shortLast if number == 12 else 1) + random.normal(0, 2)
        drop = usualDrop * torso.scale * np.clip(random.normal(1, 0.06), 0.8, 1.2)
        between = 2 <= number <= 10
        for side in (-1, 1):
            head = [side * (size.upperWidth / 2 + 1.5), size.depth * 0.3, size.height * (0.45 if between else 0.2)]
            tubercle = [side * size.transverseWidth * 0.40, size.depth / 2 + 7, 4]
            neck = [side * size.transverseWidth * 0.56, size.depth / 2 + 13, 2]
            points = list(torso.spine.point(level, [head, tubercle, neck]))
            start = points[-1]
            first = np.degrees(np.arcsin(np.clip(abs(start[0] - torso.origins[number - 1, 0]) / 126, 0, 0.6))) + 6
            for part in np.linspace(0, 1, 9)[1:]:
                angle = np.radians(first + (end - first) * part)
                z = start[2] - drop * (0.35 * part + 0.65 * part**1.4)
                points.append(torso.onCage(z, side, angle, 4.5))
            radii = np.interp(np.arange(len(points)), [0, 2, 5, len(points) - 1], [3.6, 3.4, 4.6, 4.4])
            flat = (1.0, 1.0, 0.8) if number == 1 else (0.9, 0.9, 1.35)
            bones += smoothTube(np.array(points) + random.normal(0, 0.4, (len(points), 3)), radii, flat, 3)
            if number <= 10:
                rest = 1 if number <= 7 else 0.5
                goal = np.array(sternum[min(number - 1, 5)]) + [side * 13, 0, 0]
                way = points[-1] + rest * (goal - points[-1])
                cartilage += smoothTube([points[-1], (points[-1] + way) / 2 - [0, 5, 4], way], 4.6, (1, 1, 1.3), 2)
    return bones, cartilage


def _fillSacrum(torso: Torso, canvas: Canvas, random: np.random.Generator, keep: Sequence[int],
                wobble: Wobble) -> None:
    """The five sacral vertebrae, grown together, and their canal."""
    scale = torso.scale
    frame = torso.spine.frames["S1"]
    bones: list[Shape] = []
    canal = [torso.spine.canal("L5")]
    widths, depths, heights = (50, 41, 33, 27, 20), (30, 22, 16, 12, 9), (29, 25, 21, 18, 15)
    place, turn = np.zeros(3), np.eye(3)
    curve = random.uniform(8, 16)
    for number, (width, depth, height) in enumerate(zip(widths, depths, heights, strict=True)):
        local = Frame(place, turn)
        bones.append(Blob(place, scale * turn @ np.diag([width / 2, depth / 2, height / 2 + 0.5]), 3))
        core = local.toWorld(np.array([0, 1, -height]) * scale)
        bones.append(Bar(place, core, 0.4 * depth * scale, 0.32 * depth * scale, (1.4, 1, 1)))
        ala = np.array([52, 49, 42, 34, 24])[number]
        for side in (-1, 1):
            bones.append(Bar(place, local.toWorld(np.array([side * (ala - 10), 9, -3]) * scale), 9 * scale,
                             11 * scale * (1 - 0.12 * number), (1, 1, 1.25)))
            bones.append(Bar(local.toWorld(np.array([side * 15, depth / 2 + 12, -2]) * scale),
                             local.toWorld(np.array([side * 3, depth / 2 + 20, -6]) * scale), 3 * scale, 3 * scale,
                             (1, 1, 3.2)))
            bones.append(Bar(local.toWorld(np.array([side * 17, depth / 2 - 2, 0]) * scale),
                             local.toWorld(np.array([side * 15, depth / 2 + 13, -2]) * scale), 5 * scale, 4 * scale,
                             (1, 1, 2)))
        if number < 3:
            bones.append(Bar(local.toWorld(np.array([0, depth / 2 + 20, -4]) * scale),
                             local.toWorld(np.array([0, depth / 2 + 28 - 4 * number, -9]) * scale), 3 * scale,
                             2.5 * scale, (1, 1, 2.4)))
        canal.append(frame.toWorld(local.toWorld(np.array([0, depth / 2 + 9, 0]) * scale)))
        place = local.toWorld([0, 0, -(height / 2 + 1) * scale])
        turn = turn @ rotation(np.radians(curve))
        below = heights[min(number + 1, 4)] / 2
        place = place - turn[:, 2] * below * scale
    canvas.fill(bones, Tissues.BONE, frame, keep=keep, wobble=wobble)
    canvas.fill(smoothTube(np.array(canal), np.array([9, 8.5, 7, 5, 3, 2]) * scale, (1.5, 1, 1)),
                Tissues.SPINAL_CANAL, over=(*FLESH, Tissues.BONE))


def _fillHips(torso: Torso, canvas: Canvas, keep: Sequence[int], wobble: Wobble) -> None:
    """Hip bones and the heads of the femurs."""
    scale, origin = torso.scale, torso.spine.frames["S1"].origin
    hips: list[Shape] = []
    for side in (-1, 1):
        def point(x: float, y: float, z: float, side: int = side) -> Array:
            return origin + scale * np.array([side * x, y, z])

        socket = point(89, -28, -92)
        crest = [point(44, 52, -22), point(58, 48, 14), point(88, 26, 44), point(118, -12, 46), point(124, -48, 26),
                 point(118, -66, 0)]
        hips += smoothTube(np.array(crest), np.array([7, 7, 6, 6, 6.5, 6]) * scale)
        for start in crest[1:]:
            hips += tube([start, (start + socket) / 2 + scale * np.array([side * 4, 4, 0]), socket],
                         np.array([4, 3.5, 7]) * scale, (1, 2.6, 1.6))
        hips += tube([point(52, 40, -8), point(60, 30, -50), point(84, -6, -76)], np.array([9, 9, 12]) * scale)
        hips += [Blob(socket, np.array([33, 33, 33]) * scale)]
        hips += smoothTube(np.array([point(88, -48, -90), point(50, -78, -84), point(8, -84, -104)]), 8 * scale)
        hips += smoothTube(np.array([point(84, -8, -110), point(66, 6, -140), point(40, -40, -138),
                                     point(9, -78, -112)]), np.array([12, 13, 7, 7]) * scale)
    canvas.fill(hips, Tissues.BONE, keep=keep, wobble=wobble)
    for side in (-1, 1):
        socket = origin + scale * np.array([side * 92, -28, -94])
        canvas.fill([Blob(socket, np.array([27, 27, 27]) * scale)], Tissues.SOFT_TISSUE, over=(Tissues.BONE,))
        canvas.fill([Blob(socket, np.array([24, 24, 24]) * scale),
                     *tube([socket, socket + scale * np.array([side * 40, 6, -32])], 14 * scale)], Tissues.BONE,
                    keep=keep, wobble=wobble)
