"""Skull base, jaws, teeth and hyoid of the made anatomies, and the outline of the head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from CervicalSpineDetectionLib.Phantom import Tissues, VertebraShapes
from CervicalSpineDetectionLib.Phantom.Shapes import (
    Bar,
    Blob,
    Canvas,
    Frame,
    Shape,
    randomWobble,
    rotation,
    smoothTube,
    tube,
)
from CervicalSpineDetectionLib.Phantom.Spine import Spine
from CervicalSpineDetectionLib.Spine.Arrays import Array


class Head:
    """A placed head.

    The head's frame has its origin in the basion, the front edge of the foramen magnum.

    :param spine: the placed ``Spine``.
    """

    def __init__(self, spine: Spine, random: np.random.Generator) -> None:
        scale = spine.individual.scale
        self.spine = spine
        self.scale = scale * np.clip(random.normal(1, 0.03), 0.93, 1.07)
        self.jawOpening = np.radians(max(0.0, random.normal(3, 5)))
        self.chin = random.uniform(-6, 6)
        _, tip = VertebraShapes.dens(spine.sizes["C2"], spine.individual.atlas)
        # Basion-dens interval about 5 (2 to 9) mm (Harris et al., AJR 1994; 162: 881-886).
        basion = spine.point("C2", tip) + spine.frames["C1"].rotation @ [0, -2.5, random.uniform(3.5, 7)]
        self.frame = Frame(basion, spine.headTurn)

    def world(self, points: ArrayLike) -> Array:
        """Points of the head (mm at scale 1) in anatomy mm."""
        return self.frame.toWorld(np.asarray(points, float) * self.scale)

    def outline(self, inset: float) -> Sequence[Shape]:
        """Head and face in the head's frame, ``inset`` mm below the skin."""
        s = self.scale
        return [Blob(s * np.array([0, 20, 52]), s * np.array([78, 98, 78]) - inset),
                Blob(s * np.array([0, 40, 22]), s * np.array([66, 62, 44]) - inset),
                Blob(s * np.array([0, -45, 5]), s * np.array([62, 58, 60]) - inset, 2),
                Blob(s * np.array([0, -48, -48]), s * np.array([50, 46 + self.chin, 26]) - inset),
                Bar(s * np.array([0, -72, -46]), s * np.array([0, -30, -78]), 30 * s - inset, 28 * s - inset,
                    (1.25, 1, 1)),
                Blob(s * np.array([0, -104, 8]), s * np.array([15, 16, 20]) - inset)]

    def fillSoft(self, canvas: Canvas, random: np.random.Generator) -> None:
        """Cavities and soft parts in front of the spine."""
        s = self.scale
        inside = (Tissues.SOFT_TISSUE, Tissues.FAT, Tissues.MUSCLE)
        drop = -12 * np.sin(self.jawOpening)
        canvas.fill([Blob(s * np.array([0, -55, -38 + drop]), s * np.array([24, 32, 20]))], Tissues.MUSCLE, self.frame,
                    over=inside)
        canvas.fill(tube(s * np.array([[0, -82, -18 + drop], [0, -40, -14 + drop]]), random.uniform(0.3, 3), (6, 1, 1)),
                    Tissues.AIRWAY, self.frame, over=inside)
        canvas.fill([Blob(s * np.array([side * 42, -45, -40]), s * np.array([7, 22, 26])) for side in (-1, 1)],
                    Tissues.MUSCLE, self.frame, over=inside)
        canvas.fill([Blob(s * np.array([side * 50, -25, -22]), s * np.array([8, 12, 20])) for side in (-1, 1)],
                    Tissues.FAT, self.frame, over=inside)

    def fill(self, canvas: Canvas, random: np.random.Generator) -> None:
        """Bones, brain, teeth, nasal cavity."""
        wobble = randomWobble(random, 0.8, 30)
        s, frame = self.scale, self.frame
        keep = (Tissues.AIR, Tissues.SKIN, Tissues.AIRWAY)
        skull = random.uniform(4.5, 8)
        bones = [*(Blob(np.array(centre) * s, np.array(radii) * s + skull) for centre, radii in self._brain()),
                 *self._base()]
        canvas.fill(bones, Tissues.BONE, frame, keep=keep, wobble=wobble)
        canvas.fill([Blob(np.array(centre) * s, np.array(radii) * s) for centre, radii in self._brain()],
                    Tissues.BRAIN, frame, keep=keep, wobble=wobble)
        # The clivus and the petrous bones stand into the cavity.
        canvas.fill(self._inner(), Tissues.BONE, frame, keep=keep, wobble=wobble)
        canvas.fill([Bar(np.array([0, 17, -14]) * s, np.array([0, 17, 4]) * s, 15 * s, 15 * s, (1, 1.12, 1))],
                    Tissues.SPINAL_CANAL, frame, over=(Tissues.BONE,))
        canvas.fill(self._condyles(), Tissues.BONE, self.spine.frames["C1"], keep=keep)
        canvas.fill(self._face(), Tissues.BONE, frame, keep=(Tissues.AIR, Tissues.SKIN), wobble=wobble)
        canvas.fill(self._cavities(random), Tissues.AIRWAY, frame)
        canvas.fill(self._turbinates(random), Tissues.SOFT_TISSUE, frame, over=(Tissues.AIRWAY,))
        self._fillJaw(canvas, random)
        self._fillHyoid(canvas, random)

    @staticmethod
    def _brain() -> tuple[tuple[Sequence[float], Sequence[float]], ...]:
        """(centre, radii) of the cerebral and the cerebellar part of the cavity, mm at scale 1."""
        return ((0, 16, 82), (65, 84, 50)), ((0, 42, 25), (52, 46, 31))

    def _base(self) -> Sequence[Shape]:
        s = self.scale
        bones = [Blob(s * np.array([side * 50, 10, 2]), s * np.array([11, 13, 18])) for side in (-1, 1)]
        bones += [Blob(s * np.array([side * 38, -2, 10]), s * np.array([22, 12, 10])) for side in (-1, 1)]
        return bones

    def _inner(self) -> Sequence[Shape]:
        s = self.scale
        bones: list[Shape] = [
            Bar(s * np.array([0, 0, 1]), s * np.array([0, -24, 36]), 3 * s, 6 * s, (3.2, 1, 1)),
            Blob(s * np.array([0, -32, 36]), s * np.array([24, 15, 12]), 2)]
        bones += [Bar(s * np.array([side * 16, -12, 18]), s * np.array([side * 56, 10, 16]), 7 * s, 10 * s)
                  for side in (-1, 1)]
        return bones

    def _condyles(self) -> Sequence[Shape]:
        """Occipital condyles, in C1's frame above its lateral masses."""
        atlas = self.spine.individual.atlas
        return [Blob(np.array([side * (atlas.massOffset - 1.5), -2, atlas.massHeight / 2 + 6]), (7.5, 11, 6), 1)
                for side in (-1, 1)]

    def _face(self) -> Sequence[Shape]:
        s = self.scale
        palate = [Blob(s * np.array([0, -58, -9]), s * np.array([19, 27, 2.2]), 2)]
        arch = smoothTube(s * np.array([[-27, -42, -14], [-24, -66, -15], [-12, -83, -16], [0, -87, -16],
                                        [12, -83, -16], [24, -66, -15], [27, -42, -14]]), 5 * s, (1, 1, 1.4))
        sides = [Blob(s * np.array([side * 26, -58, 10]), s * np.array([15, 24, 19]), 2) for side in (-1, 1)]
        cheeks = [b for side in (-1, 1) for b in tube(s * np.array([[side * 34, -72, 12], [side * 60, -42, 12],
                                                                    [side * 63, -10, 12]]), 4 * s)]
        plates = [Bar(s * np.array([side * 16, -34, 14]), s * np.array([side * 16, -32, -10]), 2.2, 2.2, (1, 2.5, 1))
                  for side in (-1, 1)]
        return [*palate, *arch, *sides, *cheeks, *plates]

    def _cavities(self, random: np.random.Generator) -> Sequence[Shape]:
        s = self.scale
        sinus = [Blob(s * np.array([side * 26, -58, 11]), s * np.array([11.5, 20, 15]), 2)
                 for side in (-1, 1) if random.random() < 0.9]
        nose = [Blob(s * np.array([0, -62, 10]), s * np.array([11, 32, 16]), 2)]
        cells = [Blob(s * np.array([side * 50, 10, 2 + h]), s * np.array([5, 6, 4])) for side in (-1, 1)
                 for h in (-7, 6)]
        return sinus + nose + cells + [Blob(s * np.array([0, -33, 37]), s * np.array([16, 10, 9]), 2)]

    def _turbinates(self, random: np.random.Generator) -> Sequence[Shape]:
        s = self.scale
        parts = [Blob(s * np.array([random.normal(0, 1), -62, 10]), s * np.array([1.3, 31, 16]), 2)]
        for side in (-1, 1):
            parts += [Blob(s * np.array([side * 6.5, -60, height]), s * np.array([3.2, 22, 4])) for height in (1, 12)]
        return parts

    def _fillJaw(self, canvas: Canvas, random: np.random.Generator) -> None:
        s = self.scale
        hinge = np.array([0, -14, 4.0])
        turn = rotation(-self.jawOpening)
        # Opening carries the chin down and back about the condyles.
        frame = Frame(self.frame.toWorld(s * hinge), self.frame.rotation @ turn.T)
        course = np.array([[48, -14, 2], [47, -22, -25], [45, -28, -46], [37, -52, -52], [24, -74, -57],
                           [10, -85 - 0.5 * self.chin, -60], [0, -88 - 0.5 * self.chin, -60]])
        course = np.concatenate([course, (course * [-1, 1, 1])[-2::-1]])
        radii = np.array([4.5, 4, 5, 5, 5, 5.5, 6, 5.5, 5, 5, 5, 4, 4.5]) * s
        keep = (Tissues.AIR, Tissues.SKIN)
        canvas.fill(smoothTube(s * (course - hinge), radii, (1, 1.15, 2.0)), Tissues.BONE, frame, keep=keep)
        ramus = [Bar(s * (np.array([side * 46, -30, -2]) - hinge), s * (np.array([side * 45, -34, -40]) - hinge), 3.5,
                     4.5, (1, 2.4, 1)) for side in (-1, 1)]
        canvas.fill(ramus, Tissues.BONE, frame, keep=keep)
        if random.random() < 0.85:
            rows = ((frame, -44, -hinge), (self.frame, -24, np.zeros(3)))
            for place, height, shift in rows:
                row = [(22.5, -48), (22, -58), (20, -66), (16, -75), (10, -81), (3.8, -84.5)]
                teeth = [s * (np.array([side * x, y, height]) + shift) for x, y in row for side in (-1, 1)]
                kept = [Blob(tooth, (3.6, 3.8, 9.5)) for tooth in teeth if random.random() < 0.92]
                canvas.fill(kept, Tissues.TEETH, place, keep=keep)

    def _fillHyoid(self, canvas: Canvas, random: np.random.Generator) -> None:
        front = self.spine.front("C3") + self.spine.frames["C3"].rotation @ [0, 0, random.uniform(-16, 2)]
        size = self.spine.individual.scale
        arch = front + size * np.array([[-19, -10, 3], [-16, -24, 0], [-9, -33, -2], [0, -36, -2], [9, -33, -2],
                                        [16, -24, 0], [19, -10, 3]])
        canvas.fill(smoothTube(arch, [2, 2.2, 3, 3.4, 3, 2.2, 2], (1, 1, 1.5)), Tissues.BONE,
                    keep=(Tissues.AIR, Tissues.SKIN))
