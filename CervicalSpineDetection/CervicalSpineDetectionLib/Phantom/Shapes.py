"""Solid shapes as implicit functions, and the canvas that fills them into a tissue array in local boxes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike

from CervicalSpineDetectionLib.Spine.Arrays import Array, Point

WOBBLE_WAVES = 3

Points: TypeAlias = Array | Sequence[Point]  # shape (n, 3), mm


@dataclass(frozen=True)
class Frame:
    """A right-handed local coordinate frame.

    :param origin: shape (3,), mm.
    :param rotation: shape (3, 3), columns are the local left, posterior, superior directions.
    """

    origin: Array = field(default_factory=lambda: np.zeros(3))
    rotation: Array = field(default_factory=lambda: np.eye(3))

    def toWorld(self, point: ArrayLike) -> Array:
        """:param point: shape (..., 3), local mm. :return: the same point outside the frame."""
        return self.origin + np.asarray(point, float) @ self.rotation.T


def rotation(flexion: float, lateral: float = 0.0, twist: float = 0.0) -> Array:
    """Rotation matrix; a positive ``flexion`` (radians) leans the superior axis back, towards posterior."""
    (cx, cy, cz), (sx, sy, sz) = np.cos([flexion, lateral, twist]), np.sin([flexion, lateral, twist])
    aboutX = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    aboutY = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    aboutZ = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return aboutX @ aboutY @ aboutZ


class Shape(Protocol):
    """A solid."""

    def bounds(self) -> tuple[Array, Array]:
        """Lower and upper corner of a box around it, each of shape (3,), mm."""

    def contains(self, x: Array, y: Array, z: Array) -> Array:
        """Whether points lie inside, bool; coordinates in mm are broadcast against each other."""


@dataclass(frozen=True)
class Blob:
    """Superellipsoid with oblique axes.

    :param centre: shape (3,), mm.
    :param axes: shape (3, 3), columns are the half-axes in mm; shape (3,) for axes along x, y, z.
    :param squarings: 1 gives an ellipsoid, 2 and 3 ever more a box (exponent 2 ** squarings).
    """

    centre: Point
    axes: Point
    squarings: int = 1

    def _matrix(self) -> Array:
        axes = np.asarray(self.axes, float)
        return np.diag(axes) if axes.ndim == 1 else axes

    def bounds(self) -> tuple[Array, Array]:
        reach = np.abs(self._matrix()).sum(axis=1)
        return self.centre - reach, self.centre + reach

    def contains(self, x: Array, y: Array, z: Array) -> Array:
        inverse = np.linalg.inv(self._matrix()).astype(np.float32)
        x, y, z = (p - np.float32(c) for p, c in zip((x, y, z), self.centre, strict=True))
        total: Array = np.zeros(1, np.float32)
        for row in inverse:
            value = sum(p * f for p, f in zip((x, y, z), row, strict=True) if f)
            for _ in range(self.squarings):
                value = value * value
            total = total + value
        return total < 1


@dataclass(frozen=True)
class Bar:
    """Tapered capsule.

    :param start: shape (3,), mm; likewise ``end``.
    :param startRadius: mm; likewise ``endRadius``.
    :param stretch: shape (3,), factor on the radius along x, y, z.
    """

    start: Point
    end: Point
    startRadius: float
    endRadius: float
    stretch: Sequence[float] = (1, 1, 1)

    def bounds(self) -> tuple[Array, Array]:
        ends = np.array([self.start, self.end], float)
        reach = np.outer([self.startRadius, self.endRadius], self.stretch)
        return (ends - reach).min(axis=0), (ends + reach).max(axis=0)

    def contains(self, x: Array, y: Array, z: Array) -> Array:
        start, end, stretch = (np.asarray(v, np.float32) for v in (self.start, self.end, self.stretch))
        axis = (end - start) / stretch
        x, y, z = ((p - s) / f for p, s, f in zip((x, y, z), start, stretch, strict=True))
        along = np.clip((x * axis[0] + y * axis[1] + z * axis[2]) / max(axis @ axis, np.float32(1e-6)), 0, 1)
        radius = np.float32(self.startRadius) + along * np.float32(self.endRadius - self.startRadius)
        return (x - along * axis[0]) ** 2 + (y - along * axis[1]) ** 2 + (z - along * axis[2]) ** 2 < radius * radius


def tube(points: Points, radii: ArrayLike, stretch: Sequence[float] = (1, 1, 1)) -> list[Bar]:
    """Bars along a polyline.

    :param points: shape (n, 3), mm.
    :param radii: mm, one for all or one a point.
    """
    points = np.asarray(points, float)
    radii = np.broadcast_to(radii, len(points))
    return [Bar(points[i], points[i + 1], radii[i], radii[i + 1], stretch) for i in range(len(points) - 1)]


def smoothTube(points: Points, radii: ArrayLike, stretch: Sequence[float] = (1, 1, 1), pieces: int = 4) -> list[Bar]:
    """A tube along the Catmull-Rom curve through the points."""
    points = np.asarray(points, float)
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    u = (np.arange(pieces) / pieces)[:, None]
    parts = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        parts.append(b + u / 2 * (c - a + u * (2 * a - 5 * b + 4 * c - d + u * (3 * (b - c) + d - a))))
    curve = np.concatenate([*parts, points[-1:]])
    radii = np.broadcast_to(radii, len(points))
    return tube(curve, np.interp(np.linspace(0, len(points) - 1, len(curve)), range(len(points)), radii), stretch)


@dataclass(frozen=True)
class Wobble:
    """Smooth random unevenness of a surface: a sum of sine waves that displaces points.

    :param waves: shape (3, WOBBLE_WAVES, 5): per axis and wave the amplitude (mm), wave vector (1/mm) and phase.
    """

    waves: Array

    @property
    def reach(self) -> float:
        return np.abs(self.waves[:, :, 0]).sum(axis=1).max()

    def displaced(self, x: Array, y: Array, z: Array) -> list[Array]:
        moved = []
        for p, waves in zip((x, y, z), self.waves.astype(np.float32), strict=True):
            for amplitude, kx, ky, kz, phase in waves:
                # A product of sines along the axes is as uneven as one oblique wave, and cheap to broadcast.
                p = p + amplitude * np.sin(kx * x + phase) * np.cos(ky * y - phase) * np.sin(kz * z + 2 * phase)
            moved.append(p)
        return moved


def randomWobble(random: np.random.Generator, amplitude: float, length: float) -> Wobble:
    """:param amplitude: mm, standard deviation of one wave. :param length: mm, typical wave length."""
    waves = np.empty((3, WOBBLE_WAVES, 5))
    waves[..., 0] = random.normal(0, amplitude, (3, WOBBLE_WAVES))
    waves[..., 1:4] = 2 * np.pi / (length * random.uniform(0.7, 2.0, (3, WOBBLE_WAVES, 3)))
    waves[..., 4] = random.uniform(0, 2 * np.pi, (3, WOBBLE_WAVES))
    return Wobble(waves)


class Canvas:
    """A tissue array with axes x, y, z (LPS) that shapes are filled into."""

    def __init__(self, lower: ArrayLike, upper: ArrayLike, spacing: float) -> None:
        """:param lower: shape (3,), mm, outer corner; likewise ``upper``. :param spacing: mm."""
        self.spacing = spacing
        size = np.round((np.asarray(upper) - lower) / spacing).astype(int)
        self.first = np.asarray(lower, float) + spacing / 2
        self.tissues = np.zeros(size, np.uint8)
        self.axes = [(self.first[i] + np.arange(size[i]) * spacing).astype(np.float32) for i in range(3)]

    @classmethod
    def over(cls, tissues: Array, first: ArrayLike, spacing: float) -> Canvas:
        """A canvas over an array that is there already.

        :param tissues: uint8, shape (x, y, z) along LPS; changed in place.
        :param first: shape (3,), mm, centre of its first voxel.
        """
        canvas = cls(np.zeros(3), np.zeros(3), spacing)
        canvas.first, canvas.tissues = np.asarray(first, float), tissues
        canvas.axes = [(canvas.first[i] + np.arange(tissues.shape[i]) * spacing).astype(np.float32) for i in range(3)]
        return canvas

    def fill(self, shapes: Iterable[Shape], code: int, frame: Frame | None = None, over: Sequence[int] | None = None,
             keep: Sequence[int] = (), wobble: Wobble | None = None) -> None:
        """Fill the union of shapes.

        :param shapes: in the coordinates of ``frame``.
        :param over: codes that may be overwritten; all where None.
        :param keep: codes that are not overwritten.
        """
        for shape in shapes:
            box, inside = self._evaluate(shape, frame or Frame(), wobble)
            region = self.tissues[box]
            if over is not None:
                inside = inside & _isAny(region, over)
            if keep:
                inside = inside & ~_isAny(region, keep)
            region[inside] = code

    def fillConnected(self, shapes: Iterable[Shape], holes: Iterable[Shape], code: int, frame: Frame,
                      keep: Sequence[int], wobble: Wobble) -> None:
        """Fill the union of shapes less the holes, as one face-connected piece (the largest), sparing ``keep``."""
        parts = [self._evaluate(shape, frame, wobble) for shape in shapes]
        lower = np.min([[s.start for s in box] for box, _ in parts], axis=0)
        upper = np.max([[s.stop for s in box] for box, _ in parts], axis=0)
        mask = np.zeros(np.maximum(upper - lower, 0), bool)
        whole = tuple(slice(a, b) for a, b in zip(lower, upper, strict=True))
        for box, inside in parts:
            mask[tuple(slice(s.start - a, s.stop - a) for s, a in zip(box, lower, strict=True))] |= inside
        for box, inside in (self._evaluate(hole, frame, wobble, whole) for hole in holes):
            mask[tuple(slice(s.start - a, s.stop - a) for s, a in zip(box, lower, strict=True))] &= ~inside
        mask &= ~_isAny(self.tissues[whole], keep)
        if mask.any():
            self.tissues[whole][_largestPiece(mask)] = code

    def _evaluate(self, shape: Shape, frame: Frame, wobble: Wobble | None,
                  within: tuple[slice, ...] | None = None) -> tuple[tuple[slice, ...], Array]:
        """(slices, bool array over them) of one shape."""
        lower, upper = shape.bounds()
        margin = self.spacing + (wobble.reach if wobble else 0)
        centre = frame.toWorld((lower + upper) / 2)
        reach = np.abs(frame.rotation) @ ((upper - lower) / 2 + margin)
        box = []
        for i in range(3):
            least, most = (0, self.tissues.shape[i]) if within is None else (within[i].start, within[i].stop)
            start = int(np.clip(np.floor((centre[i] - reach[i] - self.first[i]) / self.spacing), least, most))
            stop = int(np.clip(np.ceil((centre[i] + reach[i] - self.first[i]) / self.spacing) + 1, start, most))
            box.append(slice(start, stop))
        axes = [self.axes[i][box[i]] for i in range(3)]
        if not all(len(axis) for axis in axes):
            return tuple(box), np.zeros([len(axis) for axis in axes], bool)
        x, y, z = axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :]
        if not np.array_equal(frame.rotation, np.eye(3)):
            matrix = frame.rotation.astype(np.float32)
            x, y, z = (p - np.float32(o) for p, o in zip((x, y, z), frame.origin, strict=True))
            x, y, z = (x * matrix[0, i] + y * matrix[1, i] + z * matrix[2, i] for i in range(3))
        elif frame.origin.any():
            x, y, z = (p - np.float32(o) for p, o in zip((x, y, z), frame.origin, strict=True))
        if wobble:
            x, y, z = wobble.displaced(x, y, z)
        return tuple(box), shape.contains(x, y, z)


def _isAny(region: Array, codes: Iterable[int]) -> Array:
    table = np.zeros(256, bool)
    table[list(codes)] = True
    return table[region]


def _largestPiece(mask: Array) -> Array:
    pieces = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8))))
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return pieces == sizes.argmax()
