"""Random posture and build for a tissue map: bend and twist along the neck, scale, elastic change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional

from CervicalSpineDetectionLib.Spine.Arrays import Array

COARSE_MM = 8.0


@dataclass(frozen=True)
class Posture:
    """How a neck is held and built, relative to the source anatomy.

    Angles (radians) are polynomials in u, the height above the neck's middle in units of 80 mm.

    :param flexion: coefficients, rotation about the left-right axis.
    :param lateralBend: coefficients, rotation about the antero-posterior axis.
    :param twist: coefficients, rotation about the cranio-caudal axis.
    :param scale: shape (3,), size relative to the source along x, y, z.
    :param elastic: mm, standard deviation of the smooth local change.
    """

    flexion: Array
    lateralBend: Array
    twist: Array
    scale: Array
    elastic: float


def randomPosture(random: np.random.Generator) -> Posture:
    """A posture as necks are held in CT scanners, from neutral to strongly flexed, extended or turned."""
    return Posture(
        flexion=random.normal(0, [0.22, 0.16, 0.07, 0.04]),
        lateralBend=random.normal(0, [0.07, 0.06, 0.03]),
        twist=random.normal(0, [0.10, 0.12, 0.04]),
        scale=random.uniform(0.82, 1.2) * random.uniform(0.9, 1.1, 3),
        elastic=random.uniform(0, 2.5),
    )


def warpLabels(labels: Array, spacing: float, pivot: Array, posture: Posture, shape: tuple[int, int, int],
               random: np.random.Generator, part: Sequence[slice] = (slice(None),) * 3) -> Array:
    """Sample a label volume as the posture holds it.

    :param labels: uint8, shape (x, y, z) along LPS, isotropic.
    :param spacing: mm, of ``labels`` and of the result.
    :param pivot: shape (3,), index of the neck's middle in ``labels``; it comes to the middle of the result.
    :param shape: (x, y, z) of the result.
    :param part: three slices; only this part of the result is made.
    :return: uint8, shape ``shape``, or that of its part.
    """
    coarse = [int(np.ceil(n * spacing / COARSE_MM)) + 1 for n in shape]
    axes = [(np.arange(n) - (n - 1) / 2) * COARSE_MM for n in coarse]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    source = _straighten(points, posture) / posture.scale
    source += _smoothNoise(coarse, posture.elastic, random)
    index = source / spacing + pivot
    # grid_sample wants the last axis first and coordinates from -1 to 1.
    grid = 2 * index / (np.array(labels.shape) - 1) - 1
    grid = torch.from_numpy(grid[..., ::-1].copy()).float().movedim(-1, 0)[None]
    # The coarse grid spans slightly more than the result: cut it to the result's own voxel centres.
    fine = [((torch.arange(n) - (n - 1) / 2) * spacing / ((m - 1) / 2 * COARSE_MM))[wanted]
            for n, m, wanted in zip(shape, coarse, part, strict=True)]
    dense = torch.stack(torch.meshgrid(*fine, indexing="ij")[::-1], dim=-1)[None]
    grid = functional.grid_sample(grid, dense, align_corners=True).movedim(1, -1)
    volume = torch.from_numpy(np.ascontiguousarray(labels)).float()[None, None]
    return functional.grid_sample(volume, grid, mode="nearest", align_corners=True)[0, 0].byte().numpy()


def _straighten(points: Array, posture: Posture) -> Array:
    """Coordinates of points (mm, about the neck's middle) in the straight source anatomy.

    The neck's axis is the curve that starts in the middle and follows the turned cranio-caudal direction; each point
    keeps its place in the turned frame at the nearest height of the curve.
    """
    reach = max(260, int(np.ceil(np.abs(points[..., 2]).max())) + 60)
    heights = np.linspace(-reach, reach, 2 * reach + 1)
    frames = _frames(heights, posture)
    steps = frames[:, :, 2]
    curve = np.cumsum(steps, axis=0) - steps / 2
    curve -= curve[len(curve) // 2]
    height = points[..., 2].copy()
    for _ in range(6):
        nearest = np.clip(np.rint(height + reach).astype(int), 0, 2 * reach)
        height = np.clip(height + 0.8 * np.einsum("...i,...i", points - curve[nearest], steps[nearest]) - 0.8 * (
            height - heights[nearest]), -reach, reach)
    nearest = np.clip(np.rint(height + reach).astype(int), 0, 2 * reach)
    local = np.einsum("...i,...ij->...j", points - curve[nearest], frames[nearest])
    local[..., 2] += heights[nearest]
    return local


def _frames(heights: Array, posture: Posture) -> Array:
    """Rotation matrices, shape (n, 3, 3), columns the turned x, y, z axes at each height."""
    u = heights / 80
    # Beyond the neck the head and the chest turn no further.
    u = 1.4 * np.tanh(u / 1.4)
    flexion, lateral, twist = (np.polynomial.polynomial.polyval(u, c) for c in (
        posture.flexion, posture.lateralBend, posture.twist))
    one, zero = np.ones_like(u), np.zeros_like(u)

    def matrix(rows: Sequence[Sequence[Array]]) -> Array:
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    cx, sx, cy, sy, cz, sz = (f(a) for a in (flexion, lateral, twist) for f in (np.cos, np.sin))
    aboutX = matrix([[one, zero, zero], [zero, cx, -sx], [zero, sx, cx]])
    aboutY = matrix([[cy, zero, sy], [zero, one, zero], [-sy, zero, cy]])
    aboutZ = matrix([[cz, -sz, zero], [sz, cz, zero], [zero, zero, one]])
    return aboutX @ aboutY @ aboutZ


def _smoothNoise(shape: Sequence[int], amplitude: float, random: np.random.Generator) -> Array:
    small = torch.from_numpy(random.normal(0, amplitude, (1, 3, *(max(2, n // 4) for n in shape)))).float()
    noise = functional.interpolate(small, size=tuple(shape), mode="trilinear", align_corners=True)
    return noise[0].movedim(0, -1).numpy()
