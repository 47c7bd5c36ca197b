"""``cervical-spine cohort``: what it writes, and what it refuses."""

import io
import os
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from cohortFixtures import cohort, madeResult, madeVertebra, statuses, writeDicom
from pydicom.uid import generate_uid

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.FolderLock import lockedFolder
from CervicalSpineDetectionLib.Results.ResultJson import writeJson
from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights
from CervicalSpineDetectionLib.Terminal import ProgressDisplay


@pytest.fixture
def command(tmp_path, monkeypatch):
    """``cervical-spine cohort`` with a detector that finds one vertebra, and without pictures and scenes."""
    monkeypatch.setattr("CervicalSpineDetectionLib.Cohort.Run.detectorOf", lambda weights, device: "detector")
    monkeypatch.setattr("CervicalSpineDetectionLib.Pipeline.detectVertebrae",
                        lambda image, detector: madeResult(madeVertebra()))

    # Children would not know these stand-ins.
    monkeypatch.setattr("CervicalSpineDetectionLib.Cohort.Schedule.inProcesses",
                        lambda task, scans, *_: ((scan, task(scan)) for scan in scans))

    def run(*options):
        return main(["cohort", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--no-previews",
                     "--no-scenes", *options])

    return run


@pytest.mark.parametrize(("which", "written"), [("all", {"sure", "doubtful"}), ("doubtful", {"doubtful"}),
                                                ("none", set())])
def test_scenesAndPreviewsAreWrittenByDemand(command, tmp_path, monkeypatch, which, written):
    """Of a CT with a vertebra of confidence 0.95, and of one of confidence 0.4."""
    made, asked = {10: madeResult(madeVertebra()), 12: madeResult(madeVertebra(confidence=0.4))}, {}
    monkeypatch.setattr("CervicalSpineDetectionLib.Pipeline.detectVertebrae",
                        lambda image, detector: made[image.GetSize()[0]])
    monkeypatch.setattr(
        "CervicalSpineDetectionLib.Cohort.Run.writeFiles",
        lambda folder, result, image, name, scene, preview, thumbnail: (
            asked.__setitem__(name.split("-")[0], (scene, preview)), writeJson(folder / "vertebrae.json", result)))
    writeCt(tmp_path / "in" / "sure.nrrd")
    writeCt(tmp_path / "in" / "doubtful.nrrd", 12)

    assert command("--scenes", which, "--previews", "doubtful") == 0

    assert {name for name, (scene, _) in asked.items() if scene} == written
    assert {name for name, (_, preview) in asked.items() if preview} == {"doubtful"}


def test_theMemoryOfALargeCtIsGivenBack(command, tmp_path, monkeypatch):
    run, given = "CervicalSpineDetectionLib.Cohort.Run", []
    monkeypatch.setattr("CervicalSpineDetectionLib.Pipeline.detectVertebrae", lambda image, detector: madeResult())
    monkeypatch.setattr(f"{run}.KEPT_VOXELS", 11**3)
    monkeypatch.setattr(f"{run}.giveBack", lambda: given.append(True))
    for side in (10, 11, 12):
        writeCt(tmp_path / "in" / f"{side}.nrrd", side)

    assert command() == 0

    assert given == [True]


def writeCt(path, side=10):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(side**3, dtype=np.int16).reshape(3 * [side])), str(path))


def test_theCommandRunsATreeOfDicomAndFiles(command, tmp_path):
    writeCt(tmp_path / "in" / "neck.nrrd")
    series = generate_uid()
    for number in range(4):
        writeDicom(tmp_path / "in" / "Doe_Jane" / f"Doe{number}.dcm", series, number,
                   PixelData=np.arange(number, number + 16, dtype=np.int16).tobytes())
    writeDicom(tmp_path / "in" / "Doe_Jane" / "plan.dcm", generate_uid(), Modality="RTPLAN")
    (tmp_path / "in" / "bad.mha").write_text("no image")

    assert command() == 0

    assert sorted(statuses(tmp_path / "out").values()) == ["done", "done", "failed", "left out"]
    files = {path.name for path in (tmp_path / "out" / "scans").glob("neck-*/*")}
    assert files == {"vertebrae.json", "vertebrae.csv", "vertebrae.mrk.json"}
    # Identifiers, names and places are in sources.csv alone.
    for path in (path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != "sources.csv"):
        content = path.read_bytes()
        for identifier in ("Doe", "Jane", "MRN4711", series, str(tmp_path)):
            assert identifier.encode() not in content, path
    assert "Doe_Jane/Doe0.dcm" in (tmp_path / "out" / "sources.csv").read_text(encoding="utf-8")


