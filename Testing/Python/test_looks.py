"""CTs whose header turns the patient, or that are stored the wrong way round, with the shipped weights."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from goldenResults import GOLDEN

from CervicalSpineDetectionLib import Looks
from CervicalSpineDetectionLib.Fusion.MirrorPlane import MirrorPlane
from CervicalSpineDetectionLib.Imaging.HounsfieldUnits import correctHuOffset
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Imaging.Resampling import middleOf, turnedImage
from CervicalSpineDetectionLib.Looks import CLEAR_MIRROR, CLEARLY_SURER, Examination, Look, _glimpses, slicesOf
from CervicalSpineDetectionLib.Pipeline import detectVertebrae
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector
from CervicalSpineDetectionLib.Spine.Frame import Frame


class Counting:
    """A detector that counts the slices it is shown."""

    def __init__(self, detector):
        self._detector, self.slices = detector, 0

    def __getattr__(self, name):
        return getattr(self._detector, name)

    def detect(self, slices, progress=None):
        self.slices += len(slices)
        return self._detector.detect(slices, progress)


@pytest.fixture(scope="module")
def detector():
    return Counting(loadDetector(None, "cpu", precision="single"))


@pytest.fixture(scope="module")
def ct():
    return readImage(GOLDEN / "straight.nrrd")


@pytest.fixture(scope="module")
def straight(ct, detector):
    """Result of the CT as it is."""
    return detectVertebrae(ct, detector)


def turned(image, degrees):
    """(the same voxels with a turned header, the turn as matrix)."""
    turn = sitk.Euler3DTransform()
    turn.SetRotation(*np.deg2rad(np.array(degrees, float)))
    matrix = np.reshape(turn.GetMatrix(), (3, 3))
    return turnedImage(image, Frame(matrix, middleOf(image))), matrix


def sure(result):
    return [vertebra.level for vertebra in result.vertebrae if not vertebra.uncertain]


def test_aStraightCtIsLookedAtOnce(ct, detector, straight):
    detector.slices = 0
    result = detectVertebrae(ct, detector)
    assert len(sure(result)) >= 6 and not any("turned" in warning for warning in result.warnings)
    assert detector.slices == len(slicesOf(correctHuOffset(ct)[0], detector)[1])
    assert set(result.timings) == {"resample", "network", "fusion", "levels", "edges"}


@pytest.mark.shows("Mended", "a header that turns the patient", "examined along the spine, with a note")
@pytest.mark.parametrize("degrees", [(0, 0, -40), (-60, 0, 0), (0, 50, 0)])
def test_aTurnedNeckIsExaminedAlongItsSpine(ct, detector, straight, degrees):
    image, matrix = turned(ct, degrees)
    middle = middleOf(image)

    result = detectVertebrae(image, detector)

    found = {vertebra.level: vertebra for vertebra in result.vertebrae}
    assert len(set(sure(result)) & set(sure(straight))) >= len(sure(straight)) - 1
    assert sum("it was examined along the spine" in warning for warning in result.warnings) == 1
    for own in straight.vertebrae:
        if own.uncertain or own.level not in found:
            continue
        one = found[own.level]
        assert np.linalg.norm(one.centre - (middle + matrix @ (own.centre - middle))) < 6
        assert (one.centre > one.bounds.minimum - 1).all() and (one.centre < one.bounds.maximum + 1).all()
        assert one.orientedBox.axes[0] @ matrix[:, 0] > np.cos(np.deg2rad(20))
        assert np.linalg.det(one.orientedBox.axes) == pytest.approx(1)


def test_sightingsOfATurnedNeckStandInTheFrameOfTheCt(ct, detector, straight):
    image, _ = turned(ct, (0, 0, -40))
    fused, _, _ = Examination(correctHuOffset(image)[0], detector).best()
    centres = np.array([sighting.centre for sighting in fused.sightings])
    for one in fused.vertebrae:
        if not one.uncertain and not one.inferred:
            assert np.linalg.norm(centres - one.centre, axis=1).min() < 6


@pytest.mark.shows("Mended", "a CT stored upside down or front to back")
@pytest.mark.parametrize(("axes", "told"), [
    ((0, 0, 1), "CT stored upside down)"), ((0, 1, 0), "CT stored front to back)"),
])
def test_aCtStoredTheWrongWayRoundIsToldAndNoNameIsSure(ct, detector, straight, axes, told):
    image = sitk.GetImageFromArray(np.flip(sitk.GetArrayFromImage(ct), [2 - i for i in range(3) if axes[i]]))
    image.CopyInformation(ct)

    result = detectVertebrae(image, detector)

    assert sure(result) == [] and any(told in warning for warning in result.warnings)
    # The names stand where the vertebrae are in the file.
    direction = np.reshape(ct.GetDirection(), (3, 3))
    mirror = direction @ np.diag(np.where(axes, -1.0, 1.0)) @ direction.T
    own = {vertebra.level: vertebra.centre for vertebra in straight.vertebrae}
    away = [(found.centre - middleOf(ct) - mirror @ (own[found.level] - middleOf(ct)))[1:]
            for found in result.vertebrae if found.level in own]
    assert len(away) >= 5 and np.median(np.linalg.norm(away, axis=1)) < 5


@pytest.mark.parametrize(("more", "isDoubted"), [(0.01, False), (CLEARLY_SURER + 0.1, True)])
def test_namesAreDoubtedOnlyWhereTheHeadersOwnFrameShowsClearlyMore(ct, detector, monkeypatch, more, isDoubted):
    seen = Examination(correctHuOffset(ct)[0], detector).best()[0]
    fused, told = seenTurned(ct, detector, seen, monkeypatch, 0.9, more)

    assert bool(fused.orientationDoubt) == isDoubted
    assert ("stands turned by 17 degrees" in (told or "")) != isDoubted


@pytest.mark.parametrize(("more", "isTurned"), [
    (CLEARLY_SURER + 0.1, False), (0.0, False), (-CLEARLY_SURER - 0.1, True),
])
def test_aPlaneThatMirrorsTheBodyBadlyIsTakenOnlyWhereItShowsClearlyMore(ct, detector, monkeypatch, more, isTurned):
    """Half a neck seems to be mirrored in planes that are none; its names rest on the look in the header's frame."""
    seen = Examination(correctHuOffset(ct)[0], detector).best()[0]
    fused, told = seenTurned(ct, detector, seen, monkeypatch, CLEAR_MIRROR - 0.01, more)

    assert not fused.orientationDoubt and (told is not None) == isTurned


