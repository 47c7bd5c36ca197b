"""Where the body's own sagittal plane lies in a CT, told from the picture alone: the plane that mirrors it best."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from CervicalSpineDetectionLib.Fusion import Settings
from CervicalSpineDetectionLib.Imaging.SagittalVolume import VOID_HU, SagittalVolume
from CervicalSpineDetectionLib.Spine.Arrays import Array

Plane = tuple[float, Array, float]  # quality, normal, mm along it from the middle of the bones


@dataclass(frozen=True)
class MirrorPlane:
    """:param normal: shape (3,), unit length, LPS, to the patient's left, or to the right where that can't be told.
    :param quality: correlation of the two sides, -1 to 1.
    :param imageQuality: the same for the image's own sagittal plane.
    """

    normal: Array
    quality: float
    imageQuality: float

    @property
    def degrees(self) -> float:
        """Angle to the image's own sagittal plane, 0 to 90."""
        return float(np.degrees(np.arccos(min(abs(self.normal[0]), 1.0))))


class _Mirror:
    """Points of a body and how well planes mirror them.

    :param volume: what is looked at.
    """

    def __init__(self, volume: SagittalVolume) -> None:
        step = np.maximum(np.rint(Settings.MIRROR_GRID_MM / volume.spacing).astype(int), 1)
        step = np.minimum(step, volume.voxels.shape)
        # Means, for single voxels of thin bone and of noise don't meet their like on the other side.
        self._values, seen = _blockMeans(volume.voxels, step)
        self._inside = seen > 0.5
        self._spacing = volume.spacing * step
        self._last = np.array(self._values.shape, np.int32) - 1
        bone = self._place(np.argwhere(self._inside & (self._values > Settings.BONE_HU)))
        body = np.argwhere(self._inside & (self._values > Settings.AIR_HU))
        self._centre = np.median(bone, axis=0) if len(bone) else self._place(self._last) / 2
        body = body[np.random.default_rng(0).permutation(len(body))[: Settings.DRAWN_POINTS]]
        self._points = self._place(body) - self._centre
        self._squares = (self._points**2).sum(axis=1)
        self._starts = body.T.astype(np.float32)
        mean = self._values[self._inside].mean() if self._inside.any() else 0.0
        self._own = (self._values[tuple(body.T)] - mean).astype(np.float32)
        # Flat, and with a place for all that is not in view at the end.
        self._seen = np.append(np.where(self._inside, self._values - mean, 0).ravel(), np.float32(0))
        self._weights = np.append(self._inside.ravel(), False).astype(np.float32)

    def _place(self, indices: Array) -> Array:
        """LPS mm from the first voxel, of (slice, row, column)."""
        at = np.asarray(indices, float) * self._spacing
        return np.stack([at[..., 0], at[..., 2], -at[..., 1]], axis=-1)

    def qualities(self, normal: Array, offsets: Array, most: int = Settings.MIRROR_POINTS) -> Array:
        """Correlation of the body with its mirror image, shape (offsets,); -1 where too little of it is in view.

        :param normal: shape (3,), unit length.
        :param offsets: shape (offsets,), mm along it from the middle of the bones.
        :param most: points that are looked at.
        """
        near = self._neck(normal, most)
        if not len(near):
            return np.full(len(offsets), -1.0)
        across = (self._points[: near[-1] + 1] @ normal)[near]
        twice = (2 * (across - offsets[:, None])).astype(np.float32)
        along = np.array([normal[0], -normal[2], normal[1]]) / self._spacing
        place, outside = np.zeros(twice.shape, np.int32), np.zeros(twice.shape, bool)
        for start, step, last in zip(self._starts, along.astype(np.float32), self._last, strict=True):
            index = np.rint(start[near] - twice * step).astype(np.int32)
            # What is below 0 is above all else without its sign.
            outside |= index.view(np.uint32) > last
            place *= last + 1
            place += index
        place[outside] = -1
        other, weight, own = self._seen[place], self._weights[place], self._own[near]
        # Correlation from sums over the pairs.
        count = np.maximum(weight.sum(axis=1), 1)
        ownMean, otherMean = weight @ own / count, other.sum(axis=1) / count
        shared = other @ own / count - ownMean * otherMean
        variances = ((weight @ own**2 / count - ownMean**2)
                     * (np.einsum("ij,ij->i", other, other) / count - otherMean**2))
        quality = shared / np.sqrt(np.maximum(variances, 1e-9))
        return np.where(weight.mean(axis=1) >= Settings.LEAST_PAIRS, quality, -1.0)

    def _neck(self, normal: Array, most: int) -> Array:
        """Indices of points near to the neck's axis, were this the body's own sagittal plane: the line in it that
        stands most upright. About the image's own axis a leaning neck would be cut off on one side."""
        upright = np.array([0.0, 0, 1]) - normal[2] * normal
        upright /= np.linalg.norm(upright)
        # Mostly the first of the points, which stand in no order, are enough.
        for count in (Settings.NECK_SHARE * most, len(self._points)):
            across = self._squares[:count] - (self._points[:count] @ upright) ** 2
            near = np.flatnonzero(across < Settings.MIRROR_RADIUS_MM**2)[:most]
            if len(near) == most:
                break
        return near

    def planes(self, normals: Array, offsets: Array = Settings.MIRROR_OFFSETS_MM,
               most: int = Settings.MIRROR_POINTS) -> list[Plane]:
        """The best plane with each normal, best first. :param normals: shape (n, 3). :param most: see ``qualities``."""
        qualities = np.array([self.qualities(normal, offsets, most) for normal in normals])
        best = qualities.argmax(axis=1)
        return [(float(qualities[i, best[i]]), normals[i], float(offsets[best[i]]))
                for i in np.argsort(-qualities.max(axis=1))]


