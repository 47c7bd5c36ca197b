"""CTs whose spacing is misstated, or whose stack lacks slices, with the shipped weights."""

import numpy as np
import pytest
import SimpleITK as sitk
from goldenResults import GOLDEN

from CervicalSpineDetectionLib import Pipeline
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Looks import Examination
from CervicalSpineDetectionLib.Pipeline import detectVertebrae
from CervicalSpineDetectionLib.Results.ResultJson import toJson
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector


@pytest.fixture(scope="module")
def detector():
    return loadDetector(None, "cpu", precision="single")


@pytest.fixture(scope="module")
def ct():
    """A phantom of a large person, made a usual one."""
    return stretched(readImage(GOLDEN / "straight.nrrd"), 0.85)


def stretched(image, factors):
    other = sitk.Image(image)
    other.SetSpacing((np.array(image.GetSpacing()) * factors).tolist())
    return other


def sure(result):
    return [vertebra.level for vertebra in result.vertebrae if not vertebra.uncertain]


def test_aRightCtHasASizeAndNoWarning(ct, detector):
    result = detectVertebrae(ct, detector)
    scale = toJson(result)["scale"]

    assert result.warnings == [] and len(sure(result)) >= 6
    assert set(scale) == {"width", "depth", "height"} and all(0.8 < size < 1.2 for size in scale.values())


@pytest.mark.shows("Mended", "spacing misstated by 0.7 or less, 1.5 or more")
@pytest.mark.parametrize(("factors", "told"), [
    ((1, 1, 0.6), "check the voxel spacing of each axis"), ((1, 0.6, 1), "check the voxel spacing of each axis"),
    ((0.6, 0.6, 0.6), "unless the patient is a child"),
])
def test_aMisstatedSpacingIsToldInOneSentence(ct, detector, factors, told):
    result = detectVertebrae(stretched(ct, factors), detector)

    assert [told in warning for warning in result.warnings if "spacing" in warning] == [True]


@pytest.mark.shows("Mended", "all lengths doubled, so that nothing is found",
                   "a note that too large vertebrae are seen; nothing is shown")
@pytest.mark.parametrize("factor", [2.0, 2.3])
def test_aNeckOfAboutTwiceTheSizeIsToldInOneSentence(ct, detector, monkeypatch, factor):
    # Slow, and of no help here.
    monkeypatch.setattr(Examination, "_otherWayRound", lambda examination, look: look)

    result = detectVertebrae(stretched(ct, factor), detector)

    assert result.vertebrae == [] and result.warnings == [Pipeline.TOO_LARGE]


@pytest.mark.shows("Mended", "all lengths doubled, so that nothing is found")
@pytest.mark.parametrize("name", ["abdomen_totalsegmentator", "chest_aorta_totalsegmentator", "lumbar_sagittal_toshiba",
                                  "chest_lidc_ct"])
def test_otherPartsOfTheBodyAreNoNecksOfTwiceTheSize(sharedData, detector, name):
    image = readImage(sharedData / "other_regions" / f"{name}.nii.gz")

    assert not Examination(image, detector).isNeckOfHalfTheSize()


@pytest.mark.shows("Mended", "slices missing in a stacked file")
def test_whereSlicesAreMissingNoNameIsCertain(ct, detector):
    slices = ct.GetSize()[2]
    first, count = slices // 2, slices // 10
    image = sitk.GetImageFromArray(np.delete(sitk.GetArrayFromImage(ct), np.arange(first, first + count), axis=0))
    image.SetSpacing(ct.GetSpacing())
    image.SetDirection(ct.GetDirection())
    image.SetOrigin(ct.GetOrigin())

    result = detectVertebrae(image, detector)

    told = [warning for warning in result.warnings if "slices are missing" in warning]
    assert len(told) == 1 and f"between slices {first} and {first + 1} " in told[0]
    assert result.vertebrae and sure(result) == []


@pytest.mark.parametrize(("gap", "isTold"), [(0, False), (35, True), (60, True)])
def test_onlyAmongTheVertebraeAreMissingSlicesSpokenOf(ct, detector, monkeypatch, gap, isTold):
    monkeypatch.setattr(Pipeline, "abruptChange", lambda image, low, high: gap if low < gap + 0.5 < high else None)

    result = detectVertebrae(ct, detector)

    assert any("slices are missing" in warning for warning in result.warnings) == isTold
    assert bool(sure(result)) != isTold