def seenTurned(ct, detector, seen, monkeypatch, quality, more):
    """What is said where another plane than the header's mirrors the body this well, and in the header's frame so much
    more is certain."""
    plane = MirrorPlane(np.array([np.cos(0.3), np.sin(0.3), 0]), quality, 0.3)
    monkeypatch.setattr(Looks, "turnedPlane", lambda volume: plane)
    monkeypatch.setattr(Examination, "_look", lambda self, frame, *slices: Look(frame, seen, slices, None))
    monkeypatch.setattr(Look, "certain", property(lambda self: 5.0 + more * self.frame.isCt))
    examination = Examination(correctHuOffset(ct)[0], detector)
    monkeypatch.setattr(examination, "_upright", lambda look: look)
    monkeypatch.setattr(examination, "_sharpened", lambda look: look)
    fused, _, told = examination.best()
    return fused, told


@pytest.mark.parametrize(("anchors", "isTaken"), [((), False), (("first ribs",), False), (("C2", "first ribs"), True)])
def test_aLeanIsTakenOutOnlyWhereThatShowsTheUpperEndOfTheSpine(ct, detector, monkeypatch, anchors, isTaken):
    seen = Examination(correctHuOffset(ct)[0], detector).best()[0]
    pitched = replace(seen, basis=replace(seen.basis, anchors=anchors))
    monkeypatch.setattr(Look, "lean", property(lambda self: 60.0))
    monkeypatch.setattr(Look, "certain", property(lambda self: 1.0 + (not self.frame.isCt)))
    examination = Examination(correctHuOffset(ct)[0], detector)
    monkeypatch.setattr(examination, "_look", lambda frame: Look(frame, pitched, np.zeros(0), None))
    inHeader = Look(Frame(np.eye(3), middleOf(ct)), seen, np.zeros(0), None)

    assert (examination._upright(inHeader) is not inHeader) == isTaken


