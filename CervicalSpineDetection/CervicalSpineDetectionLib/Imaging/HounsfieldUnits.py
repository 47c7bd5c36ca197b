"""Values of a CT in Hounsfield units, told by where its tissues lie, not by single extreme voxels."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Spine.Arrays import Array

MISSING_INTERCEPT = 1024.0
# Air is about -1000 HU: what lies below this is padding.
LOWEST_HU = -1500.0
NO_AIR_HU = -200.0  # no part of a body but lungs and airways, and nothing around it, is as light
# Fat to muscle and blood with contrast medium; fat alone, muscle and brain alone; spongy bone; all that is neither air
# nor lung.
SOFT_TISSUE_HU, FAT_HU, MUSCLE_HU, SPONGY_BONE_HU, BODY_HU = (
    (-200.0, 200.0), (-150.0, -50.0), (0.0, 100.0), (624.0, 724.0), -700.0)
# Of 285 CTs of heads, necks and trunks with 1024 added, all were told with up to 80 HU of noise, 282 with 120 and 264
# with 150; of 756 made MRs, whose grey values were spread to lie just there, 17 were taken for such a CT. In CTs in HU
# those values are dense bone, at most 0.34 of the body. Fat and muscle are half of the soft tissue where values are
# even; in CTs 0.53 and more, or muscle stands out 15 times and more against what would be spongy bone in HU.
LEAST_SOFT_TISSUE, LEAST_VOXELS = 0.5, 0.05
LEAST_PURE_TISSUE, LEAST_PROMINENCE, CLEAR_PROMINENCE = 0.53, 2.5, 15.0
# Bone reaches 1000 HU and more; where so many voxels share a lower highest value it was cut off there.
BONE_HU, CUT_OFF_SHARE, CUT_OFF_VOXELS, CUT_OFF_HU = 1000.0, 1e-3, 10, 40.0
MANY = 0.05  # of the voxels with the lowest value, where there is no air: cut off, or masked
# Where at most half of the bones is. Of 288 CTs in HU none has values below the lowest HU but padding, and at most 0.09
# of the values of any are as dense.
DENSE_BONE_HU, MANY_DENSE = 600.0, 0.3


def correctHuOffset(image: sitk.Image) -> tuple[sitk.Image, str | None]:
    """Undo a missing rescale intercept: some scanners' files hold HU + 1024 with intercept 0.

    :param image: sitk image in supposed HU.
    :return: (image in HU, warning or None; a warning too where the values can't be those of a whole CT in HU).
    """
    voxels = sitk.GetArrayViewFromImage(image)[::4, ::4, ::4].ravel()
    if _softTissueLiesAt(voxels, MISSING_INTERCEPT):
        return sitk.Cast(image, sitk.sitkFloat32) - MISSING_INTERCEPT, (
            f"The values look like HU + {MISSING_INTERCEPT:.0f} (rescale intercept missing); "
            f"{MISSING_INTERCEPT:.0f} was subtracted."
        )
    return image, _doubtOf(voxels)


def _softTissueLiesAt(voxels: Array, offset: float) -> bool:
    """The values are HU with an offset: muscle and fat are most of the body, and stand out, there.

    :param voxels: shape (n,).
    """
    # Padding and clipping put many voxels on the outermost values.
    inner = voxels[(voxels > max(voxels.min(), LOWEST_HU)) & (voxels < voxels.max())].astype(np.float32) - offset
    if not len(inner):
        return False

    def share(lower: float, upper: float, shift: float = 0.0) -> float:
        return float(np.mean((inner >= lower + shift) & (inner < upper + shift)))

    softTissue = share(*SOFT_TISSUE_HU)
    muscle, bone = share(*MUSCLE_HU), share(*SPONGY_BONE_HU, -offset)
    isPure = share(*FAT_HU) + muscle > LEAST_PURE_TISSUE * softTissue or muscle > CLEAR_PROMINENCE * bone
    return (isPure and muscle > LEAST_PROMINENCE * bone
            and softTissue > max(LEAST_VOXELS, LEAST_SOFT_TISSUE * share(BODY_HU, np.inf)))


def _doubtOf(voxels: Array) -> str | None:
    """What the values look like where they are not those of a whole CT in HU, else None."""
    lowest, highest = float(voxels.min()), float(voxels.max())
    low, high = (float(np.mean(voxels == value)) for value in (lowest, highest))
    if not (voxels[voxels >= LOWEST_HU] < NO_AIR_HU).any():
        ends = [f"{100 * share:.0f} % of the voxels have the {name} value" for share, name in (
            (low, "lowest"), (high, "highest")) if share > MANY]
        cutOff = f"; {' and '.join(ends)}, as where a range was cut off" if ends else ""
        return (f"The values run from {lowest:g} to {highest:g}, without air (-1000 HU){cutOff}: they look like grey "
                "levels, a cut range of HU or an MR rather than HU. Give the original CT, or check every level.")
    # Padding has one value.
    inner = voxels[(voxels > lowest) & (voxels < highest)]
    tooLow, tooHigh = ((float(np.mean(part)) if len(inner) else 0.0) for part in (
        inner < LOWEST_HU, inner > DENSE_BONE_HU))
    if tooLow > MANY or tooHigh > MANY_DENSE:
        return (f"{100 * tooLow:.0f} % of the values are below {LOWEST_HU:.0f} HU and {100 * tooHigh:.0f} % above "
                f"{DENSE_BONE_HU:.0f} HU, as in no body: the values are no HU (inverted, scaled, shifted or of another "
                "byte order). Give the original CT.")
    # Bone has all values: where a range was cut, many lie just below its end too.
    below = float(np.mean((voxels < highest) & (voxels >= highest - CUT_OFF_HU)))
    if high > max(CUT_OFF_SHARE, CUT_OFF_VOXELS / len(voxels)) and highest < BONE_HU and below > CUT_OFF_SHARE:
        return (f"Bone is cut off at {highest:g} HU ({100 * high:.1f} % of the voxels have this highest value). Give "
                "the original CT, or check every level.")
    return None
