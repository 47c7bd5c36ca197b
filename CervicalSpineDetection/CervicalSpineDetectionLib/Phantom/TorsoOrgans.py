"""Soft parts of chest, abdomen and pelvis: wall, lungs, heart, great vessels, organs, muscles.

Sizes are those of textbooks for adults of middle size (Gray's Anatomy, 41st ed. 2016, ch. 53 to 61) in the places that
axial CT shows them at. Places are those of ``Torso``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from CervicalSpineDetectionLib.Phantom import Tissues
from CervicalSpineDetectionLib.Phantom.Flesh import FLESH, fillMuscle, smoothNoise
from CervicalSpineDetectionLib.Phantom.Shapes import Blob, Canvas, randomWobble, smoothTube, tube
from CervicalSpineDetectionLib.Phantom.Torso import S1, TRUNK_LEVELS, WALL_MM, Torso
from CervicalSpineDetectionLib.Spine.Arrays import Array

SOFT_PARTS = (*FLESH, Tissues.CAVITY)  # what muscles of the trunk may take
# Half width of what lies between the lungs, by the distance behind the front of the bodies.
MEDIASTINUM_BEHIND = (-120, -90, -45, -12, 0, 20, 40, 70)
MEDIASTINUM_HALF_WIDTH = (8, 16, 32, 25, 20, 21, 36, 70)
DIAPHRAGM_DROP_MM = (32.0, 70.0)  # from the dome to the wall in front and behind


def fillOrgans(torso: Torso, canvas: Canvas, random: np.random.Generator) -> None:
    """Wall, lungs, heart, vessels, organs and muscles, where there is flesh so far."""
    inside = torso.cageRadius(canvas)
    canvas.tissues[(canvas.tissues == Tissues.SKIN) & (inside < 1)] = Tissues.FAT
    flesh = np.isin(canvas.tissues, FLESH)
    wall = 1 + WALL_MM / np.maximum(torso.cage(canvas.axes[2])[3], 20)[None, None]
    canvas.tissues[flesh & (inside < wall.astype(np.float32))] = Tissues.MUSCLE
    canvas.tissues[flesh & (inside < 1)] = Tissues.FAT
    level = torso.levelAt(canvas.axes[2].astype(float))
    canvas.tissues[flesh & (inside > wall) & (level > 8)] = Tissues.FAT
    _fillCavities(torso, canvas, inside, flesh)
    _fillBackMuscles(torso, canvas, random)
    _fillAbdomen(torso, canvas, random)
    _fillBowel(canvas, random)
    _fillHeart(torso, canvas, random)


def _fillCavities(torso: Torso, canvas: Canvas, inside: Array, flesh: Array) -> None:
    z = canvas.axes[2].astype(float)
    level = torso.levelAt(z)
    places = np.arange(len(TRUNK_LEVELS))
    front = np.interp(level, places, torso.fronts[:, 1])
    behind = (canvas.axes[1][:, None] - front) / torso.scale
    between = torso.scale * np.interp(behind, MEDIASTINUM_BEHIND, MEDIASTINUM_HALF_WIDTH)
    # The lungs' lower surface: a dome under each, the right one higher.
    middle, depth = torso.cage(z)[1], torso.cage(z)[3]
    back = np.clip((canvas.axes[1][:, None] - middle) / depth / 2 + 0.5, 0, 1)
    drop = DIAPHRAGM_DROP_MM[0] + (DIAPHRAGM_DROP_MM[1] - DIAPHRAGM_DROP_MM[0]) * back
    sideways = canvas.axes[0][:, None] - np.interp(level, places, torso.origins[:, 0])[None]
    dome = torso.at(8.6 + torso.breath, 0, 0)[2] - 8 * (sideways > 0)
    lower = dome[:, None] - (drop * torso.scale)[None] * inside**2.5
    above = z[None, None] > lower
    cavity = flesh & (inside < 1)
    canvas.tissues[cavity & above & (np.abs(sideways)[:, None] > between[None]) & (level < 12)] = Tissues.LUNG
    # The abdominal cavity reaches far back at the sides only.
    furthest = np.interp(np.abs(sideways) / torso.scale, (0, 28, 60, 95), (-3, -3, 28, 45))
    abdomen = behind[None] < furthest[:, None]
    canvas.tissues[cavity & ~above & abdomen & (level > 6) & (inside < 0.97)] = Tissues.CAVITY


def _fillBackMuscles(torso: Torso, canvas: Canvas, random: np.random.Generator) -> None:
    scale, strength = torso.scale, random.uniform(0.85, 1.15)
    wobble = randomWobble(random, 0.7, 30)
    for side in (-1, 1):
        for left, radius in ((20, 13), (43, 11)):
            points, radii = [], []
            for place, name in enumerate(TRUNK_LEVELS[2:], 2):
                behind = 27 + 6 * (place > 11) - 0.12 * left
                depth = torso.spine.sizes[name].depth if name in torso.spine.sizes else 32
                points.append(torso.spine.point(name, [side * left * scale, depth / 2 + behind * scale, 0]))
                radii.append(radius * strength * scale * np.interp(place, [2, 10, 14, S1], [0.75, 0.9, 1.35, 1.0]))
            fillMuscle(canvas, points, radii, (1.35, 1, 1), wobble, over=SOFT_PARTS)
        psoas = [torso.at(*place) for place in ((11.5, side * 23, -15), (13, side * 31, -13), (15, side * 42, -6),
                                               (17, side * 54, 12), (19, side * 62, 35))]
        fillMuscle(canvas, psoas, np.array([4, 10, 15, 17, 14]) * strength * scale, (1, 1, 1), wobble, over=SOFT_PARTS)
        quadratus = [torso.at(*place) for place in ((11.5, side * 48, -36), (14, side * 62, -34),
                                                   (16, side * 78, -30))]
        fillMuscle(canvas, quadratus, np.array([6, 9, 9]) * strength * scale, (1.7, 1, 1), wobble, over=SOFT_PARTS)
        gluteus = [torso.at(*place) for place in ((17, side * 75, -55), (18.5, side * 90, -65),
                                                 (20.5, side * 95, -65))]
        fillMuscle(canvas, gluteus, np.array([16, 30, 34]) * strength * scale, (1.4, 1, 1), wobble, over=SOFT_PARTS)


def _fillAbdomen(torso: Torso, canvas: Canvas, random: np.random.Generator) -> None:
    wobble = randomWobble(random, 2.5, 50)
    scale, over = torso.scale, (Tissues.CAVITY,)
    down = torso.breath

    def blob(place: Sequence[float], axes: Sequence[float], code: int, over: Sequence[int] = over) -> None:
        jitter = random.normal(0, [0.25, 4, 4])
        size = scale * np.array(axes) * np.clip(random.normal(1, 0.1), 0.75, 1.3)
        canvas.fill([Blob(torso.at(*(np.array(place) + jitter)), size)], code, over=over, wobble=wobble)

    blob((10.4 + down, -62, 42), (82, 78, 68), Tissues.LIVER)
    blob((9.6 + down, 5, 62), (60, 42, 34), Tissues.LIVER)
    blob((10.4 + down, 82, 5), (30, 40, 50), Tissues.LIVER)  # the spleen, about as dense
    stomach = (10.8 + down, 42, 62)
    blob(stomach, (38, 36, 46), Tissues.BOWEL)
    if random.random() < 0.7:
        blob((stomach[0], stomach[1], stomach[2] + 20), (26, 14, 28), Tissues.AIRWAY, (Tissues.BOWEL,))
    for side in (-1, 1):
        place = (12.4 + down + 0.3 * (side < 0), side * 58, -8)
        blob(place, (34, 34, 62), Tissues.FAT,
             (*FLESH, Tissues.CAVITY, Tissues.LIVER, Tissues.BOWEL))
        blob(place, (23, 25, 52), Tissues.KIDNEY, (Tissues.FAT, Tissues.CAVITY, Tissues.LIVER))
    blob((20.5, 0, 68), (40, 34, 34), Tissues.BOWEL, (*FLESH, Tissues.CAVITY))  # the bladder


def _fillBowel(canvas: Canvas, random: np.random.Generator) -> None:
    """What is left of the abdominal cavity: loops in fat, some with gas."""
    rest = canvas.tissues == Tissues.CAVITY
    if not rest.any():
        return
    noises = (smoothNoise(canvas, [size] * 3, random) for size in (random.uniform(22, 34), 26))
    loops, gas = (noise / noise.std() for noise in noises)
    canvas.tissues[rest] = Tissues.FAT
    canvas.tissues[rest & (loops > random.uniform(-0.5, 0.4))] = Tissues.BOWEL
    canvas.tissues[rest & (loops > 0.5) & (gas > random.uniform(0.7, 1.6))] = Tissues.AIRWAY


def _fillHeart(torso: Torso, canvas: Canvas, random: np.random.Generator) -> None:
    scale = torso.scale
    wobble = randomWobble(random, 1.5, 45)
    chest = (*FLESH, Tissues.LUNG)
    size = np.clip(random.normal(1, 0.1), 0.8, 1.35) * scale
    heart = torso.at(7.5 + 0.6 * torso.breath, 14 + random.normal(0, 4), 52)
    axes = size * np.array([[44, 0, 14], [-10, 34, 0], [-14, 8, 44]])
    canvas.fill([Blob(heart, axes * 1.1)], Tissues.FAT, over=chest, wobble=wobble)
    canvas.fill([Blob(heart, axes)], Tissues.HEART, over=chest, wobble=wobble)
    sway = random.normal(0, 2)
    aorta = [(5.6, -8, 52), (4.2, -18, 50), (3.2, -4, 36), (3.1, 10, 20), (3.9, 17, 6), (5.5, 17, 4), (8, 14, 10),
             (10.5, 8, 13), (13, 5 + sway, 14), (15.2, 3 + sway, 14)]
    wide = np.clip(random.normal(1, 0.12), 0.8, 1.5)
    tubes = smoothTube([torso.at(*place) for place in aorta],
                       np.array([15, 15, 13, 12, 11.5, 11.5, 11, 10.5, 9, 8]) * wide * scale, pieces=3)
    for side in (-1, 1):
        tubes += smoothTube([torso.at(*place) for place in ((15.2, 3, 14), (16.5, side * 20, 14),
                                                           (18, side * 45, 30))], 5.5 * wide * scale)
    for course, radius in (
        (((1, -20, 28), (4, -24, 38), (6.3, -22, 46)), 8.5),  # superior vena cava
        (((8.2, -20, 30), (11, -18, 20), (15.4, -13, 14)), 10.5),  # inferior vena cava
        (((15.4, -13, 14), (16.5, 16, 10), (18, 40, 24)), 6), (((15.4, -13, 14), (18, -42, 24)), 6),
        (((5.4, 6, 52), (4.6, 10, 40), (4.7, 42, 20)), 11), (((4.8, 4, 42), (5.0, -48, 22)), 9),  # to the lungs
    ):
        tubes += smoothTube([torso.at(*place) for place in course], radius * scale, pieces=3)
    canvas.fill(tubes, Tissues.VESSEL, over=(*chest, Tissues.CAVITY, Tissues.BOWEL, Tissues.LIVER))
    gullet = [torso.at(level, left, 8) for level, left in ((0, 4), (3, 4), (6, 2), (8.5, 8), (9.5, 14))]
    canvas.fill(smoothTube(gullet, 5.5 * scale, (1.5, 1, 1), 2), Tissues.MUSCLE, over=chest)
    fork = torso.at(3.8, 0, 20)
    bronchi = [b for side in (-1, 1) for b in smoothTube([fork, torso.at(4.7, side * 22, 20),
                                                          torso.at(5.3, side * 42, 16)], [8, 6.5, 5])]
    canvas.fill([*tube([torso.at(2.6, 0, 18), fork], 8.5), *bronchi], Tissues.AIRWAY, over=chest)
    branches = []
    for side in (-1, 1):
        for _ in range(16):
            # Branching vessels of the lungs.
            hilum = torso.at(random.uniform(4.6, 6.2), side * 40, random.uniform(10, 30))
            end = torso.at(random.uniform(1, 9), side * random.uniform(35, 110), random.uniform(-30, 80))
            branches += tube([hilum, (hilum + end) / 2 + random.normal(0, 6, 3), end], [3.2, 2.2, 1.0])
    canvas.fill(branches, Tissues.VESSEL, over=(Tissues.LUNG,))
