import json

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from goldenResults import GOLDEN

from CervicalSpineDetectionLib.Benchmark import Contenders, Floor, Measure, NnUNet, Processes, SceneStages
from CervicalSpineDetectionLib.Benchmark.Growth import variants, withMatrix
from CervicalSpineDetectionLib.Benchmark.Processes import Measured
from CervicalSpineDetectionLib.Benchmark.Report import deviceFigures, growthCurves, table
from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult
from CervicalSpineDetectionLib.Worker import WorkerClient

RATES = {"flops": {"bfloat16": 1e11, "single": 4e10}, "bandwidth": 1e10}
COST = {"flops": 4e9, "parameters": 2_500_000}
OURS = Measured({
    "precision": "bfloat16", "result": None,
    "stages": {"read": 0.5, "resample": 0.4, "network": 5.0, "fusion": 0.2, "levels": 0.1},
    "slices": (70, 300, 250), "flops": 28e10, "voxels": (512, 512, 300), "voxelBytes": 2, "gpuMemory": None}, 900.0)
SINGLE = Measured({**OURS.value, "precision": "single", "stages": {**OURS.value["stages"], "network": 10.7}}, 950.0)
SCENE = {"handover": 0.2, "nodes": 0.05, "picture": 0.25}


@pytest.fixture
def figures():
    return deviceFigures(
        OURS, SINGLE, SCENE, RATES, COST,
        {"predictLoop": Measured(57.0, 1000.0), "predictBatched": Measured(11.4, 2000.0)},
        {"nnunet1.5mm": Measured((10.0, None), 5000.0), "nnunet3mm": Measured((8.0, None), 4000.0)}, (256, 256, 300))


def test_theFloorIsArithmeticAndMemoryTraffic():
    floor = Floor.floors(RATES, "bfloat16", 28e10, 2_500_000, (70, 300, 250), (512, 512, 300), 2)
    ct, slices = 512 * 512 * 300 * 2, 70 * 300 * 250
    assert floor["read"] == pytest.approx(ct / 1e10)
    assert floor["resample"] == pytest.approx((ct + 4 * slices) / 1e10)
    assert floor["network"] == pytest.approx(2.8)


def test_whereMemoryIsTheLimitOfTheNetworkItsTrafficCounts():
    rates = {"flops": {"single": 1e18, "half": 1e18}, "bandwidth": 1e10}
    for precision, weightBytes in (("single", 1e7), ("half", 5e6)):
        floor = Floor.floors(rates, precision, 28e10, 2_500_000, (70, 300, 250), (9, 9, 9), 2)
        assert floor["network"] == pytest.approx((3 * 70 * 300 * 250 + weightBytes) / 1e10)


def test_theClickLeavesReadingOutAndRatiosAreOfItsFloor(figures):
    assert figures["ours"]["click"] == pytest.approx(6.2) and figures["ours"]["detection"] == pytest.approx(5.7)
    floor = figures["floor"]["stages"]
    assert figures["floor"]["click"] == pytest.approx(floor["resample"] + floor["network"])
    assert figures["overFloor"]["network"] == pytest.approx(5.0 / 2.8)
    assert figures["overFloor"]["click"] == pytest.approx(6.2 / figures["floor"]["click"])


def test_theFloorIsOfThePrecisionUsedAndThatOfSinglePrecisionStandsBeside(figures):
    used, single = figures["floor"], figures["floorInSinglePrecision"]
    assert figures["precision"] == "bfloat16"
    assert used["stages"]["network"] == pytest.approx(2.8) and single["stages"]["network"] == pytest.approx(7.0)
    assert single["click"] - used["click"] == pytest.approx(4.2)


def test_theDetectionInSinglePrecisionIsAContender(figures):
    single = figures["contenders"]["oursSingle"]
    assert single["seconds"] == pytest.approx(11.4) and single["overDetection"] == pytest.approx(2)
    assert single["network"] == 10.7 and single["overNetwork"] == pytest.approx(2.14) and single["peakMemory"] == 950


def test_whereSinglePrecisionIsUsedItIsNoContender():
    figures = deviceFigures(SINGLE, None, SCENE, {**RATES, "flops": {"single": 4e10}}, COST, {}, {}, (256, 256, 300))
    assert figures["contenders"] == {} and figures["floor"] == figures["floorInSinglePrecision"]


