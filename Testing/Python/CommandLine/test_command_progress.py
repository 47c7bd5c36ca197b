"""What ``cervical-spine detect`` prints meanwhile: on a terminal, in a log, quiet, as JSON."""

import io
import json

from detectFixtures import ALL_FILES, ct, detect, fileNames, standIns

from CervicalSpineDetectionLib.Terminal import ProgressDisplay

__all__ = ["ct", "standIns"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progressOnATerminalIsOneLine():
    stream = Terminal()
    progress = ProgressDisplay("slices", stream)

    for done in range(1, 51):
        progress("network", done, 50)

    assert stream.getvalue().count("\n") == 1
    last = stream.getvalue().split("\r")[-1]
    assert last.startswith("network: 100%|") and "50 of 50 slices" in last


def test_progressElsewhereIsAFewLines():
    stream = io.StringIO()
    progress = ProgressDisplay("slices", stream)

    for done in range(1, 1001):
        progress("network", done, 1000)

    lines = stream.getvalue().splitlines()
    assert len(lines) == 5 and "1000 of 1000" in lines[-1]
    assert "\r" not in stream.getvalue()


def test_quietPrintsNothing(standIns, ct, tmp_path, capfd):
    assert detect(ct, tmp_path, "-q") == 0

    assert capfd.readouterr() == ("", "")
    assert fileNames(tmp_path / "out") == ALL_FILES


def test_jsonGoesToStandardOutputAlone(standIns, ct, tmp_path, capfd):
    assert detect(ct, tmp_path, "--json") == 0

    printed = capfd.readouterr()
    assert json.loads(printed.out) == json.loads((tmp_path / "out" / "vertebrae.json").read_text())
    assert "Results:" in printed.err


def test_verboseLetsTheLibrariesTalk(standIns, ct, tmp_path, capfd):
    assert detect(ct, tmp_path, "--verbose") == 0
    assert "noise of a C++ library" in capfd.readouterr().out

    assert detect(ct, tmp_path) == 0
    assert "noise" not in capfd.readouterr().out


def test_progressTellsTheTimeLeftInALog():
    stream = io.StringIO()
    progress = ProgressDisplay("CTs", stream)

    assert list(progress.over("ab", "Evaluating", 2)) == ["a", "b"]

    first, middle, last = stream.getvalue().splitlines()
    assert first.startswith("Evaluating: 0 of 2 CTs") and "left" not in first
    assert "1 of 2 CTs" in middle and "about 0 s left" in middle
    assert "2 of 2 CTs" in last and "left" not in last
