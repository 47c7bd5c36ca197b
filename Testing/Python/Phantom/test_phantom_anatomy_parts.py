"""Parts of the made anatomy beside the vertebrae, and the scatter of its individuals."""

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.Phantom import Tissues
from CervicalSpineDetectionLib.Phantom.Anatomy import makeAnatomy
from CervicalSpineDetectionLib.Phantom.Morphometry import MEAN_SIZES, randomIndividual
from CervicalSpineDetectionLib.Spine.Levels import levelIndex


@pytest.fixture(scope="session")
def anatomy():
    """(codes along x, y, z; level -> centre as index)."""
    tissueMap = makeAnatomy(np.random.default_rng(2))
    image = tissueMap.tissues
    centres = {level: np.rint(image.TransformPhysicalPointToContinuousIndex(centre.tolist())).astype(int)
               for level, centre in tissueMap.centres.items()}
    return sitk.GetArrayFromImage(image).T, centres


@pytest.fixture(scope="session")
def people():
    return [randomIndividual(np.random.default_rng(seed)) for seed in range(200)]


def voxels(codes, level):
    return np.argwhere(codes == levelIndex(level) + Tissues.FIRST_VERTEBRA)


@pytest.mark.parametrize("code", [Tissues.BONE, Tissues.TEETH, Tissues.BRAIN, Tissues.LUNG, Tissues.THYROID,
                                  Tissues.MUSCLE, Tissues.FAT, Tissues.TABLE])
def test_tissue_is_present(anatomy, code):
    assert (anatomy[0] == code).sum() > 300


def test_spinous_process_of_c7_reaches_further_back_than_that_of_c4(anatomy):
    codes, centres = anatomy
    reach = {level: voxels(codes, level)[:, 1].max() - centres[level][1] for level in ("C4", "C7")}
    assert reach["C7"] > reach["C4"] + 6


def test_canal_is_wide_enough_for_the_cord_in_every_slice_from_c1_to_t4(anatomy):
    codes, centres = anatomy
    for z in range(centres["T4"][2], centres["C1"][2]):
        canal = np.argwhere(codes[:, :, z] == Tissues.SPINAL_CANAL)
        x, y = np.rint(np.median(canal, axis=0)).astype(int)
        assert np.all(codes[x - 4 : x + 5, y - 3 : y + 4, z] == Tissues.SPINAL_CANAL), z


@pytest.mark.parametrize("level", ["C3", "C4", "C5", "C6"])
@pytest.mark.parametrize("side", [-1, 1])
def test_vertebral_arteries_pass_through_closed_transverse_foramina(anatomy, level, side):
    codes, centres = anatomy
    bone = codes == levelIndex(level) + Tissues.FIRST_VERTEBRA
    wing = voxels(codes, level)
    wing = wing[(wing[:, 0] - centres[level][0]) * side > 8]
    lower, upper = wing.min(axis=0), wing.max(axis=0) + 1
    box = tuple(slice(a, b) for a, b in zip(lower, upper, strict=True))
    vessel = np.argwhere(codes[box] == Tissues.VESSEL)
    # Bone stands beyond the artery on all four sides at some height of the vertebra.
    enclosed = [bone[box][: i, j, :].any() and bone[box][i + 1 :, j, :].any()
                and bone[box][i, :j, :].any() and bone[box][i, j + 1 :, :].any() for i, j, _ in vessel]
    assert any(enclosed)


def test_ribs_meet_the_thoracic_but_not_the_cervical_vertebrae(anatomy):
    codes, centres = anatomy
    beside = {}
    for level in ("C6", "T2"):
        x, _, z = centres[level]
        beside[level] = (codes[x + 18 : x + 60, :, z - 6 : z + 7] == Tissues.BONE).sum()
    assert beside["T2"] > 300 > beside["C6"]


def test_nothing_of_the_body_lies_behind_the_table(anatomy):
    codes, _ = anatomy
    table = np.argwhere(codes == Tissues.TABLE)[:, 1].max()
    assert not np.isin(codes[:, table + 1 :], (Tissues.AIR, Tissues.TABLE), invert=True).any()


@pytest.mark.parametrize("level", MEAN_SIZES)
def test_individuals_scatter_about_the_published_means(people, level):
    widths = np.array([person.sizes[level].transverseWidth for person in people])
    assert widths.mean() == pytest.approx(MEAN_SIZES[level].transverseWidth, rel=0.03)
    assert 0.04 < widths.std() / widths.mean() < 0.12


def test_discs_wear_at_c5_and_are_spared_at_c7(people):
    kept = {level: np.mean([person.sizes[level].disc for person in people]) / MEAN_SIZES[level].disc
            for level in ("C5", "C7")}
    assert kept["C5"] < kept["C7"] - 0.1


def test_some_individuals_have_a_fused_pair_or_a_cervical_rib(people):
    fused = sum(any(wear.fused for wear in person.wear.values()) for person in people)
    ribs = sum(any(person.cervicalRib) for person in people)
    assert 0 < fused < 0.25 * len(people)
    assert 0 < ribs < 0.15 * len(people)