def test_contendersAreMeasuredAgainstDetectionAndNetwork(figures):
    loop = figures["contenders"]["predictLoop"]
    assert loop["overDetection"] == pytest.approx(10) and loop["overNetwork"] == pytest.approx(11.4)


def test_aPatchIsMultipliedByPatchesAndModels(figures):
    fine, coarse = (figures["contenders"][name] for name in ("nnunet1.5mm", "nnunet3mm"))
    assert fine["patches"] == 8 and fine["models"] == 5 and fine["seconds"] == 400 and fine["randomWeights"]
    assert coarse["patches"] == 1 and coarse["seconds"] == 8


def test_aThousandScansAreReadAndDetected(figures):
    assert figures["ours"]["per1000Scans"] == pytest.approx(1000 * 6.2 / 3600)


@pytest.mark.parametrize("extent, step, count", [
    ((192, 192, 192), 0.5, 1), ((193.5, 192, 192), 0.5, 2), ((256, 256, 300), 0.8, 8), ((256, 256, 300), 0.5, 12),
    ((50, 50, 50), 0.8, 1),
])
def test_patchesCoverTheFieldOfViewAsInNnUNet(extent, step, count):
    assert NnUNet.patchCount(extent, NnUNet.PLANS["nnunet1.5mm"], step) == count


def test_axesAreHalvedDownTo4VoxelsAndNoOddOne():
    assert np.prod(NnUNet.strides((128, 128, 128), 6), axis=0).tolist() == [32, 32, 32]
    assert np.prod(NnUNet.strides((112, 112, 128), 6), axis=0).tolist() == [16, 16, 32]
    assert np.prod(NnUNet.strides((64, 128, 128), 6), axis=0).tolist() == [16, 32, 32]
    assert NnUNet.strides((112, 112, 128), 6)[0] == (1, 1, 1)


def test_theNetworkHasNnUNetsSizeAndKeepsTheGrid():
    # 6 stages of 2 convolutions, 32 to 320 features: about 31 million parameters, as nnU-Net's of such plans.
    network = NnUNet.PlainUNet((128, 128, 128))
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(30.8e6, rel=0.02)
    small = NnUNet.PlainUNet((16, 16, 28), features=(4, 6, 8), classes=3).eval()
    assert small(torch.zeros(1, 1, 16, 16, 28)).shape == (1, 3, 16, 16, 28)


def test_flopsOfTheNetworkGrowWithThePicture():
    pytest.importorskip("ultralytics")
    small, large = (Floor.networkCost("yolov5n", side, side) for side in (64, 120))  # padded to 64 and 128
    assert large["flops"] == 4 * small["flops"] and small["parameters"] == large["parameters"]
    assert small["parameters"] == pytest.approx(2.5e6, rel=0.1)


def test_stagesAreThoseOfADetectionAndTheNetworksWorkIsCounted():
    found = Contenders.detectionStages(GOLDEN / "straight.nrrd", None, "cpu", 1)
    assert {"read", *found["result"].timings} == found["stages"].keys() and min(found["stages"].values()) > 0
    whole = np.prod(found["slices"]) * Contenders.flopsPerPixel(None)
    assert 0.1 * whole < found["flops"] < 1.2 * whole


def test_theMachinesRatesArePositive(monkeypatch):
    monkeypatch.setattr(Floor, "CONVOLUTIONS", ((4, 8),))
    monkeypatch.setattr(Floor, "COPY_BYTES", 2**16)
    rates = Floor.machine("cpu", ("single", "bfloat16"))
    assert min(rates["flops"].values()) > 1e5 and rates["bandwidth"] > 1e5


def test_eachPrecisionIsMeasuredInItsOwnNumbers(monkeypatch):
    used = []
    monkeypatch.setattr(Floor.functional, "conv2d", lambda pictures, kernels, padding: used.append(
        (pictures.dtype, kernels.dtype)))
    monkeypatch.setattr(Floor, "CONVOLUTIONS", ((4, 8),))
    monkeypatch.setattr(Floor, "COPY_BYTES", 2**16)
    assert list(Floor.machine("cpu", ("bfloat16", "single"))["flops"]) == ["bfloat16", "single"]
    assert used == [(torch.bfloat16,) * 2] * Floor.RUNS + [(torch.float32,) * 2] * Floor.RUNS


