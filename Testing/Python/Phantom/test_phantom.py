import json

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Phantom import Scanner, Tissues
from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom
from CervicalSpineDetectionLib.Phantom.Warp import Posture, randomPosture, warpLabels
from CervicalSpineDetectionLib.Results.ResultJson import SCHEMA_FILE

UPRIGHT = Posture(np.zeros(1), np.zeros(1), np.zeros(1), np.ones(3), 0.0)
QUIET = Scanner.Protocol(1.0, 1.0, 0.5, noise=0, contrast=0, streaks=0, shoulderNoise=0)


def rod():
    """A rod of 100 voxels of height with a nub in front at its upper end."""
    labels = np.zeros((40, 60, 120), np.uint8)
    labels[18:23, 28:33, 10:110] = 5
    labels[18:23, 20:28, 100:105] = 6
    return labels


def posed(posture):
    return warpLabels(rod(), 1.0, np.array([20, 30, 60]), posture, (61, 101, 121), np.random.default_rng(0))


def test_theUprightPostureLeavesTheAnatomyAsItIs():
    # The pivot comes to the middle of the new field.
    assert np.array_equal(posed(UPRIGHT)[30 - 20 : 70 - 20, 50 - 30 : 110 - 30, :-1], rod())


def test_flexionTurnsTheHeadForwardAndKeepsTheLength():
    bent = posed(Posture(np.array([0.0, 0.5]), np.zeros(1), np.zeros(1), np.ones(3), 0.0))
    index = np.argwhere(bent == 5)
    top, middle = index[index[:, 2] > 95].mean(axis=0), index[abs(index[:, 2] - 60) < 5].mean(axis=0)
    assert abs(top[1] - middle[1]) > 4  # bent out of the straight line
    assert (bent == 5).sum() == pytest.approx((rod() == 5).sum(), rel=0.1)


def test_scaleMakesItLarger():
    large = posed(Posture(np.zeros(1), np.zeros(1), np.zeros(1), np.full(3, 1.2), 0.0))
    assert (large == 6).sum() == pytest.approx(1.2**3 * (rod() == 6).sum(), rel=0.2)


def test_theSameSeedHoldsTheSamePosture():
    first, second, other = (randomPosture(np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first.flexion, second.flexion) and not np.array_equal(first.flexion, other.flexion)


def block():
    """Air, soft tissue, and in it one block of bone of 10 voxels."""
    tissues = np.zeros((40, 40, 40), np.uint8)
    tissues[5:35, 5:35, 5:35] = Tissues.SOFT_TISSUE
    tissues[15:25, 15:25, 15:25] = 4
    return tissues


def test_boneIsBrighterThanFleshAndItsCortexBrightest():
    hu = Scanner.paint(block(), 1.0, QUIET, np.random.default_rng(0)).numpy()
    cortex, inner, flesh = hu[15, 18:22, 18:22].mean(), hu[18:22, 18:22, 18:22].mean(), hu[8:12, 8:12, 8:12].mean()
    assert cortex > inner > flesh + 60 and hu[0, 0, 0] == Scanner.AIR_HU


def test_coarserVoxelsKeepTheFieldAndTheMeanHu():
    random = np.random.default_rng(0)
    hu = Scanner.paint(block(), 1.0, QUIET, random)
    coarse, spacing = Scanner.acquire(hu, 1.0, Scanner.Protocol(4.0, 2.0, 0.5, 0, 0, 0, 0), random)
    assert np.allclose(np.array(coarse.shape) * spacing, 40)
    assert coarse.mean() == pytest.approx(float(hu.mean()), abs=5)


def test_noiseHasItsStrength():
    random = np.random.default_rng(0)
    flat = Scanner.paint(np.full((40, 40, 40), Tissues.AIR, np.uint8), 1.0, QUIET, random) + 1000
    for sharpness in (0.2, 0.8):
        noisy, _ = Scanner.acquire(flat, 1.0, Scanner.Protocol(1.0, 1.0, sharpness, 25, 0, 0, 0), random)
        assert noisy.std() == pytest.approx(25, rel=0.1)


def test_thePhantomsTruthIsThatOfItsLabels(neckPhantom):
    for vertebra in neckPhantom.vertebrae:
        code = Tissues.FIRST_VERTEBRA + ["C1", "C2", "C3", "C4", "C5", "C6", "C7", "T1", "T2", "T3", "T4"].index(
            vertebra.level)
        index = np.argwhere(sitk.GetArrayFromImage(neckPhantom.labels).T == code)
        points = np.array([neckPhantom.labels.TransformIndexToPhysicalPoint(i.tolist()) for i in index])
        reach = 1.5 * max(neckPhantom.labels.GetSpacing())
        assert (points >= vertebra.bounds.minimum - reach).all() and (points <= vertebra.bounds.maximum + reach).all()
        assert np.abs(points.min(axis=0) - vertebra.bounds.minimum).max() < 2.5 * reach


def test_labelsLieOnBone(neckPhantom):
    hu, labels = sitk.GetArrayFromImage(neckPhantom.ct), sitk.GetArrayFromImage(neckPhantom.labels)
    flesh = hu[(labels == 0) & (hu > -300)]
    assert np.median(hu[(labels > 0) & (labels < 8)]) > np.median(flesh) + 100


def test_theSameSeedMakesTheSamePhantom(neckPhantom):
    again = makePhantom(17)
    assert np.array_equal(sitk.GetArrayFromImage(again.ct), sitk.GetArrayFromImage(neckPhantom.ct))
    assert again.ct.GetDirection() == neckPhantom.ct.GetDirection()


def test_theCommandWritesCtLabelsAndTruth(tmp_path, monkeypatch, neckPhantom):
    monkeypatch.setattr("CervicalSpineDetectionLib.Phantom.Phantom.makePhantom",
                        lambda seed, region, progress: neckPhantom)
    files = [str(tmp_path / name) for name in ("ct.nii.gz", "labels.nii.gz", "truth.json")]
    assert main(["phantom", "--output", files[0], "--labels", files[1], "--truth", files[2]]) == 0
    ct, labels = (sitk.ReadImage(file) for file in files[:2])
    assert ct.GetSize() == labels.GetSize() == neckPhantom.ct.GetSize()
    truth = json.loads((tmp_path / "truth.json").read_text())
    jsonschema.validate(truth, json.loads(SCHEMA_FILE.read_text()))
    assert [v["level"] for v in truth["vertebrae"]] == [v.level for v in neckPhantom.vertebrae]