@pytest.mark.parametrize(("share", "shows"), [(0.0, False), (0.1, False), (1.0, True)])
def test_bonesWithoutBodiesAreNoNeckStoredTheWrongWayRound(ct, detector, share, shows):
    """Breastbone and ribs of a chest, seen upside down, look like vertebrae."""
    seen = Examination(correctHuOffset(ct)[0], detector).best()[0]

    def weakened(track):
        return replace(track, scores=share * track.scores) if track is not None and share else None

    links = [replace(one, candidate=replace(one.candidate, body=weakened(one.candidate.body))) for one in seen.links]
    look = Look(Frame(np.eye(3), middleOf(ct)), replace(seen, links=links), np.zeros(0), None)
    assert len(look.sureNames) > 4 and look.showsBodies == shows


def test_leftAndRightExchangedIsNotGuessedAt(ct, detector, straight):
    image = sitk.GetImageFromArray(np.flip(sitk.GetArrayFromImage(ct), 2))
    image.CopyInformation(ct)
    result = detectVertebrae(image, detector)
    assert result.warnings == straight.warnings and len(sure(result)) >= len(sure(straight)) - 1


def test_whatAPersonSettledStaysWhereItIsInATurnedCt(ct, detector):
    image, _ = turned(ct, (0, 0, 45))
    first = detectVertebrae(image, detector).vertebrae
    again = detectVertebrae(image, detector, confirmed=[first[3]]).vertebrae
    assert again[3] is first[3] and [one.level for one in again] == [one.level for one in first]
    for one, other in zip(first, again, strict=True):
        assert np.linalg.norm(one.centre - other.centre) < 3


def test_glimpsesShowWhatALookInTheirFrameWouldShow(detector):
    """The picture is turned in the plane, or the whole volume in space: the same must be seen."""
    random = np.random.default_rng(3)
    blobs = sitk.GetImageFromArray(random.normal(0, 3000, (48, 48, 48)).astype(np.float32))
    ball = np.linalg.norm(np.mgrid[:48, :48, :48] - 23.5, axis=0) < 22
    voxels = np.where(ball, sitk.GetArrayFromImage(sitk.DiscreteGaussian(blobs, 9.0)), -1000)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((2, 2, 2))
    frame = Frame(np.eye(3), middleOf(image))
    slices = slicesOf(image, detector)[1]
    seen = list(_glimpses(Look(frame, None, slices, None), detector.sliceSpacing))
    assert len(seen) == 16 and seen[0][0].isCt
    for other, pictures in seen:
        assert np.linalg.det(other.axes) == pytest.approx(1)
        look = slicesOf(turnedImage(image, other), detector)[1]
        one, two = pictures[len(pictures) // 2, 1], look[len(look) // 2, 1]
        rows, columns = min(one.shape[0], two.shape[0]) // 2 - 2, min(one.shape[1], two.shape[1]) // 2 - 2
        one, two = (picture[picture.shape[0] // 2 - rows : picture.shape[0] // 2 + rows,
                            picture.shape[1] // 2 - columns : picture.shape[1] // 2 + columns].astype(float).ravel()
                    for picture in (one, two))
        assert np.corrcoef(one, two)[0, 1] > 0.75, other.axes


def test_orientationsWhoseMiddleShowsNothingAreGivenUpAfterOneSlice(detector):
    voxels = np.full((60, 80, 70), -1000, np.int16)
    voxels[:, 15:-15, 10:-10] = 40  # a body without bones
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((2.0, 2.0, 2.0))
    before = detector.slices

    fused, *_ = Examination(image, detector).best()

    _, slices = slicesOf(image, detector)
    # As it stands three, in each of the 15 other orientations one.
    assert not fused.vertebrae and detector.slices - before == len(slices) + 3 + 15
