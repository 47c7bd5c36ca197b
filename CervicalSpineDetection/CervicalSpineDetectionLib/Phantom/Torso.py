"""Chest, abdomen and pelvis of the made anatomies: rib cage, lungs, heart, great vessels, organs, sacrum and hip bones.

Sizes are those of textbooks for adults of middle size (Gray's Anatomy, 41st ed. 2016, ch. 53 to 61) in the places that
axial CT shows them at. Places are given along the spine, in levels from T1 = 0 to L5 = 16, S1 = 17, and as millimetres
to the left and in front of the vertebral bodies.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional

from CervicalSpineDetectionLib.Phantom import Tissues
from CervicalSpineDetectionLib.Phantom.Shapes import Bar, Blob, Frame, randomWobble, rotation, smoothTube, tube
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS

FLESH = (Tissues.SOFT_TISSUE, Tissues.FAT, Tissues.MUSCLE)
TRUNK_LEVELS = (*SPINE_LEVELS[7:], "S1")
S1 = TRUNK_LEVELS.index("S1")

# The inside of chest and abdomen: half width, and how far it reaches in front of the bodies and behind their middles.
CAGE_LEVELS = (-1.0, 0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0, 17.0, 19.0)
CAGE_HALF_WIDTH = (8, 42, 68, 88, 101, 117, 126, 128, 122, 116, 112, 108, 95)
CAGE_FRONT = (14, 24, 40, 54, 68, 92, 108, 113, 108, 98, 88, 90, 100)
CAGE_BACK = (5, 18, 32, 40, 44, 48, 48, 46, 42, 36, 32, 26, 20)
# Half width of what lies between the lungs, by the distance behind the front of the bodies.
MEDIASTINUM_BEHIND = (-120, -90, -45, -12, 0, 20, 40, 70)
MEDIASTINUM_HALF_WIDTH = (8, 16, 32, 25, 20, 21, 36, 70)
WALL_MM = 9.0
DIAPHRAGM_DROP_MM = (32.0, 70.0)  # from the dome to the wall in front and behind

# How far each rib descends from its head to its end, and how far around it reaches (0: back, 180: front).
RIB_DROP = (36, 50, 62, 72, 80, 86, 90, 90, 84, 74, 52, 32)
RIB_END = (138, 143, 146, 148, 148, 147, 144, 134, 124, 114, 92, 62)


class Torso:
    """A placed trunk.

    :param spine: the placed ``Spine``; its frames reach from T1 to S1.
    """

    def __init__(self, spine, random):
        self.spine = spine
        self.scale = spine.individual.scale
        self.width = np.clip(random.normal(1, 0.06), 0.85, 1.15) * self.scale
        self.depth = np.clip(random.normal(1, 0.09), 0.8, 1.25) * self.scale
        frames = [spine.frames[level] for level in TRUNK_LEVELS]
        self._origins = np.array([frame.origin for frame in frames])
        self._fronts = np.array([spine.front(level) for level in TRUNK_LEVELS])
        # The wall in front is smoother than the spine's curves.
        smooth = np.convolve(np.pad(self._fronts[:, 1], 4, mode="edge"), np.hanning(11)[1:-1], mode="valid")
        self._wallFronts = smooth / np.hanning(11).sum()
        self.breath = random.uniform(-0.8, 0.7)  # levels by which the diaphragm stands lower

    def levelAt(self, z):
        """Place along the spine (T1 = 0) of heights in anatomy mm; above T1 and below S1 it goes on evenly."""
        heights = self._origins[::-1, 2]
        level = np.interp(z, heights, np.arange(S1, -1.0, -1.0))
        above = np.maximum(z - heights[-1], 0) / (heights[-1] - heights[-2])
        below = np.maximum(heights[0] - z, 0) / (heights[1] - heights[0])
        return level - above + below

    def at(self, level, left, ahead):
        """A point so many mm to the left and in front of the fronts of the bodies, anatomy mm."""
        below = max(level - S1, 0) * (self._origins[-2, 2] - self._origins[-1, 2])
        places = np.arange(len(TRUNK_LEVELS))
        front = np.array([np.interp(level, places, self._fronts[:, axis]) for axis in range(3)])
        front[2] = np.interp(level, places, self._origins[:, 2]) - below
        return front + self.scale * np.array([left, -ahead, 0.0])

    def cage(self, z):
        """The inside of the trunk at heights, each shape (n,): middle x and y, half width and half depth, mm."""
        level = self.levelAt(z)
        places = np.arange(len(TRUNK_LEVELS))
        x, y = (np.interp(level, places, self._origins[:, axis]) for axis in (0, 1))
        front = np.interp(level, places, self._wallFronts) - self.depth * np.interp(level, CAGE_LEVELS, CAGE_FRONT)
        back = y + self.scale * np.interp(level, CAGE_LEVELS, CAGE_BACK)
        return x, (front + back) / 2, self.width * np.interp(level, CAGE_LEVELS, CAGE_HALF_WIDTH), (back - front) / 2

    def outline(self, z, neck, covering, plumpness):
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
        back = np.maximum(y + depth + WALL_MM, np.interp(level, np.arange(len(TRUNK_LEVELS)), self._origins[:, 1])
                          + self.scale * np.interp(level, (0, 8, 13, 17, 19), (58, 54, 60, 66, 78))) + covering
        trunk = x, (front + back) / 2, (back - front) / 2, width + WALL_MM + shoulder + covering + 0.4 * belly
        share = np.clip((level - 1) / 2.5, 0, 1)
        return tuple((1 - share) * a + share * b for a, b in zip(neck, trunk, strict=True))

    def fillSoft(self, canvas, random):
        """Wall, lungs, heart, vessels, organs and muscles, where there is flesh so far."""
        inside = self._cageRadius(canvas)
        canvas.tissues[(canvas.tissues == Tissues.SKIN) & (inside < 1)] = Tissues.FAT
        flesh = np.isin(canvas.tissues, FLESH)
        wall = 1 + WALL_MM / np.maximum(self.cage(canvas.axes[2])[3], 20)[None, None]
        canvas.tissues[flesh & (inside < wall.astype(np.float32))] = Tissues.MUSCLE
        canvas.tissues[flesh & (inside < 1)] = Tissues.FAT
        level = self.levelAt(canvas.axes[2].astype(float))
        canvas.tissues[flesh & (inside > wall) & (level > 8)] = Tissues.FAT
        self._fillCavities(canvas, inside, flesh)
        self._fillBackMuscles(canvas, random)
        self._fillOrgans(canvas, random)
        self._fillBowel(canvas, random)
        self._fillHeart(canvas, random)

    def _cageRadius(self, canvas):
        """1 on the inner surface of the trunk, less inside; float32 of the canvas' shape."""
        x, y, width, depth = (values.astype(np.float32) for values in self.cage(canvas.axes[2].astype(float)))
        across = (np.abs(canvas.axes[0][:, None] - x) / width) ** np.float32(2.3)
        along = (np.abs(canvas.axes[1][:, None] - y) / depth) ** np.float32(2.3)
        return (across[:, None] + along[None]) ** np.float32(1 / 2.3)

    def _fillCavities(self, canvas, inside, flesh):
        z = canvas.axes[2].astype(float)
        level = self.levelAt(z)
        places = np.arange(len(TRUNK_LEVELS))
        front = np.interp(level, places, self._fronts[:, 1])
        behind = (canvas.axes[1][:, None] - front) / self.scale
        between = self.scale * np.interp(behind, MEDIASTINUM_BEHIND, MEDIASTINUM_HALF_WIDTH)
        # The lungs' lower surface: a dome under each, the right one higher.
        middle, depth = self.cage(z)[1], self.cage(z)[3]
        back = np.clip((canvas.axes[1][:, None] - middle) / depth / 2 + 0.5, 0, 1)
        drop = DIAPHRAGM_DROP_MM[0] + (DIAPHRAGM_DROP_MM[1] - DIAPHRAGM_DROP_MM[0]) * back
        sideways = canvas.axes[0][:, None] - np.interp(level, places, self._origins[:, 0])[None]
        dome = self.at(8.6 + self.breath, 0, 0)[2] - 8 * (sideways > 0)
        lower = dome[:, None] - (drop * self.scale)[None] * inside**2.5
        above = z[None, None] > lower
        cavity = flesh & (inside < 1)
        canvas.tissues[cavity & above & (np.abs(sideways)[:, None] > between[None]) & (level < 12)] = Tissues.LUNG
        # The abdominal cavity reaches far back at the sides only.
        furthest = np.interp(np.abs(sideways) / self.scale, (0, 28, 60, 95), (-3, -3, 28, 45))
        abdomen = behind[None] < furthest[:, None]
        canvas.tissues[cavity & ~above & abdomen & (level > 6) & (inside < 0.97)] = Tissues.CAVITY

    def _fillBackMuscles(self, canvas, random):
        scale, strength = self.scale, random.uniform(0.85, 1.15)
        wobble = randomWobble(random, 0.7, 30)
        for side in (-1, 1):
            for left, radius in ((20, 13), (43, 11)):
                points, radii = [], []
                for place, name in enumerate(TRUNK_LEVELS[2:], 2):
                    behind = 27 + 6 * (place > 11) - 0.12 * left
                    depth = self.spine.sizes[name].depth if name in self.spine.sizes else 32
                    points.append(self.spine.point(name, [side * left * scale, depth / 2 + behind * scale, 0]))
                    radii.append(radius * strength * scale * np.interp(place, [2, 10, 14, S1], [0.75, 0.9, 1.35, 1.0]))
                _fillMuscle(canvas, points, radii, (1.35, 1, 1), wobble)
            psoas = [self.at(*place) for place in ((11.5, side * 23, -15), (13, side * 31, -13), (15, side * 42, -6),
                                                   (17, side * 54, 12), (19, side * 62, 35))]
            _fillMuscle(canvas, psoas, np.array([4, 10, 15, 17, 14]) * strength * scale, (1, 1, 1), wobble)
            quadratus = [self.at(*place) for place in ((11.5, side * 48, -36), (14, side * 62, -34),
                                                       (16, side * 78, -30))]
            _fillMuscle(canvas, quadratus, np.array([6, 9, 9]) * strength * scale, (1.7, 1, 1), wobble)
            gluteus = [self.at(*place) for place in ((17, side * 75, -55), (18.5, side * 90, -65),
                                                     (20.5, side * 95, -65))]
            _fillMuscle(canvas, gluteus, np.array([16, 30, 34]) * strength * scale, (1.4, 1, 1), wobble)

    def _fillOrgans(self, canvas, random):
        wobble = randomWobble(random, 2.5, 50)
        scale, over = self.scale, (Tissues.CAVITY,)
        down = self.breath

        def blob(place, axes, code, over=over, squarings=1):
            jitter = random.normal(0, [0.25, 4, 4])
            size = scale * np.array(axes) * np.clip(random.normal(1, 0.1), 0.75, 1.3)
            canvas.fill([Blob(self.at(*(np.array(place) + jitter)), size, squarings)], code, over=over, wobble=wobble)

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

    def _fillBowel(self, canvas, random):
        """What is left of the abdominal cavity: loops in fat, some with gas."""
        rest = canvas.tissues == Tissues.CAVITY
        if not rest.any():
            return
        loops, gas = (_smoothNoise(canvas, size, random) for size in (random.uniform(22, 34), 26))
        canvas.tissues[rest] = Tissues.FAT
        canvas.tissues[rest & (loops > random.uniform(-0.5, 0.4))] = Tissues.BOWEL
        canvas.tissues[rest & (loops > 0.5) & (gas > random.uniform(0.7, 1.6))] = Tissues.AIRWAY

    def _fillHeart(self, canvas, random):
        scale = self.scale
        wobble = randomWobble(random, 1.5, 45)
        chest = (*FLESH, Tissues.LUNG)
        size = np.clip(random.normal(1, 0.1), 0.8, 1.35) * scale
        heart = self.at(7.5 + 0.6 * self.breath, 14 + random.normal(0, 4), 52)
        axes = size * np.array([[44, 0, 14], [-10, 34, 0], [-14, 8, 44]])
        canvas.fill([Blob(heart, axes * 1.1)], Tissues.FAT, over=chest, wobble=wobble)
        canvas.fill([Blob(heart, axes)], Tissues.HEART, over=chest, wobble=wobble)
        sway = random.normal(0, 2)
        aorta = [(5.6, -8, 52), (4.2, -18, 50), (3.2, -4, 36), (3.1, 10, 20), (3.9, 17, 6), (5.5, 17, 4), (8, 14, 10),
                 (10.5, 8, 13), (13, 5 + sway, 14), (15.2, 3 + sway, 14)]
        wide = np.clip(random.normal(1, 0.12), 0.8, 1.5)
        tubes = smoothTube([self.at(*place) for place in aorta],
                           np.array([15, 15, 13, 12, 11.5, 11.5, 11, 10.5, 9, 8]) * wide * scale, pieces=3)
        for side in (-1, 1):
            tubes += smoothTube([self.at(*place) for place in ((15.2, 3, 14), (16.5, side * 20, 14),
                                                               (18, side * 45, 30))], 5.5 * wide * scale)
        for course, radius in (
            (((1, -20, 28), (4, -24, 38), (6.3, -22, 46)), 8.5),  # superior vena cava
            (((8.2, -20, 30), (11, -18, 20), (15.4, -13, 14)), 10.5),  # inferior vena cava
            (((15.4, -13, 14), (16.5, 16, 10), (18, 40, 24)), 6), (((15.4, -13, 14), (18, -42, 24)), 6),
            (((5.4, 6, 52), (4.6, 10, 40), (4.7, 42, 20)), 11), (((4.8, 4, 42), (5.0, -48, 22)), 9),  # to the lungs
        ):
            tubes += smoothTube([self.at(*place) for place in course], radius * scale, pieces=3)
        canvas.fill(tubes, Tissues.VESSEL, over=(*chest, Tissues.CAVITY, Tissues.BOWEL, Tissues.LIVER))
        gullet = [self.at(level, left, 8) for level, left in ((0, 4), (3, 4), (6, 2), (8.5, 8), (9.5, 14))]
        canvas.fill(smoothTube(gullet, 5.5 * scale, (1.5, 1, 1), 2), Tissues.MUSCLE, over=chest)
        fork = self.at(3.8, 0, 20)
        bronchi = [b for side in (-1, 1) for b in smoothTube([fork, self.at(4.7, side * 22, 20),
                                                              self.at(5.3, side * 42, 16)], [8, 6.5, 5])]
        canvas.fill([*tube([self.at(2.6, 0, 18), fork], 8.5), *bronchi], Tissues.AIRWAY, over=chest)
        branches = []
        for side in (-1, 1):
            for _ in range(16):
                # Branching vessels of the lungs.
                hilum = self.at(random.uniform(4.6, 6.2), side * 40, random.uniform(10, 30))
                end = self.at(random.uniform(1, 9), side * random.uniform(35, 110), random.uniform(-30, 80))
                branches += tube([hilum, (hilum + end) / 2 + random.normal(0, 6, 3), end], [3.2, 2.2, 1.0])
        canvas.fill(branches, Tissues.VESSEL, over=(Tissues.LUNG,))

    def fillBones(self, canvas, random, keep=(), firstRib=1):
        """Ribs, sternum, sacrum and hip bones.

        :param firstRib: number of the first one; with the first comes the sternum.
        :param keep: codes that are not overwritten.
        """
        wobble = randomWobble(random, 0.4, 16)
        over = dict(keep=(*keep, Tissues.AIR, Tissues.SKIN), wobble=wobble)
        bones, cartilage = self._ribs(random, firstRib)
        canvas.fill(cartilage, Tissues.DISC, **over)
        canvas.fill(bones, Tissues.BONE, **over)
        self._fillPelvis(canvas, random, over)

    def _ribs(self, random, firstRib):
        """Ribs to the twelfth and sternum; and the cartilages between. Anatomy mm."""
        bones, cartilage = [], []
        notch = self.at(1.4, 0, 50)[2]
        sternumX, sternum = self._origins[:4, 0].mean(), []
        for z in np.linspace(notch - 5, self.at(8.2, 0, 0)[2], 7):
            _, middle, _, depth = (float(value[0]) for value in self.cage(np.array([z])))
            sternum.append([sternumX, middle - depth - 6, z])
        if firstRib == 1:
            bones += smoothTube(np.array(sternum), [6, 6, 5, 5.5, 5.5, 4.5, 3], (3.2, 1, 1), 2)
        shortLast = random.uniform(0.5, 1.1)
        for number, (drop, end) in enumerate(zip(RIB_DROP, RIB_END, strict=True), 1):
            if number < firstRib:
                continue
            level = f"T{number}"
            size = self.spine.sizes[level]
            end = end * (shortLast if number == 12 else 1) + random.normal(0, 2)
            drop = drop * self.scale * np.clip(random.normal(1, 0.06), 0.8, 1.2)
            between = 2 <= number <= 10
            for side in (-1, 1):
                head = [side * (size.upperWidth / 2 + 1.5), size.depth * 0.3, size.height * (0.45 if between else 0.2)]
                tubercle = [side * size.transverseWidth * 0.40, size.depth / 2 + 7, 4]
                neck = [side * size.transverseWidth * 0.56, size.depth / 2 + 13, 2]
                points = list(self.spine.point(level, [head, tubercle, neck]))
                start = points[-1]
                first = np.degrees(np.arcsin(np.clip(abs(start[0] - self._origins[number - 1, 0]) / 126, 0, 0.6))) + 6
                for part in np.linspace(0, 1, 9)[1:]:
                    angle = np.radians(first + (end - first) * part)
                    z = start[2] - drop * (0.35 * part + 0.65 * part**1.4)
                    points.append(self._onCage(z, side, angle, 4.5))
                radii = np.interp(np.arange(len(points)), [0, 2, 5, len(points) - 1], [3.6, 3.4, 4.6, 4.4])
                flat = (1.0, 1.0, 0.8) if number == 1 else (0.9, 0.9, 1.35)
                bones += smoothTube(np.array(points) + random.normal(0, 0.4, (len(points), 3)), radii, flat, 3)
                if number <= 10:
                    rest = 1 if number <= 7 else 0.5
                    goal = np.array(sternum[min(number - 1, 5)]) + [side * 13, 0, 0]
                    way = points[-1] + rest * (goal - points[-1])
                    cartilage += smoothTube([points[-1], (points[-1] + way) / 2 - [0, 5, 4], way], 4.6, (1, 1, 1.3), 2)
        return bones, cartilage

    def _onCage(self, z, side, angle, outside):
        x, y, width, depth = (float(value[0]) for value in self.cage(np.array([z])))
        sine, cosine = np.sin(angle), np.cos(angle)
        # On the superellipse that the wall is.
        radius = (abs(sine) ** 2.3 + abs(cosine) ** 2.3) ** (-1 / 2.3)
        return np.array([x + side * (width + outside) * sine * radius, y + (depth + outside) * cosine * radius, z])

    def _fillPelvis(self, canvas, random, over):
        scale = self.scale
        frame = self.spine.frames["S1"]
        bones: list[object] = []
        canal = [self.spine.canal("L5")]
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
        canvas.fill(bones, Tissues.BONE, frame, **over)
        canvas.fill(smoothTube(np.array(canal), np.array([9, 8.5, 7, 5, 3, 2]) * scale, (1.5, 1, 1)),
                    Tissues.SPINAL_CANAL, over=(*FLESH, Tissues.BONE))
        # The remains of the discs between S1, S2 and S3.
        origin = frame.origin
        hips = []
        for side in (-1, 1):
            def point(x, y, z, side=side):
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
        canvas.fill(hips, Tissues.BONE, **over)
        for side in (-1, 1):
            socket = origin + scale * np.array([side * 92, -28, -94])
            canvas.fill([Blob(socket, np.array([27, 27, 27]) * scale)], Tissues.SOFT_TISSUE, over=(Tissues.BONE,))
            canvas.fill([Blob(socket, np.array([24, 24, 24]) * scale),
                         *tube([socket, socket + scale * np.array([side * 40, 6, -32])], 14 * scale)], Tissues.BONE,
                        **over)


def _fillMuscle(canvas, points, radii, stretch, wobble):
    """A muscle in its fat plane."""
    radii = np.asarray(radii)
    over = (*FLESH, Tissues.CAVITY)
    canvas.fill(smoothTube(points, radii + 1.2, stretch, 2), Tissues.FAT, wobble=wobble, over=over)
    canvas.fill(smoothTube(points, radii, stretch, 2), Tissues.MUSCLE, wobble=wobble, over=over)


def _smoothNoise(canvas, size, random):
    """Noise of unit deviation with structures of ``size`` mm, of the canvas' shape."""
    coarse = [max(2, int(n * canvas.spacing / size)) for n in canvas.tissues.shape]
    rough = torch.from_numpy(random.normal(0, 1, (1, 1, *coarse)).astype(np.float32))
    noise = functional.interpolate(rough, size=canvas.tissues.shape, mode="trilinear", align_corners=True)[0, 0].numpy()
    return noise / noise.std()
