"""What all commands share, and what is refused before any work is done."""

import importlib.util
import json
import subprocess
import sys
import time

import pytest

from CervicalSpineDetectionLib.CommandLine.Main import COMMANDS, main, makeParser
from CervicalSpineDetectionLib.Training import Train

# The least that each command needs beside -o.
NEEDED = {
    "detect": ["ct"], "phantom": [], "dataset": [], "import": ["--format", "verse", "--input", "in"],
    "train": ["--dataset", "set"], "export": ["result", "--ct", "ct"], "evaluate": [], "benchmark": [],
    "cohort": ["in"], "corrections": ["in"],
}


@pytest.mark.parametrize("command", NEEDED)
def test_everyCommandWithResultsTakesTheSameShortOptions(command):
    arguments = makeParser().parse_args([command, *NEEDED[command], "-o", "out", "-q"])

    assert arguments.output == "out" and arguments.quiet
    assert makeParser().parse_args([command, *NEEDED[command], "-o", "out", "-v"]).verbose


@pytest.mark.parametrize("command", ["detect", "train", "evaluate", "cohort", "corrections"])
def test_everyCommandNamesDevicesAlikeAndTakesTheGpuByItself(command, capsys):
    given = [command, *NEEDED[command], "-o", "out"]

    assert makeParser().parse_args(given).device == "auto"
    assert makeParser().parse_args([*given, "--device", "cuda:1"]).device == "cuda:1"
    assert main([*given, "--device", "0"]) == 2
    assert "use auto, cpu, cuda, cuda:1 or mps" in capsys.readouterr().err


def test_theVersionIsPrinted(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0 and capsys.readouterr().out.startswith("cervical-spine 0.")


def test_completionNamesEveryCommand(capsys):
    if not importlib.util.find_spec("shtab"):
        assert main(["--print-completion", "bash"]) == 2
        assert "pip install shtab" in capsys.readouterr().err
        return
    with pytest.raises(SystemExit):
        main(["--print-completion", "bash"])
    script = capsys.readouterr().out
    assert all(command in script for command in COMMANDS)


@pytest.mark.parametrize(("arguments", "words"), [
    (["phantom", "-o", "ct.txt"], "no image file"),
    (["phantom", "-o", "ct.nii.gz", "--labels", "labels.doc"], "labels.doc is no image file"),
    (["dataset", "-o", "set"], "Nothing to make a data set of"),
    (["dataset", "-o", "set", "--unlabelled", "ct.nii.gz"], "--teacher"),
    (["train", "--dataset", "set", "-o", "run", "--epochs", "0"], "not a positive number"),
    (["evaluate", "-o", "out"], "Nothing to evaluate on"),
])
def test_whatCantBeDoneIsRefusedAtOnce(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    started = time.perf_counter()

    assert main(arguments) == 2

    assert words in capsys.readouterr().err
    assert time.perf_counter() - started < 10
    assert list(tmp_path.iterdir()) == []


def test_newWeightsAreNamedAfterTheirRun(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "dataset.json").write_text(json.dumps({}))
    given = []
    monkeypatch.setattr(Train, "train", lambda *all_: given.append(all_) or tmp_path / "weights.safetensors")

    assert main(["train", "--dataset", str(tmp_path / "set"), "-o", str(tmp_path / "necks"), "--device", "cpu"]) == 0

    assert given[0][8] == "necks" and given[0][7] == "cpu"


def test_helpWaitsForNoLibrary():
    """Numerics take a second to load, a network ten."""
    code = ("import sys; from CervicalSpineDetectionLib.CommandLine.Main import makeParser; makeParser(); "
            "print([name for name in ('numpy', 'SimpleITK', 'scipy', 'torch', 'vtk') if name in sys.modules])")

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
