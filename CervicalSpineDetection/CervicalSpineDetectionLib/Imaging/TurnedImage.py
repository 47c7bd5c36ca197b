"""The same voxels in another frame."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Frame import Frame


def middleOf(image: sitk.Image) -> Array:
    """LPS mm, shape (3,)."""
    return np.array(image.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in image.GetSize()]))


def turnedImage(image: sitk.Image, frame: Frame) -> sitk.Image:
    """The image with the header that it has in a frame; no voxel changes."""
    if frame.isCt:
        return image
    turned = sitk.Image(image)
    turned.SetDirection((frame.axes @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    turned.SetOrigin(frame.fromCt(np.array(image.GetOrigin())).tolist())
    return turned
