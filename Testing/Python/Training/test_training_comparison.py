"""Old and new weights on held-out pictures; the curves of a training."""

from types import SimpleNamespace

import numpy as np
import pytest
from oracleDetector import sliceDetections
from PIL import Image

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Training import Comparison
from CervicalSpineDetectionLib.Training.Comparison import compareWeights, isBetter
from CervicalSpineDetectionLib.Training.Curves import writeCurves

SIZE = 64
BOXES = [(2, 8, 10, 40, 26), (3, 8, 30, 40, 46)]


@pytest.fixture
def dataset(tmp_path):
    """70 pictures with the same two boxes, their own number in the first pixel of each channel."""
    for kind in ("images", "labels"):
        (tmp_path / kind / "val").mkdir(parents=True)
    lines = [f"{kind} {(a + c) / 2 / SIZE} {(b + d) / 2 / SIZE} {(c - a) / SIZE} {(d - b) / SIZE}"
             for kind, a, b, c, d in BOXES]
    for number in range(70):
        picture = np.zeros((SIZE, SIZE, 3), np.uint8)
        picture[0, 0] = number, number + 1, number + 2
        Image.fromarray(picture).save(tmp_path / "images" / "val" / f"{number:03d}.png")
        (tmp_path / "labels" / "val" / f"{number:03d}.txt").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def detectors(monkeypatch):
    """"perfect" finds all, "shifted" a little beside, "blind" finds nothing; and the slices they were shown."""
    seen = []
    answers = {"perfect": BOXES, "shifted": [(kind, a + 6, b, c + 6, d) for kind, a, b, c, d in BOXES],
               "blind": [(9, 0, 0, 5, 5)]}

    def loadDetector(weights, device, everySlice):
        assert everySlice
        def detect(slices):
            seen.append(slices)
            return [sliceDetections(answers[weights]) for _ in slices]

        return SimpleNamespace(detect=detect)

    monkeypatch.setattr(Comparison, "loadDetector", loadDetector)
    return seen


def test_eachOfTheWeightsHasItsFigures(dataset, detectors):
    perfect, shifted, blind = compareWeights([dataset], ["perfect", "shifted", "blind"])

    assert perfect["mAP50"] == pytest.approx(0.995, abs=0.005) and perfect["mAP50-95"] > 0.98
    assert 0.2 < shifted["mAP50-95"] < 0.7 and shifted["mAP50"] > 0.98
    assert blind["mAP50"] == 0 and perfect["pictures"] == 70


def test_theDetectorSeesThePicturesAsInDetection(dataset, detectors):
    compareWeights([dataset], ["perfect"])
    slices = np.concatenate(detectors)

    assert slices.shape == (70, 3, SIZE, SIZE) and slices.dtype == np.uint8
    np.testing.assert_array_equal(slices[:, :, 0, 0], np.arange(70)[:, None] + [0, 1, 2])


def test_withoutHeldOutPicturesNothingIsClaimed(tmp_path, detectors):
    with pytest.raises(InputError, match="No picture of the data sets is held out"):
        compareWeights([tmp_path], ["perfect"])


@pytest.mark.parametrize(("change50", "change", "better"), [
    (0, 0.1, True), (0.1, 0.1, True), (0, 0, False), (0, 0.0005, False), (0, -0.1, False), (-0.07, 0.005, False),
    (0.1, -0.01, False),
])
def test_onlyANoticeableRiseIsBetter(change50, change, better):
    old = {"mAP50": 0.8, "mAP50-95": 0.5}

    assert isBetter(old, {"mAP50": 0.8 + change50, "mAP50-95": 0.5 + change}) is better


def test_curvesAreDrawnOfWhatIsThere(tmp_path):
    header = "epoch,time,train/box_loss,train/cls_loss,train/dfl_loss,metrics/mAP50(B),metrics/mAP50-95(B)"
    # Epoch 2 twice, as after a kill.
    rows = ["1,9,2.0,3.0,1.5,0.2,0.1", "2,18,9.0,9.0,9.0,0.9,0.9", "2,18,1.5,2.0,1.2,0.5,0.3", "3,27,1,1.5,1,0.7,0.4"]
    (tmp_path / "results.csv").write_text("\n".join([header, *rows]))
    writeCurves(tmp_path / "curves.png", tmp_path / "results.csv")
    with_ = np.asarray(Image.open(tmp_path / "curves.png").convert("RGB")).astype(int)
    (tmp_path / "results.csv").write_text("\n".join([header, *rows[:1], *rows[2:]]))
    writeCurves(tmp_path / "once.png", tmp_path / "results.csv")

    assert with_.shape == (396, 990, 3)
    np.testing.assert_array_equal(with_, np.asarray(Image.open(tmp_path / "once.png").convert("RGB")))
    for colour in ((0, 0x72, 0xB2), (0xD5, 0x5E, 0), (0, 0x9E, 0x73)):
        assert (abs(with_[:, :495] - colour).max(axis=2) < 30).sum() > 100
    assert (abs(with_[:, 495:] - (0, 0x72, 0xB2)).max(axis=2) < 30).sum() > 100


def test_aTrainingWithoutHeldOutPatientsHasLossesOnly(tmp_path):
    (tmp_path / "results.csv").write_text("epoch,time,train/box_loss,metrics/mAP50(B)\n1,9,2.0,0.5\n2,18,1.0,0.6\n")
    writeCurves(tmp_path / "curves.png", tmp_path / "results.csv", heldOut=False)
    picture = np.asarray(Image.open(tmp_path / "curves.png").convert("RGB")).astype(int)

    assert (abs(picture[:, :495] - (0, 0x72, 0xB2)).max(axis=2) < 30).sum() > 100
    assert (abs(picture[:, 495:] - (0, 0x72, 0xB2)).max(axis=2) < 30).sum() == 0