def mirrorPlane(volume: SagittalVolume, enough: float | None = None, gain: float = 0.0) -> MirrorPlane:
    """The plane that mirrors a body best.

    :param enough: where the image's own sagittal plane does as well as this, no other one is looked for.
    :param gain: where none promises to be better than that by so much, none is refined.
    """
    mirror = _Mirror(volume)
    left = np.array([1.0, 0, 0])
    # Mostly the plane itself will do.
    for normals in (left[None], np.concatenate([left[None], _around(left, Settings.OWN_DEGREES)])):
        first = mirror.planes(normals)[0]
        own = first[0]
        if enough is not None and own >= enough:
            return MirrorPlane(left, own, own)
    # A few points tell which planes are not worth a closer look.
    rough = mirror.planes(_directions(), most=Settings.ROUGH_POINTS)[: Settings.ROUGH_PLANES]
    closer = mirror.planes(np.array([normal for _, normal, _ in rough]))
    if enough is not None and closer[0][0] < max(enough, own + gain) - Settings.REFINED_GAIN:
        return MirrorPlane(left, own, own)
    found = [first, *closer[: Settings.REFINED_PLANES]]
    for (degrees, distance), kept in zip(Settings.FINER_STEPS, Settings.KEPT_PLANES, strict=True):
        found = [mirror.planes(np.concatenate([normal[None], _around(normal, degrees)]),
                               offset + distance * np.arange(-1, 2))[0]
                 for _, normal, offset in sorted(found, key=lambda plane: -plane[0])[:kept]]
    quality, normal, _ = max(found, key=lambda plane: plane[0])
    return MirrorPlane(normal if normal[0] >= 0 else -normal, quality, own)


def _blockMeans(voxels: Array, step: Array) -> tuple[Array, Array]:
    """Of blocks of voxels; what is left over at the ends is left out.

    :param voxels: float32 HU. :param step: shape (3,), voxels.
    :return: (mean HU within ``Settings.SIDES_HU``, shares of voxels that the CT shows), both float32.
    """
    counts = np.array(voxels.shape) // step
    values, seen = np.empty(counts, np.float32), np.empty(counts, np.float32)
    # A few slices at a time, which stay in the processor's cache.
    for block, (value, share) in enumerate(zip(values, seen, strict=True)):
        part = voxels[block * step[0] : (block + 1) * step[0]]
        value[:] = _blockSums(np.clip(part, *Settings.SIDES_HU), counts, step)
        share[:] = _blockSums((part > VOID_HU).view(np.uint8), counts, step)
    size = np.float32(step.prod())
    return values / size, seen / size


def _blockSums(part: Array, counts: Array, step: Array) -> Array:
    """Of one layer of blocks, shape (blocks along rows, along columns).

    :param part: float32, or uint8 of 0 and 1; ``step[0]`` slices.
    """
    rows, columns = counts[1:] * step[1:]
    # One slice onto the other, in whole rows.
    total = reduce(np.add, part)[:rows].reshape(counts[1], step[1], -1)
    total = np.add.reduce(total, axis=1, dtype=np.float32)
    # Much faster than a sum over an axis of a few neighbours.
    return np.asarray(sum(total[:, first : columns : step[2]] for first in range(step[2])))


def turnedPlane(volume: SagittalVolume) -> MirrorPlane | None:
    """The body's sagittal plane where it is clearly another one than the image's, else None."""
    plane = mirrorPlane(volume, Settings.LIKE_SIDES, Settings.LEAST_MIRROR_GAIN)
    isClear = plane.quality > max(Settings.LIKE_SIDES, plane.imageQuality + Settings.LEAST_MIRROR_GAIN)
    return plane if isClear and plane.degrees > Settings.MOST_MIRROR_TURN_DEGREES else None


def _directions() -> Array:
    """Unit vectors about ``Settings.MIRROR_STEP_DEGREES`` apart, no steeper than ``Settings.FLATTEST_PLANE_DEGREES``,
    shape (n, 3)."""
    directions = []
    for height in np.arange(0, Settings.FLATTEST_PLANE_DEGREES + 1, Settings.MIRROR_STEP_DEGREES):
        radius = np.cos(np.deg2rad(height))
        # At the equator opposite directions are the same plane.
        count = int(round((180 if height == 0 else 360) * radius / Settings.MIRROR_STEP_DEGREES))
        angles = np.arange(count) * (np.pi if height == 0 else 2 * np.pi) / count
        directions.append(np.stack([radius * np.cos(angles), radius * np.sin(angles),
                                    np.full(count, np.sin(np.deg2rad(height)))], axis=1))
    return np.concatenate(directions)


def _around(normal: Array, degrees: float) -> Array:
    """Eight directions so far from one, shape (8, 3)."""
    first = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    first /= np.linalg.norm(first)
    second = np.cross(normal, first)
    angles = np.arange(8) * np.pi / 4
    away = np.cos(angles)[:, None] * first + np.sin(angles)[:, None] * second
    return np.asarray(np.cos(np.deg2rad(degrees)) * normal + np.sin(np.deg2rad(degrees)) * away)
