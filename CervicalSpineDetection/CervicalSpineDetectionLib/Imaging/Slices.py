"""Sagittal volume -> 8-bit pictures for the detector."""

import numpy as np

from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume
from CervicalSpineDetectionLib.Spine.Arrays import Array


def windowed(volume: SagittalVolume, window: tuple[float, float]) -> Array:
    """Clip HU to a window.

    :param volume: SagittalVolume.
    :param window: (lower, upper) HU, mapped to 0 and 255.
    :return: uint8, shape (slices, rows, columns).
    """
    lower, upper = window
    scaled = (volume.voxels - lower) * (255.0 / (upper - lower))
    return np.clip(scaled, 0, 255).astype(np.uint8)


def withNeighbours(pictures: Array) -> Array:
    """2.5D: each slice with its two neighbours as channels, so that a 2D network sees depth.

    :param pictures: shape (slices, rows, columns).
    :return: shape (slices, 3, rows, columns): previous, own, next slice; the outermost slices repeat themselves.
    """
    padded = np.concatenate([pictures[:1], pictures, pictures[-1:]])
    return np.stack([padded[:-2], padded[1:-1], padded[2:]], axis=1)