class FakeClient:
    """Each detection says of itself that it took 100 seconds."""

    made = None

    def __init__(self, outcome):
        self.outcome, self.images, self.isStopped = outcome, [], False
        FakeClient.made = self

    def detect(self, image, device, weights):
        self.images.append(image)
        self.events = [[], [WorkerClient.Progress("a", 0, 1)], [self.outcome]]

    def poll(self):
        return self.events.pop(0)

    def stop(self):
        self.isStopped = True


def test_theHandoverIsWhatTheDetectionItselfDoesNotTake(image, tmp_path, monkeypatch):
    pytest.importorskip("slicer")
    result = DetectionResult([], timings={"resample": 60.0, "network": 40.0})
    monkeypatch.setattr(SceneStages, "WorkerClient", lambda: FakeClient(WorkerClient.Finished(result)))
    sitk.WriteImage(image, str(tmp_path / "ct.nii.gz"))
    assert SceneStages.handoverSeconds(tmp_path / "ct.nii.gz", None, "cpu", 2) == pytest.approx(-100, abs=5)
    assert [given.voxels.shape for given in FakeClient.made.images] == [(40, 12, 16)] * 3 and FakeClient.made.isStopped


def test_aFailedHandoverIsNoFigure(image, tmp_path, monkeypatch):
    pytest.importorskip("slicer")
    monkeypatch.setattr(SceneStages, "WorkerClient", lambda: FakeClient(WorkerClient.Failed("No memory.")))
    sitk.WriteImage(image, str(tmp_path / "ct.nii.gz"))
    with pytest.raises(RuntimeError, match="No memory"):
        SceneStages.handoverSeconds(tmp_path / "ct.nii.gz", None, "cpu", 2)
    assert FakeClient.made.isStopped


def test_peakMemoryIsThatOfTheMeasuredProcessAlone():
    ballast = np.ones(40_000_000)  # 320 MB here
    assert Processes.peakMemory() > 320
    small = Processes.inFreshProcess(abs, -1)
    assert small.value == 1 and 5 < small.peakMemory < Processes.peakMemory() - 0.9 * ballast.nbytes / 2**20


def test_theBestRunTellsWhatTheMachineCanDoTheMedianWhatAUserSees(monkeypatch):
    marks = [0.0, 9.0, 10.0, 12.0, 20.0, 21.0]  # runs of 9, 2 and 1 seconds
    for measure, expected in ((Processes.bestSeconds, 1.0), (Processes.medianSeconds, 2.0)):
        monkeypatch.setattr(Processes.time, "perf_counter", iter(marks).__next__)
        calls = []
        assert measure(lambda calls=calls: calls.append(1), 3) == expected
        assert len(calls) == (3 if measure is Processes.bestSeconds else 4)


@pytest.fixture
def image():
    x, y, z = np.meshgrid(np.arange(16), np.arange(12), np.arange(40), indexing="ij")
    made = sitk.GetImageFromArray((10.0 * x + 3 * y + z).astype(np.float32).T)
    made.SetSpacing((0.5, 0.6, 2.0))
    made.SetOrigin((-7.0, 5.0, 100.0))
    return made


def test_anotherMatrixKeepsTheFieldOfView(image):
    coarse = withMatrix(image, np.array([8, 6]))
    for part in (-0.5, 0.5):
        corners = [made.TransformContinuousIndexToPhysicalPoint(
            [part * size - 0.5 if part > 0 else -0.5 for size in np.array(made.GetSize()) * (2 if part > 0 else 1)])
            for made in (image, coarse)]
        assert np.allclose(*corners)
    point = coarse.TransformIndexToPhysicalPoint((3, 3, 20))
    expected = np.array(image.TransformPhysicalPointToContinuousIndex(point))
    assert coarse.GetPixel(3, 3, 20) == pytest.approx(expected @ [10, 3, 1], abs=1e-3)


