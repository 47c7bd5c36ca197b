"""Values of a CT in Hounsfield units, told by where its tissues lie, not by single extreme voxels."""

from __future__ import annotations

from dataclasses import dataclass

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
    found = _Values.of(sitk.GetArrayViewFromImage(image)[::4, ::4, ::4])
    if _softTissueLiesAt(found, MISSING_INTERCEPT):
        return sitk.Cast(image, sitk.sitkFloat32) - MISSING_INTERCEPT, (
            f"The values look like HU + {MISSING_INTERCEPT:.0f} (rescale intercept missing); "
            f"{MISSING_INTERCEPT:.0f} was subtracted."
        )
    return image, _doubtOf(found)


@dataclass(frozen=True)
class _Values:
    """Which values voxels have, and how many each. :param values, counts: shape (n,)."""

    values: Array
    counts: Array

    @classmethod
    def of(cls, voxels: Array) -> _Values:
        if voxels.dtype != np.int16:
            return cls(voxels.ravel(), np.ones(voxels.size, np.int64))
        lowest = int(np.iinfo(np.int16).min)
        counts = np.bincount(voxels.ravel().astype(np.int32) - lowest)
        seen = np.flatnonzero(counts)
        return cls(seen + lowest, counts[seen])

    @property
    def count(self) -> int:
        return int(self.counts.sum())

    def where(self, chosen: Array) -> _Values:
        return _Values(self.values[chosen], self.counts[chosen])

    def share(self, chosen: Array) -> float:
        """Of the voxels; 0 where there are none."""
        return float(self.counts[chosen].sum() / max(self.count, 1))


def _softTissueLiesAt(found: _Values, offset: float) -> bool:
    """The values are HU with an offset: muscle and fat are most of the body, and stand out, there."""
    values = found.values
    # Padding and clipping put many voxels on the outermost values.
    inner = found.where((values > max(values.min(), LOWEST_HU)) & (values < values.max()))
    if not inner.count:
        return False
    corrected = inner.values.astype(np.float32) - offset

    def share(lower: float, upper: float, shift: float = 0.0) -> float:
        return inner.share((corrected >= lower + shift) & (corrected < upper + shift))

    softTissue = share(*SOFT_TISSUE_HU)
    muscle, bone = share(*MUSCLE_HU), share(*SPONGY_BONE_HU, -offset)
    isPure = share(*FAT_HU) + muscle > LEAST_PURE_TISSUE * softTissue or muscle > CLEAR_PROMINENCE * bone
    return (isPure and muscle > LEAST_PROMINENCE * bone
            and softTissue > max(LEAST_VOXELS, LEAST_SOFT_TISSUE * share(BODY_HU, np.inf)))


def _doubtOf(found: _Values) -> str | None:
    """What the values look like where they are not those of a whole CT in HU, else None."""
    values = found.values
    lowest, highest = float(values.min()), float(values.max())
    low, high = (found.share(values == value) for value in (lowest, highest))
    if not ((values >= LOWEST_HU) & (values < NO_AIR_HU)).any():
        ends = [f"{100 * share:.0f} % of the voxels have the {name} value" for share, name in (
            (low, "lowest"), (high, "highest")) if share > MANY]
        cutOff = f"; {' and '.join(ends)}, as where a range was cut off" if ends else ""
        return (f"The values run from {lowest:g} to {highest:g}, without air (-1000 HU){cutOff}: they look like grey "
                "levels, a cut range of HU or an MR rather than HU. Give the original CT, or check every level.")
    # Padding has one value.
    inner = found.where((values > lowest) & (values < highest))
    tooLow, tooHigh = inner.share(inner.values < LOWEST_HU), inner.share(inner.values > DENSE_BONE_HU)
    if tooLow > MANY or tooHigh > MANY_DENSE:
        return (f"{100 * tooLow:.0f} % of the values are below {LOWEST_HU:.0f} HU and {100 * tooHigh:.0f} % above "
                f"{DENSE_BONE_HU:.0f} HU, as in no body: the values are no HU (inverted, scaled, shifted or of another "
                "byte order). Give the original CT.")
    # Bone has all values: where a range was cut, many lie just below its end too.
    below = found.share((values < highest) & (values >= highest - CUT_OFF_HU))
    if high > max(CUT_OFF_SHARE, CUT_OFF_VOXELS / found.count) and highest < BONE_HU and below > CUT_OFF_SHARE:
        return (f"Bone is cut off at {highest:g} HU ({100 * high:.1f} % of the voxels have this highest value). Give "
                "the original CT, or check every level.")
    return None
