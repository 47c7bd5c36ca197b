"""The CT of the benchmark where none is given."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom

SEED = 17
SIZE = (512, 512, 300)
SPACING = (0.5, 0.5, 1.0)


def writeSampleCt(path, size=SIZE, spacing=SPACING, seed=SEED):
    """Write a phantom on the grid of a usual neck CT; air around it.

    :param path: image file.
    """
    ct = makePhantom(seed).ct
    middle = np.array(ct.TransformContinuousIndexToPhysicalPoint(((np.array(ct.GetSize()) - 1) / 2).tolist()))
    origin = middle - (np.array(size) - 1) / 2 * spacing
    resampled = sitk.Resample(ct, size, sitk.Transform(), sitk.sitkLinear, origin.tolist(), spacing,
                              np.eye(3).ravel().tolist(), -1024)
    sitk.WriteImage(resampled, str(path))
