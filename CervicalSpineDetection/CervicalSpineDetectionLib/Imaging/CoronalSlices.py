"""Coronal slices: the sagittal ones of a frame that stands a quarter turned beside the patient's."""

from __future__ import annotations

import numpy as np

from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume, emptyGrid
from CervicalSpineDetectionLib.Spine.Frame import Frame

# From slice to slice to the patient's back, within a slice to the right and down.
CORONAL = Frame(np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]), np.zeros(3))
CORONAL_SPACING_MM = 3.0  # between slices; chosen


def coronalGrid(volume: SagittalVolume) -> SagittalVolume:
    """Coronal slices over all of a volume, without voxels, in the frame ``CORONAL`` of its own frame."""
    last = (np.array(volume.voxels.shape) - 1) * volume.spacing
    corners = CORONAL.fromCt(volume.offsetToLps(np.array([np.zeros(3), last])))
    low, high = corners.min(axis=0), corners.max(axis=0)
    spacing = np.array([CORONAL_SPACING_MM, volume.pixelSize, volume.pixelSize])
    shape = np.ceil((high - low)[[0, 2, 1]] / spacing).astype(int) + 1
    return emptyGrid(shape, np.array([low[0], low[1], high[2]]), volume.pixelSize, CORONAL_SPACING_MM)
