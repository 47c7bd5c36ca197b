import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import find_objects, label

from CervicalSpineDetectionLib.Phantom import Tissues
from CervicalSpineDetectionLib.Phantom.Anatomy import makeAnatomy
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, levelIndex

BODIES = LEVELS[1:]


class Anatomy:
    """A made anatomy with its voxels along x, y, z and its centres as voxel indices."""

    def __init__(self, seed, spacing=1.0):
        self.map = makeAnatomy(np.random.default_rng(seed), spacing)
        self.tissues = sitk.GetArrayFromImage(self.map.tissues).T
        self.indices = {level: self._index(centre) for level, centre in self.map.centres.items()}

    def _index(self, centre):
        return np.rint(self.map.tissues.TransformPhysicalPointToContinuousIndex(centre.tolist())).astype(int)

    def extent(self, level):
        found = np.argwhere(self.tissues == levelIndex(level) + 1)
        return found.min(0), found.max(0) + 1

    def column(self, level):
        """Tissue codes along y through the centre, from front to back, and the centre's place in them."""
        x, y, z = self.indices[level]
        return self.tissues[x, :, z], y


@pytest.fixture(scope="module", params=[11, 12])
def anatomy(request):
    return Anatomy(request.param)


def test_everyLevelIsOneConnectedPiece(anatomy):
    for level, box in zip(LEVELS, find_objects(anatomy.tissues, len(LEVELS)), strict=True):
        assert label(anatomy.tissues[box] == levelIndex(level) + 1)[1] == 1, level


def test_theMapHasLPSAxes(anatomy):
    image = anatomy.map.tissues
    assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert image.GetSpacing() == (1, 1, 1)
    lower, upper = anatomy.extent("C7")
    before, behind = anatomy.indices["C7"][1] - lower[1], upper[1] - anatomy.indices["C7"][1]
    assert behind > 3 * before  # the spinous process points to larger y
    assert anatomy.indices["C1"][2] > anatomy.indices["T1"][2]


def test_everyBodyHoldsItsCentre(anatomy):
    assert set(anatomy.map.centres) >= set(LEVELS)
    for level in BODIES:
        assert anatomy.tissues[tuple(anatomy.indices[level])] == levelIndex(level) + 1, level


def test_theCentreOfTheAtlasIsHalfwayBetweenItsArches(anatomy):
    x, y, z = anatomy.indices["C1"]
    arches = np.argwhere((anatomy.tissues[x - 2 : x + 3] == 1).any(axis=0))
    assert anatomy.tissues[x, y, z] != 1
    assert np.abs((arches.min(0) + arches.max(0)) / 2 - [y, z]).max() <= 4


def test_levelsFollowEachOtherAtPublishedDistances(anatomy):
    """Disc and body heights: Gilad and Nissan 1986, Panjabi et al. 1991; size and wear vary by a third."""
    centres = [anatomy.map.centres[level] for level in LEVELS]
    steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    assert np.all(np.diff([centre[2] for centre in centres]) < 0)
    assert 16 < steps[0] < 33
    assert np.all((steps[1:7] > 10) & (steps[1:7] < 26))
    assert np.all((steps[7:] > 14) & (steps[7:] < 28))


@pytest.mark.parametrize("level, width, depth, height", [
    ("C1", (60, 105), (36, 62), (14, 40)),
    ("C2", (44, 74), (42, 75), (32, 64)),
    ("C4", (44, 75), (37, 63), (18, 40)),
    ("C7", (52, 90), (50, 92), (20, 50)),
    ("T1", (60, 98), (52, 95), (25, 54)),
])
def test_wholeVertebraeHaveThePublishedSizes(anatomy, level, width, depth, height):
    lower, upper = anatomy.extent(level)
    for length, (least, most) in zip(upper - lower, (width, depth, height), strict=True):
        assert least <= length <= most, (level, upper - lower)


def test_theDensStandsBetweenTheAnteriorArchAndTheCanal(anatomy):
    lower, upper = anatomy.extent("C1")
    _, top = anatomy.extent("C2")
    x, y, z = anatomy.indices["C1"]
    # Where the neck leans forward, the spinous process of C2 reaches this height too, behind the canal.
    dens = np.argwhere(anatomy.tissues[x - 8 : x + 9, : y + 10, z] == 2)[:, 1]
    assert lower[1] < dens.min() and dens.max() < y + 3
    assert lower[2] < top[2] <= upper[2] + 8
    behind = anatomy.tissues[x, dens.max() + 1 : dens.max() + 10, z]
    assert (behind == Tissues.SPINAL_CANAL).sum() >= 5