def test_variantsGrowUpToTheWholeCt(image):
    rows = [(kind, size, [scan.GetSize() for scan in scans]) for kind, size, scans in variants(image)]
    assert ("slices", 20, [(16, 12, 20)]) in rows and ("slices", 40, [(16, 12, 40)]) in rows
    assert ("matrix", 8, [(8, 8, 40)]) in rows and ("matrix", 16, [(16, 12, 40)]) in rows
    assert ("scans", 2, [(16, 12, 40)] * 2) in rows


def test_fewerSlicesAreTheUppermost(image):
    _, _, (scan,) = next(variants(image))
    assert scan.TransformIndexToPhysicalPoint((0, 0, 9))[2] == image.TransformIndexToPhysicalPoint((0, 0, 39))[2]


def test_theCommandWritesEveryFigureAndThePicture(figures, image, tmp_path, monkeypatch, capsys):
    def measured(function, *arguments):
        answers = {"detectionStages": Measured({**OURS.value, "result": DetectionResult([])}, 900.0),
                   "sceneStages": Measured({}, 1.0), "machine": Measured(RATES, 1.0),
                   "networkCost": Measured(COST, 1.0),
                   "predictSeconds": Measured(20.0, 1000.0), "secondsPerPatch": Measured((3.0, None), 5000.0),
                   "growth": Measured([{"kind": kind, "size": n, "seconds": n / 10} for kind in (
                       "slices", "matrix", "scans") for n in (1, 2)], 1.0)}
        return answers[function.__name__]

    monkeypatch.setattr(Measure, "inFreshProcess", measured)
    sitk.WriteImage(image, str(tmp_path / "ct.nii.gz"))
    assert main(["benchmark", "--ct", str(tmp_path / "ct.nii.gz"), "--output", str(tmp_path / "out"),
                 "--devices", "cpu", "--repeats", "2"]) == 0
    written = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert {"machine", "ct", "weights", "devices", "growth", "growthDevice", "repeats"} == set(written)
    assert set(written["devices"]["cpu"]) == set(figures)
    assert written["machine"]["cores"] >= 1 and written["ct"]["size"] == [16, 12, 40]
    assert set(written["devices"]["cpu"]["contenders"]) == {
        "oursSingle", "predictLoop", "predictLoop640", "predictBatched", "nnunet1.5mm", "nnunet3mm"}
    assert (tmp_path / "out" / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    text = capsys.readouterr().out
    assert "nodes       not run" in text and "random weights" in text and "1: 0.10 s  2: 0.20 s" in text


def test_theTableNamesEachStageWithItsRatio(figures):
    lines = table({"machine": {**Measure.machineDescription(), "loadAverageAfter": 2.0}, "weights": "w",
                   "repeats": 3, "ct": {"size": [1, 2, 3], "spacing": [1, 1, 1], "source": "given"},
                   "devices": {"cpu": figures}, "growth": [], "growthDevice": "cpu"})
    network = next(line for line in lines if line.startswith("network"))
    assert network.split() == ["network", "5.000", "2.800", "1.8", "7.000"]
    assert next(line for line in lines if line.startswith("picture")).split() == ["picture", "0.250"]
    assert any("cpu in bfloat16: convolutions 100 GFLOP/s (single precision: 40 GFLOP/s)" in line for line in lines)
    single = next(line for line in lines if line.startswith("ours in single precision"))
    assert single.split()[4:7] == ["11.40", "2.0", "2.1"] and "its network 10.700 s" in single


def test_theSlopeOfQuadraticGrowthIsTwo():
    rows = [{"kind": "slices", "size": n, "seconds": 0.1 * n**2} for n in (2, 4, 8)]
    sizes, _, slope = growthCurves([*rows, {"kind": "scans", "size": 1, "seconds": 3}, {
        "kind": "scans", "size": 2, "seconds": 6}])["slices"]
    assert sizes == (2, 4, 8) and slope == pytest.approx(2)


@pytest.mark.parametrize("arguments, told", [
    (["--repeats", "0"], "not a positive number"), (["--weights", "nowhere"], "No weights called nowhere"),
    (["--devices", "abacus"], "no device abacus"), (["--ct", "nowhere.nii.gz"], "nowhere.nii.gz"),
])
def test_whatCannotBeMeasuredIsRefusedInOneLine(arguments, told, tmp_path, capsys):
    assert main(["benchmark", *arguments, "--output", str(tmp_path)]) == 2
    assert told in capsys.readouterr().err
