"""Phantoms below the neck: the vertebrae in order and of human size, ribs at the chest, and what lies around."""

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.Phantom import Tissues
from CervicalSpineDetectionLib.Phantom.Anatomy import makeAnatomy
from CervicalSpineDetectionLib.Phantom.Morphometry import MEAN_SIZES, randomIndividual
from CervicalSpineDetectionLib.Phantom.Spine import randomSpine
from CervicalSpineDetectionLib.Phantom.Torso import Torso
from CervicalSpineDetectionLib.Phantom.TorsoBones import RIB_DROP, ribs
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS

TRUNK = SPINE_LEVELS[7:]
# Half heights, so that one canvas of 2 mm voxels is made in a few seconds.
SPACING = 2.0


class Anatomy:
    def __init__(self, region, seed):
        self.map = makeAnatomy(np.random.default_rng(seed), SPACING, region)
        self.tissues = sitk.GetArrayFromImage(self.map.tissues).T
        self.indices = {level: np.rint(self.map.tissues.TransformPhysicalPointToContinuousIndex(centre.tolist())
                                       ).astype(int) for level, centre in self.map.centres.items()}

    def whole(self):
        """Levels of which nothing can be cut off by the canvas."""
        return [level for level, index in self.indices.items() if level in TRUNK
                and 40 < index[2] < self.tissues.shape[2] - 35]

    def around(self, level, half):
        """Tissue codes in a slab of the level's height."""
        z = self.indices[level][2]
        return self.tissues[:, :, z - half : z + half + 1]


@pytest.fixture(scope="module", params=["chest", "abdomen", "pelvis"])
def anatomy(request):
    return Anatomy(request.param, 5)


@pytest.fixture(scope="module")
def chest():
    return Anatomy("chest", 6)


@pytest.fixture(scope="module")
def abdomen():
    return Anatomy("abdomen", 6)


@pytest.fixture(scope="module")
def pelvis():
    return Anatomy("pelvis", 6)


def spine(seed):
    random = np.random.default_rng(seed)
    return randomSpine(randomIndividual(random), random)


def test_vertebraeFollowEachOtherDownwards(anatomy):
    found = [level for level in SPINE_LEVELS if level in anatomy.indices]
    first = SPINE_LEVELS.index(found[0])
    assert tuple(found) == SPINE_LEVELS[first : first + len(found)] and len(found) >= 5
    heights = [anatomy.indices[level][2] for level in found]
    assert all(upper > lower for upper, lower in zip(heights, heights[1:], strict=False))


def test_aVertebraIsOnePieceAboutItsCentre(anatomy):
    for level in anatomy.whole():
        code = SPINE_LEVELS.index(level) + 1
        mask = (anatomy.tissues == code).astype(np.uint8)
        assert sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(mask))).max() == 1, level
        assert anatomy.tissues[tuple(anatomy.indices[level])] == code, level


def test_vertebraeHaveTheVolumesOfHumanOnes(anatomy):
    """With processes, from about 25 ml at T4 to 80 ml at L4 for adults (Limthongkul et al., Spine J 2010; 10: 153, give
    15 to 35 ml for the bodies alone)."""
    for level in anatomy.whole():
        volume = (anatomy.tissues == SPINE_LEVELS.index(level) + 1).sum() * SPACING**3 / 1000
        least, most = (28, 140) if level.startswith("L") else (12, 95)
        assert least < volume < most, (level, volume)


def test_neighbouringBodiesAreAsFarApartAsPublishedSizesSay():
    for seed in range(6):
        made = spine(seed)
        scale = made.individual.scale
        for upper, lower in zip(TRUNK, TRUNK[1:], strict=False):
            expected = (MEAN_SIZES[upper].height + MEAN_SIZES[lower].height) / 2 + MEAN_SIZES[upper].disc
            assert 0.6 * expected * scale < made.distanceAbove(lower) < 1.35 * expected * scale, (seed, lower)


def test_chestAndLoinsCurveAsHumansDo():
    """Kyphosis of T1 to T12 and lordosis of L1 to S1, each about 20 to 80 degrees (Vialle et al. 2005)."""
    def lean(made, level):
        axis = made.frames[level].rotation[:, 2]
        return np.degrees(np.arctan2(axis[1], axis[2]))  # to the back

    for seed in range(20):
        made = spine(seed)
        kyphosis = lean(made, "T12") - lean(made, "T1")
        lordosis = lean(made, "L1") - lean(made, "S1")
        assert 10 < kyphosis < 75, (seed, kyphosis)
        assert 15 < lordosis < 95, (seed, lordosis)