def test_behindEveryBodyTheCanalIsFreeOfBone(anatomy):
    for level in BODIES:
        line, y = anatomy.column(level)
        behind = line[y:]
        start = np.flatnonzero(behind != levelIndex(level) + 1)[0]
        bone = (behind <= Tissues.LAST_VERTEBRA) & (behind > 0) | (behind == Tissues.BONE)
        assert not bone[start : start + 9].any(), level
        assert (behind[start : start + 9] == Tissues.SPINAL_CANAL).sum() >= 5, level


def test_theCanalRunsWithoutAGapFromTheSkullToTheLastLevel(anatomy):
    canal = sitk.GetImageFromArray((anatomy.tissues == Tissues.SPINAL_CANAL).astype(np.uint8).T)
    pieces = sitk.GetArrayFromImage(sitk.ConnectedComponent(canal)).T
    ends = []
    for level in ("C1", "T4"):
        x, y, z = anatomy.indices[level]
        codes = pieces[x - 3 : x + 4, y - 5 : y + 30, z]
        ends.append(np.bincount(codes[codes > 0]).argmax())
    assert ends[0] == ends[1]


def test_betweenNeighbouringBodiesLiesADisc(anatomy):
    for upper, lower in zip(BODIES, BODIES[1:], strict=False):
        start, end = anatomy.indices[upper], anatomy.indices[lower]
        points = np.rint(np.linspace(start, end, 81)).astype(int)
        codes = anatomy.tissues[tuple(points.T)]
        gap = codes[(codes != levelIndex(upper) + 1) & (codes != levelIndex(lower) + 1)]
        # A fused pair has next to no gap.
        assert len(gap) / 81 * np.linalg.norm(end - start) < 1.5 or (gap == Tissues.DISC).mean() > 0.6, upper


def test_theAirwayLiesBeforeThePrevertebralSoftTissue(anatomy):
    """Penning, AJR 1981; 136: 553-561: up to 7 mm before C3, up to about 20 mm before C6 and C7."""
    for level, least, most in (("C3", 1.5, 11), ("C7", 5, 28)):
        line, y = anatomy.column(level)
        before = line[:y][::-1]
        front = np.flatnonzero(before != levelIndex(level) + 1)[0]
        gap = np.flatnonzero(before == Tissues.AIRWAY)[0] - front
        assert least <= gap <= most, (level, gap)


def test_skinCoversTheBody(anatomy):
    for level in ("C3", "C6"):
        x, _, z = anatomy.indices[level]
        line = anatomy.tissues[x, :, z]
        body = np.flatnonzero((line != Tissues.AIR) & (line != Tissues.TABLE))
        assert line[body[-1]] == Tissues.SKIN
        # The face may reach out of the field.
        assert line[body[0]] == Tissues.SKIN or body[0] == 0


def test_skullAndRibsAreBoneButNoVertebra(anatomy):
    x, y, z = anatomy.indices["C1"]
    assert (anatomy.tissues[:, :, z + 25 :] == Tissues.BONE).sum() > 5000
    assert not np.isin(anatomy.tissues[:, :, z + 35 :], range(1, Tissues.LAST_VERTEBRA + 1)).any()
    z = anatomy.indices["T2"][2]
    sides = np.delete(anatomy.tissues[:, :, z], range(x - 35, x + 36), axis=0)
    assert (sides == Tissues.BONE).sum() > 20


def test_theSameSeedGivesTheSameAnatomyBitForBit():
    first, second = (Anatomy(5, spacing=2.0) for _ in range(2))
    assert np.array_equal(first.tissues, second.tissues)
    assert first.map.tissues.GetOrigin() == second.map.tissues.GetOrigin()
    assert all(np.array_equal(first.map.centres[level], second.map.centres[level]) for level in LEVELS)


def test_anotherSeedGivesAnotherPersonAndPosture():
    def shape(seed):
        centres = Anatomy(seed, spacing=2.0).map.centres
        return np.diff([centres[level] for level in LEVELS], axis=0)

    # Origins are random too; steps from level to level tell persons and postures apart.
    assert np.abs(shape(5) - shape(6)).max() > 2
