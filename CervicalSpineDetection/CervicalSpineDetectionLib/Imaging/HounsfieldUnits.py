"""Values of a CT in Hounsfield units."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk


def correctHuOffset(image: sitk.Image) -> tuple[sitk.Image, str | None]:
    """Undo a missing rescale intercept: some scanners' files hold HU + 1024 with intercept 0.

    :param image: sitk image in supposed HU.
    :return: (image in HU, warning or None).
    """
    voxels = sitk.GetArrayViewFromImage(image)[::4, ::4, ::4]
    if voxels.min() < -200:
        return image, None
    # Soft tissue lies near 0 to 100 HU; with the offset it is the large group near 1024 to 1124.
    softTissue = np.mean((voxels > 924) & (voxels < 1174))
    air = np.mean(voxels < 200)
    if softTissue > 0.05 and air > 0.05:
        return sitk.Cast(image, sitk.sitkFloat32) - 1024.0, (
            "The image holds HU + 1024 (rescale intercept missing); 1024 was subtracted."
        )
    return image, "The image has no values below -200 HU, so it may not be a CT in HU; check the levels with care."
