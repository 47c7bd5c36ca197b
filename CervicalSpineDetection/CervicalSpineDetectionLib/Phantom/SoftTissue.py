"""Outline, fat, muscles, airway, vessels, glands, lungs and the table of the made anatomies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from CervicalSpineDetectionLib.Phantom import Tissues, VertebraShapes
from CervicalSpineDetectionLib.Phantom.Flesh import FLESH, fillMuscle, mixFlesh
from CervicalSpineDetectionLib.Phantom.Head import Head
from CervicalSpineDetectionLib.Phantom.Shapes import Bar, Blob, Canvas, randomWobble, smoothTube
from CervicalSpineDetectionLib.Phantom.Spine import NECK_LEVELS, Spine
from CervicalSpineDetectionLib.Phantom.Torso import Outline, Torso
from CervicalSpineDetectionLib.Phantom.TorsoOrgans import fillOrgans
from CervicalSpineDetectionLib.Phantom.Trunk import manubriumTop
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS

NECK = NECK_LEVELS[:14]

# Distance of the skin in front of the body's front and behind its middle, and half width; mm by level.
FRONT = {"C1": 30, "C2": 40, "C3": 46, "C4": 46, "C5": 45, "C6": 46, "C7": 47, "T1": 48, "T2": 60, "T3": 70, "T4": 82,
         "T6": 105}
BACK = {"C1": 56, "C2": 58, "C3": 58, "C4": 60, "C5": 62, "C6": 66, "C7": 70, "T1": 70, "T2": 70, "T3": 68, "T4": 66,
        "T6": 66}
HALF_WIDTH = {"C1": 66, "C2": 64, "C3": 61, "C4": 60, "C5": 61, "C6": 66, "C7": 82, "T1": 125, "T2": 165, "T3": 185,
              "T4": 195, "T6": 200}

# Prevertebral soft tissue: at most 8.5, 6 and 7 mm at C1, C2 and C3, 18 mm at C6 (Rojas et al., AJNR 2009;
# 30: 136-141).
PREVERTEBRAL = {"C1": 6, "C2": 5, "C3": 5, "C4": 6, "C5": 10, "C6": 14, "C7": 15, "T1": 14, "T2": 13, "T3": 12,
                "T4": 11}
AIRWAY_RADIUS = {"C1": 7, "C2": 6.5, "C3": 6.5, "C4": 6, "C5": 5, "C6": 8, "C7": 8.5, "T1": 8.5, "T2": 8.5, "T3": 8.5,
                 "T4": 8.5}
AIRWAY_WIDTH = {"C1": 1.6, "C2": 1.7, "C3": 1.9, "C4": 1.9, "C5": 1.0}

# Posterior and lateral muscles: local x (left), y by level, radius, width over depth.
MUSCLES = (
    ("C2", "T6", 11, (34, 36, 40, 42), 8.4, 1.0),
    ("C1", "T3", 15, (42, 45, 52, 56), 7.8, 1.5),
    ("C2", "T6", 27, (26, 28, 32, 34), 9.4, 1.0),
    ("C2", "T4", 33, (40, 38, 46, 52), 6.5, 1.8),
    ("C1", "T2", 41, (14, 16, 22, 34), 8.5, 1.0),
    ("C3", "T1", 33, (0, 0, -4, -8), 7.5, 1.0),
)


def fill(canvas: Canvas, spine: Spine, head: Head, random: np.random.Generator, torso: Torso | None = None) -> None:
    """Everything but bones, discs and teeth.

    :param torso: the placed ``Torso``; None where the canvas holds a neck and the tops of the lungs only.
    """
    scale = spine.individual.scale
    plumpness = random.beta(1.5, 2.5)
    girth = scale * (0.94 + 0.16 * plumpness)
    skin, fat = random.uniform(1.5, 2.5), 3 + 11 * plumpness
    outline = _neckOutline(canvas, spine, girth, random)
    if torso:
        outline = torso.outline(canvas.axes[2].astype(float), outline, skin + fat, plumpness)
    wobble = randomWobble(random, 1.2, 60)
    for code, inset in ((Tissues.SKIN, 0.0), (Tissues.FAT, skin), (Tissues.SOFT_TISSUE, skin + fat)):
        fillSlices(canvas, outline, code, inset)
        # The scalp and the face carry less fat.
        canvas.fill(head.outline(min(inset, skin + 0.5 * fat)), code, head.frame, wobble=wobble,
                    keep=() if code == Tissues.SKIN else (Tissues.AIR,))
    mixFlesh(canvas, random)
    if torso:
        fillOrgans(torso, canvas, random)
    else:
        _fillLungs(canvas, spine, random)
    _fillMuscles(canvas, spine, head, random)
    _fillVessels(canvas, spine, head, random)
    head.fillSoft(canvas, random)
    _fillThroat(canvas, spine, head, random)
    levels = SPINE_LEVELS if torso else NECK_LEVELS
    canal = [head.world([0, 17, 4])] + [spine.canal(level) for level in levels]
    depth = np.mean([size.canalDepth for size in (spine.sizes[level] for level in NECK_LEVELS[1:])]) / 2
    canvas.fill(smoothTube(canal, [15] + [13.5] + [depth + 1.5] * (len(canal) - 2), (1.5, 1, 1)), Tissues.SPINAL_CANAL,
                over=FLESH)
    _fillTable(canvas, head, random)


def _neckOutline(canvas: Canvas, spine: Spine, girth: float, random: np.random.Generator) -> Outline:
    """Per slice: middle x and y, half depth and half width, mm, each of shape (nz,)."""
    levels = list(FRONT)
    heights = np.array([spine.frames[level].origin[2] for level in levels])
    middle = np.array([spine.frames[level].origin[1] for level in levels])
    front = np.array([spine.front(level)[1] for level in levels]) - girth * np.array(list(FRONT.values()))
    back = middle + girth * np.array(list(BACK.values()))
    # Shoulders pulled up or down.
    shoulders = random.uniform(-18, 18)
    width = girth * np.interp(heights + shoulders, heights[::-1], np.array(list(HALF_WIDTH.values()))[::-1])
    z = canvas.axes[2]
    order = np.argsort(heights)
    front, back, width = (_smooth(np.interp(z, heights[order], values[order]), canvas.spacing)
                          for values in (front, back, width))
    # Above C1 the neck closes as a dome inside the head.
    dome = np.sqrt(np.clip(1 - (np.maximum(z - spine.frames["C1"].origin[2], 0) / 34) ** 2, 0, 1))
    return np.zeros(len(z)), (front + back) / 2, dome * (back - front) / 2, dome * width


def _smooth(values: Array, spacing: float) -> Array:
    width = 2 * int(8 / spacing) + 1
    kernel = np.hanning(width + 2)[1:-1]
    return np.convolve(np.pad(values, width // 2, mode="edge"), kernel / kernel.sum(), mode="valid")


def fillSlices(canvas: Canvas, outline: Outline, code: int, inset: float, over: Sequence[int] | None = None) -> None:
    """Fill the outline of a body less a rim. :param over: codes that may be overwritten; all where None."""
    side, middle, depth, width = outline
    x = np.abs(canvas.axes[0][:, None] - side) / np.maximum(width - inset, 1e-3)
    y = np.abs(canvas.axes[1][:, None] - middle) / np.maximum(depth - inset, 1e-3)
    across, along = ((v**2.3).astype(np.float32) for v in (x, y))
    inside = across[:, None, :] + along[None] < 1
    canvas.tissues[inside if over is None else inside & np.isin(canvas.tissues, over)] = code


def _course(spine: Spine, levels: Sequence[str], x: Iterable[float], y: Iterable[float],
            random: np.random.Generator) -> Array:
    """Points at local (x, y) of the levels, one pair a level, with slight scatter."""
    points = [spine.point(level, [a, b, 0]) for level, a, b in zip(levels, x, y, strict=True)]
    return np.array(points) + random.normal(0, 1.0, (len(points), 3)) * [1, 1, 0]


def _fillMuscles(canvas: Canvas, spine: Spine, head: Head, random: np.random.Generator) -> None:
    scale = spine.individual.scale
    strength = random.uniform(0.85, 1.2)
    wobble = randomWobble(random, 0.7, 25)
    trapezius = []
    for side in (-1, 1):
        for first, last, x, y, radius, flat in MUSCLES:
            levels = NECK[NECK.index(first) : NECK.index(last) + 1]
            depth = np.interp(np.linspace(0, 1, len(levels)), [0, 0.4, 0.75, 1], y) * scale
            points = _course(spine, levels, [side * x * scale] * len(levels), depth, random)
            if first == "C1":
                # From the skull.
                points[0] = head.world([side * min(x, 32), max(y[0] + 12, 30), -8])
            fillMuscle(canvas, points, radius * strength * scale, (flat, 1, 1), wobble)
        levels = NECK[2:]
        spread = np.interp(range(len(levels)), [0, 4, 6, 8, 11], [12, 26, 48, 60, 45]) * side * scale
        depth = np.interp(range(len(levels)), [0, 3, 6, 11], [50, 50, 56, 60]) * scale
        trapezius.append(_course(spine, levels, spread, depth, random))
        levels = NECK[:10]
        points = _course(spine, levels, [side * 8.5 * scale] * 10,
                         [-23 if level == "C1" else -spine.sizes[level].depth / 2 - 2 for level in levels], random)
        fillMuscle(canvas, points, 3.2, (1.6, 1, 1), wobble, fat=0.6)
        mastoid, notch = head.world([side * 56, 14, -12]), manubriumTop(spine)
        middle = (mastoid + notch) / 2 + [side * 14, -4, 4]
        points = np.array([mastoid, middle, notch + [side * 14, -4, 6]])
        fillMuscle(canvas, points, np.array([8, 8.5, 5.5]) * strength * scale, (0.9, 1.3, 1), wobble)
    for points in trapezius:
        fillMuscle(canvas, points, 4.5 * strength, (4, 1, 1), wobble, fat=1.5)


def _fillVessels(canvas: Canvas, spine: Spine, head: Head, random: np.random.Generator) -> None:
    scale = spine.individual.scale
    for side in (-1, 1):
        levels = NECK[:10]
        front = [0 if level == "C1" else -spine.sizes[level].depth / 2 for level in levels]
        for x, ahead, radius in ((24, 9, 3.2), (31, 5, random.uniform(4, 7.5))):
            y = np.array(front) - ahead - np.array([8 if level == "C1" else 0 for level in levels])
            points = _course(spine, levels, [side * x * scale] * 10, y, random)
            canvas.fill(smoothTube(points, radius * scale, pieces=2), Tissues.VESSEL, over=FLESH)
        # The vertebral artery enters the transverse foramen of C6, leaves C1's and bends into the foramen magnum.
        course = [spine.point("T1", [side * 22, -18, 0]), spine.point("C7", [side * 20, -7, 0])]
        course += [spine.point(level, [side * VertebraShapes.foramenOffset(spine.sizes[level]), 2, 0])
                   for level in ("C6", "C5", "C4", "C3")]
        offset = spine.individual.atlas.massOffset
        course += [spine.point("C2", [side * 20.5, 5.5, -2]), spine.point("C1", [side * (offset + 9.5), -0.3, 0]),
                   spine.point("C1", [side * (offset + 2), 10, 9]), head.world([side * 5, 10, 4])]
        canvas.fill(smoothTube(course, random.uniform(1.6, 2.5)), Tissues.VESSEL, over=FLESH)


def _fillThroat(canvas: Canvas, spine: Spine, head: Head, random: np.random.Generator) -> None:
    scale = spine.individual.scale
    swollen = random.uniform(0.75, 1.25)
    levels = list(PREVERTEBRAL)
    radii = np.array([AIRWAY_RADIUS[level] for level in levels]) * scale * random.uniform(0.8, 1.2)
    radii *= random.normal(1, 0.12, len(levels)).clip(0.7, 1.3)
    gap = np.array(list(PREVERTEBRAL.values())) * swollen
    front = np.array([spine.front(level) for level in levels])
    # The trachea follows the chest less than the spine does and stays near the midline.
    points = front + np.stack([random.normal(0, 1.2, len(levels)), -gap - radii, np.zeros(len(levels))], axis=1)
    width = [AIRWAY_WIDTH.get(level, 1.05) for level in levels]
    nasopharynx = head.world([[0, -30, 8], [0, -24, -4]])
    course = np.concatenate([nasopharynx, points])
    allRadii, allWidth = np.concatenate([[7, 7], radii]), [1.3, 1.5, *width]
    larynx = points[4]
    canvas.fill([Blob(larynx + [0, -4, -6], (19 * scale, 18 * scale, 24 * scale), 1)], Tissues.SOFT_TISSUE, over=FLESH)
    _fillThyroid(canvas, points, scale, random)
    for i in range(len(course) - 1):
        canvas.fill([Bar(course[i], course[i + 1], allRadii[i], allRadii[i + 1], (allWidth[i], 1, 1))], Tissues.AIRWAY,
                    over=(*FLESH, Tissues.THYROID))
    _fillLarynx(canvas, points, scale, random)
    gullet = front[5:] + np.stack([random.normal(-2, 2, 6), -gap[5:] * 0.55, np.zeros(6)], axis=1)
    canvas.fill(smoothTube(gullet, gap[5:] * 0.42, (1.5, 1, 1)), Tissues.MUSCLE, over=FLESH)
    if random.random() < 0.3:
        canvas.fill(smoothTube(gullet[1:4], 1.8, (1.6, 1, 1)), Tissues.AIRWAY, over=FLESH)


def _fillLarynx(canvas: Canvas, points: Array, scale: float, random: np.random.Generator) -> None:
    """Vocal cords, epiglottis, soft palate and, in some, ossified cartilage."""
    cords, fourth, third = points[4], points[3], points[2]
    if random.random() < 0.7:
        canvas.fill([Blob(cords, np.array([12, 12, 2.5]) * scale)], Tissues.SOFT_TISSUE, over=(Tissues.AIRWAY,))
    canvas.fill([Bar(fourth + [0, -3, -6], third + [0, -1, 0], 1.2, 1.2, (5, 1, 1))], Tissues.SOFT_TISSUE,
                over=(Tissues.AIRWAY,))
    if random.random() < 0.6:
        for side in (-1, 1):
            plate = cords + scale * np.array([[side * 17, 6, 8], [side * 12, -12, 2], [0, -21, 4]])
            canvas.fill(smoothTube(plate, 1.1, (1, 1, random.uniform(3, 9))), Tissues.BONE, over=FLESH)
        ring = points[5] + scale * np.array([[-11, -6, 4], [0, 9, 6], [11, -6, 4]])
        canvas.fill(smoothTube(ring, 1.5, (1, 1, 3)), Tissues.BONE, over=FLESH)


def _fillThyroid(canvas: Canvas, points: Array, scale: float, random: np.random.Generator) -> None:
    trachea = points[6]
    size = scale * random.uniform(0.8, 1.35)
    lobes = [Blob(trachea + [side * 15, -2, 4], (7 * size, 8 * size, 19 * size)) for side in (-1, 1)]
    canvas.fill([*lobes, Blob(trachea + [0, -11, -2], (12, 3 * size, 7))], Tissues.THYROID, over=FLESH)


def _fillLungs(canvas: Canvas, spine: Spine, random: np.random.Generator) -> None:
    apex = random.uniform(-14, 6)
    lungs = []
    for side in (-1, 1):
        middle = spine.point("T4", [side * 58, -12, -12 + apex])
        lungs.append(Blob(middle, spine.individual.scale * np.array([40, 52, 58]), 1))
    canvas.fill(lungs, Tissues.LUNG, over=FLESH, wobble=randomWobble(random, 1.0, 40))


def _fillTable(canvas: Canvas, head: Head, random: np.random.Generator) -> None:
    """A table top, flat or hollow-ground, solid or of two skins, and in some a head rest."""
    if random.random() < 0.15:
        return
    body = np.flatnonzero(canvas.tissues.any(axis=(0, 2)))[-1]
    plane = canvas.axes[1][body] + random.uniform(0, 6)
    if random.random() < 0.4:
        depth = random.uniform(20, 60)
        rest = np.array([0, plane - depth / 2, head.world([0, 0, 25])[2]])
        canvas.fill([Blob(rest, (random.uniform(50, 90), depth / 2, random.uniform(35, 70)), 2)], Tissues.TABLE,
                    over=(Tissues.AIR,))
    thickness = random.uniform(4, 10)
    bend = random.uniform(0, 0.002) if random.random() < 0.5 else 0.0
    below = (canvas.axes[1][None] - plane + bend * canvas.axes[0][:, None] ** 2) / thickness
    slab = (below > 0) & (below < 1)
    if random.random() < 0.4:
        slab &= (below < 0.25) | (below > 0.75)
    canvas.tissues[(canvas.tissues == Tissues.AIR) & slab[:, :, None]] = Tissues.TABLE