def test_eachThoracicVertebraBearsAPairOfRibs():
    random = np.random.default_rng(3)
    made = spine(3)
    torso = Torso(made, random)
    bones, _ = ribs(torso, random, 1)
    starts = np.array([bone.start for bone in bones])
    for number in range(1, len(RIB_DROP) + 1):
        size = made.sizes[f"T{number}"]
        for side in (-1, 1):
            body = made.point(f"T{number}", [side * size.upperWidth / 2, size.depth * 0.3, size.height * 0.3])
            assert np.linalg.norm(starts - body, axis=1).min() < 8, (number, side)
    lumbar = [made.frames[level].origin for level in ("L2", "L3", "L4", "L5")]
    for place in lumbar:
        assert np.linalg.norm(starts - place, axis=1).min() > 40


def test_ribsStandAtTheChestOnly(chest, abdomen):
    """Bone beside the vertebrae, at the height of the bodies."""
    def beside(anatomy, level):
        x = anatomy.indices[level][0]
        slab = anatomy.around(level, 10)
        return (slab[max(x - 48, 0) : x - 25] == Tissues.BONE).sum(), (slab[x + 26 : x + 49] == Tissues.BONE).sum()

    assert min(beside(chest, "T7")) > 50 and min(beside(chest, "T9")) > 50
    assert max(beside(abdomen, "L3")) == 0


def test_lungsAirTheChestAndEndAtTheDiaphragm(chest, abdomen):
    air = (chest.around("T6", 3) == Tissues.LUNG).mean()
    assert 0.1 < air < 0.6
    assert not (abdomen.around("L3", 3) == Tissues.LUNG).any()
    assert (chest.tissues == Tissues.HEART).sum() * SPACING**3 > 150_000  # about 300 ml and more


def test_theAortaRunsDownInFrontOfTheSpine(chest, abdomen):
    for anatomy, level in ((chest, "T9"), (abdomen, "L2")):
        x, y, z = anatomy.indices[level]
        vessel = np.argwhere(anatomy.tissues[x - 20 : x + 21, : y - 3, z] == Tissues.VESSEL)
        assert len(vessel) > 15 and vessel[:, 1].max() > y - 35, level


def test_organsLieWhereTheyBelong(abdomen):
    x, y, z = abdomen.indices["L1"]
    liver = np.argwhere(abdomen.tissues == Tissues.LIVER)
    assert (liver[:, 0] < x).mean() > 0.6  # on the right
    kidneys = np.argwhere(abdomen.tissues == Tissues.KIDNEY)
    assert (kidneys[:, 0] < x - 10).any() and (kidneys[:, 0] > x + 10).any()
    assert abs(np.median(kidneys[:, 1]) - y) < 25 and abs(np.median(kidneys[:, 2]) - z) < 50


def test_theSacrumFollowsTheLastVertebraAndHipsStandBesideIt(pelvis):
    x, y, z = pelvis.indices["L5"]
    below = pelvis.tissues[x - 8 : x + 9, y - 15 : y + 30, max(z - 45, 0) : z - 14]
    assert (below == Tissues.BONE).sum() > 1500
    sides = pelvis.tissues[:, :, max(z - 40, 0) : z]
    assert (sides[: x - 25] == Tissues.BONE).sum() > 300 and (sides[x + 26 :] == Tissues.BONE).sum() > 300


def test_theCanalIsOpenFromTheChestToTheSacrum(chest, abdomen):
    for anatomy, level in ((chest, "T6"), (chest, "T9"), (abdomen, "T12"), (abdomen, "L2"), (abdomen, "L4")):
        x, y, z = anatomy.indices[level]
        behind = anatomy.tissues[x - 2 : x + 3, y : y + 22, z]
        assert (behind == Tissues.SPINAL_CANAL).any(axis=1).sum() >= 3, level


def test_theCavityIsWhollyFilled(anatomy):
    assert not (anatomy.tissues == Tissues.CAVITY).any()


def test_theSameSeedGivesTheSameTrunk(chest):
    again = Anatomy("chest", 6)
    assert np.array_equal(again.tissues, chest.tissues)
