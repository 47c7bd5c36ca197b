"""What lies between skin and bones: fat, strands of muscle, whole muscles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import ArrayLike

from CervicalSpineDetectionLib.Phantom import Tissues
from CervicalSpineDetectionLib.Phantom.Shapes import Canvas, Points, Wobble, smoothTube
from CervicalSpineDetectionLib.Spine.Arrays import Array

FLESH = (Tissues.SOFT_TISSUE, Tissues.FAT, Tissues.MUSCLE)


def mixFlesh(canvas: Canvas, random: np.random.Generator) -> None:
    """Sheets of fat and strands of muscle in the flesh that no named organ takes."""
    noise = smoothNoise(canvas, [random.uniform(8, 16) for _ in range(3)], random)
    flesh = canvas.tissues == Tissues.SOFT_TISSUE
    canvas.tissues[flesh & (np.abs(noise) < random.uniform(0, 0.15))] = Tissues.FAT
    canvas.tissues[flesh & (noise > random.uniform(0.4, 1.0))] = Tissues.MUSCLE


def smoothNoise(canvas: Canvas, lengths: Sequence[float], random: np.random.Generator) -> Array:
    """Noise with structures of so many mm along x, y and z, of the canvas' shape; its deviation is below 1."""
    coarse = [max(2, int(n * canvas.spacing / length))
              for n, length in zip(canvas.tissues.shape, lengths, strict=True)]
    rough = torch.from_numpy(random.normal(0, 1, (1, 1, *coarse)).astype(np.float32))
    noise = functional.interpolate(rough, size=canvas.tissues.shape, mode="trilinear", align_corners=True)
    return noise[0, 0].numpy()


def fillMuscle(canvas: Canvas, points: Points, radii: ArrayLike, stretch: Sequence[float], wobble: Wobble,
               fat: float = 1.2, over: Sequence[int] = FLESH) -> None:
    """A muscle in its fat plane.

    :param points: its course, shape (n, 3), mm.
    :param radii: mm, one for all or one a point.
    :param fat: mm.
    :param over: codes that may be overwritten.
    """
    radii = np.asarray(radii)
    canvas.fill(smoothTube(points, radii + fat, stretch, 2), Tissues.FAT, wobble=wobble, over=over)
    canvas.fill(smoothTube(points, radii, stretch, 2), Tissues.MUSCLE, wobble=wobble, over=over)