@pytest.mark.shows("Mended", "a file name that is no text in `cohort`", "it alone fails, with the reason")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are always text")
def test_aLatin1FileNameCostsNothingElse(command, tmp_path):
    writeCt(tmp_path / "in" / "neck.nrrd")
    latin = os.fsdecode("Müller.nrrd".encode("latin-1"))
    (tmp_path / "in" / latin).write_bytes((tmp_path / "in" / "neck.nrrd").read_bytes())

    assert command() == 0

    assert statuses(tmp_path / "out").keys() == {path.name for path in (tmp_path / "out" / "scans").iterdir()}
    assert "done" in statuses(tmp_path / "out").values()
    assert "M\\udcfcller.nrrd" in (tmp_path / "out" / "sources.csv").read_text(encoding="utf-8")


def test_resultsOfTwoKindsAreNotMixed(command, tmp_path, capsys):
    writeCt(tmp_path / "in" / "neck.nrrd")
    weights = findWeights()
    for suffix in (".safetensors", ".json"):
        (tmp_path / f"other{suffix}").write_bytes(weights.with_suffix(suffix).read_bytes())
    card = tmp_path / "other.json"
    card.write_text(card.read_text(encoding="utf-8").replace('"sha256": "', '"sha256": "00'), encoding="utf-8")
    command()

    assert command("--weights", str(tmp_path / "other.safetensors")) == 2
    assert "other weights" in capsys.readouterr().err


def test_twoRunsAtATimeAreNot(command, tmp_path, capsys):
    writeCt(tmp_path / "in" / "neck.nrrd")
    (tmp_path / "out").mkdir()
    with lockedFolder(tmp_path / "out"):
        assert command() == 2
    assert f"Another run writes to {tmp_path / 'out'} (process {os.getpid()}" in capsys.readouterr().err
    assert command() == 0


def test_anAddressWithoutASchedulerIsTold(scans, output, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("CervicalSpineDetectionLib.Cohort.Schedule.CONNECT_TIMEOUT", "0.2s")

    with pytest.raises(InputError, match="No Dask scheduler answers at tcp://127.0.0.1:9"):
        cohort(scans, output, scheduler="tcp://127.0.0.1:9")


@pytest.mark.parametrize("options", [["--workers", "0"], ["--workers", "-2"], ["--weights", "none"]])
def test_badOptionsAreOneLine(command, tmp_path, capsys, options):
    writeCt(tmp_path / "in" / "neck.nrrd")

    assert command(*options) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("output", ["in", "."])
def test_resultsAroundTheCtsAreRefused(tmp_path, capsys, output):
    """Results are not searched for CTs, so that none would be found."""
    writeCt(tmp_path / "in" / "neck.nrrd")

    assert main(["cohort", str(tmp_path / "in"), "-o", str(tmp_path / output)]) == 2
    assert "lies in the folder for the results" in capsys.readouterr().err


def test_aTreeWithoutACtIsTold(command, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "letter.txt").write_text("no CT")

    assert command() == 2
    assert "No CT was found" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_elsewhereTheProgressIsNoMoreThanTwentyLines():
    stream = io.StringIO()
    progress = ProgressDisplay("scans", stream, lines=19)
    for done in range(1, 401):
        progress("1 failed", done, 400)

    lines = stream.getvalue().splitlines()
    assert len(lines) <= 20 and lines[-1].startswith("1 failed: 400 of 400 scans")
