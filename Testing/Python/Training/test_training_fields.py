"""Fields of view and sources of training volumes: any part of the spine, with the truth of the whole vertebrae."""

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.Phantom import Tissues
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS
from CervicalSpineDetectionLib.Training.BoneSurfaces import spineOf, tissueOf, withTrunk
from CervicalSpineDetectionLib.Training.Dataset import madeVolume, randomField

SPACING = 3.0
HEIGHT = 24  # mm from one vertebra to the next


def blockSpine():
    """Tissue map of 24 vertebrae of 24 x 18 x 18 mm each with an arch behind its canal, C1 at the top."""
    count = len(SPINE_LEVELS)
    tissues = np.zeros((70, 90, (count + 4) * HEIGHT // 3), np.uint8)
    tissues[5:65, 10:80] = Tissues.SOFT_TISSUE
    for code in range(1, count + 1):
        top = tissues.shape[2] - 16 - (code - 1) * HEIGHT // 3
        z = slice(top - 6, top)
        tissues[31:39, 48:54, z] = code
        tissues[30:40, 59:63, z] = code
        tissues[[30, 39], 50:62, z] = code
    image = sitk.GetImageFromArray(np.ascontiguousarray(tissues.T))
    image.SetSpacing([SPACING] * 3)
    centres = {level: np.array([34.5, 50.5, tissues.shape[2] - 19.5 - index * HEIGHT / 3]) * SPACING
               for index, level in enumerate(SPINE_LEVELS)}
    return Tissues.TissueMap(image, centres)


@pytest.fixture(scope="module")
def spine():
    return blockSpine()


@pytest.mark.parametrize("name, code", [
    ("C4", 4), ("T4", 11), ("Fifth_thoracic_vertebra", 12), ("Twelfth_thoracic_vertebra", 19),
    ("First_lumbar_vertebra", 20), ("Fifth_lumbar_vertebra", 24), ("Left_first_rib", Tissues.BONE),
    ("Intervertebral_disk_of_fifth_lumbar_vertebra", Tissues.DISC),
])
def test_aSurfaceIsKnownByItsName(name, code):
    assert tissueOf(name) == code


def test_theFramesOfASpineLookUpwards(spine):
    made = spineOf(spine)
    for level in SPINE_LEVELS:
        rotation = made.frames[level].rotation
        assert np.allclose(rotation, np.eye(3), atol=0.05), level
    assert made.frames["S1"].origin[2] < made.frames["L5"].origin[2]


def test_aTrunkIsLaidAboutTheBonesWithoutChangingThem(spine):
    middle = spine.centres["T9"][2]
    part = withTrunk(spine, np.random.default_rng(0), middle, 380)
    voxels = sitk.GetArrayFromImage(part.tissues).T
    offset = round((part.tissues.GetOrigin()[2] - spine.tissues.GetOrigin()[2]) / SPACING)
    before = sitk.GetArrayFromImage(spine.tissues).T[:, :, offset : offset + voxels.shape[2]]
    vertebra = before <= Tissues.LAST_VERTEBRA
    vertebra &= before > 0
    assert np.array_equal(voxels[vertebra], before[vertebra])
    assert not ((voxels > 0) & (voxels <= Tissues.LAST_VERTEBRA) & ~vertebra).any()
    for code in (Tissues.LUNG, Tissues.HEART, Tissues.BONE, Tissues.VESSEL, Tissues.SPINAL_CANAL):
        assert (voxels == code).any(), code
    assert "T9" in part.centres and "C1" not in part.centres and "L5" not in part.centres


def test_aFieldOfViewIsAnyPartThatShowsBone(spine):
    tissues = sitk.GetArrayFromImage(spine.tissues).T
    bone = (tissues > 0) & (tissues <= Tissues.LAST_VERTEBRA)
    random = np.random.default_rng(1)
    topmost, sizes = [], []
    for _ in range(300):
        field = randomField(tissues, SPACING, random)
        shown = tissues[field]
        assert bone[field].sum() * SPACING**3 >= 4000
        topmost.append(int(shown[bone[field]].min()))
        sizes.append(shown.shape)
    sizes = np.array(sizes)
    whole = np.array(tissues.shape)
    assert set(topmost) >= set(range(1, 20))  # the upper edge goes through anything
    assert 0.2 < (sizes[:, 2] == whole[2]).mean() < 0.8 and (sizes[:, 2] * SPACING).min() < 120
    assert (sizes[:, 0] < whole[0]).mean() > 0.1 and (sizes[:, 1] < whole[1]).mean() > 0.15


def test_theMiddleOfAVertebraIsKnownWhereTheFieldShowsItsSideOnly(spine):
    """Bodies are told from processes by the canal's middle; a narrow field beside it must not move that."""
    tissues = sitk.GetArrayFromImage(spine.tissues).T
    pivot = spine.centres["C6"] / SPACING
    for seed in range(4):
        random = np.random.default_rng(seed)
        ct, labels, middles = madeVolume(tissues, SPACING, pivot, random, (70, 90, 120), bending=0.0)
        codes = set(np.unique(sitk.GetArrayViewFromImage(labels)).tolist()) - {0}
        assert codes and codes <= set(middles)
        lower = np.array(ct.GetOrigin()) - np.array(ct.GetSpacing()) / 2
        upper = lower + np.array(ct.GetSize()) * ct.GetSpacing()
        assert np.allclose(lower, np.array(labels.GetOrigin()) - np.array(labels.GetSpacing()) / 2)
        assert np.allclose(upper, lower + np.array(labels.GetSize()) * labels.GetSpacing())
        assert np.ptp([middles[code] for code in middles]) < 30
