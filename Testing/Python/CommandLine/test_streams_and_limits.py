"""A command whose reader is gone, whose disk for messages is full, whose memory, home or graphics are missing: the
results are there, or one sentence says why not."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib import Terminal
from CervicalSpineDetectionLib.Errors import InputError, isShortOfMemory
from CervicalSpineDetectionLib.PrintableText import printable
from CervicalSpineDetectionLib.SafeChildren import runPython
from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights
from CervicalSpineDetectionLib.StandardStreams import LastingStream, lastingStreams

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="streams and limits of Unix")
# A detector that finds nothing, for the real one takes seconds to load.
COMMAND = """
import sys
from CervicalSpineDetectionLib.CommandLine import Detect, Main
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult
def detect(image, arguments, detector=None):
    for line in range(2000):
        print("a long story", line, flush=line % 2)
    grid = {"size": [40] * 3, "spacing": [1.0] * 3, "origin": [0.0] * 3, "direction": [1.0, 0, 0, 0, 1, 0, 0, 0, 1]}
    return DetectionResult([], [], grid, {"name": "none", "sha256": "0" * 64}, {})
Detect.detect = detect
sys.exit(Main.main(sys.argv[1:]))
"""


@pytest.fixture
def command(tmp_path):
    """Shell command line of a detection, to be redirected."""
    voxels = np.random.default_rng(1).normal(-900, 100, (40, 40, 40)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / "ct.nrrd"))
    (tmp_path / "run.py").write_text(COMMAND)
    return f"{sys.executable} run.py detect ct.nrrd --output out --no-scene --no-preview"


def shell(line, folder, **variables):
    return subprocess.run(["bash", "-c", f"set -o pipefail; {line}"], cwd=folder, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables})


NOTHING_FOUND = 3  # exit status
CT = Path(__file__).resolve().parents[2] / "Golden" / "straight.nrrd"


@pytest.mark.shows("Faults", "standard output closed, full, or its reader gone", "results all the same")
@pytest.mark.parametrize("redirection", ["| head -1", ">&- 2>&- <&-", "> /dev/full 2>&1"])
def test_whatBecomesOfTheMessagesDoesNotBecomeOfTheResults(command, tmp_path, redirection):
    run = shell(f"{command} {redirection}", tmp_path)

    assert run.returncode == NOTHING_FOUND and "Traceback" not in run.stderr and "Exception" not in run.stderr
    assert (tmp_path / "out" / "vertebrae.json").is_file()
    assert "a long story" not in (tmp_path / "out" / "vertebrae.json").read_text()


def test_badInputIsAStatusWhereNobodyReads(command, tmp_path):
    run = shell(f"{command.replace('ct.nrrd', 'none')} 2>&-", tmp_path)
    assert run.returncode == 2


@pytest.mark.shows("Hostile", "control characters in names and DICOM values")
def test_aStreamShowsWhatATerminalWouldObey():
    shown = []

    class Terminal:
        encoding = "ascii"
        write = shown.append

    LastingStream(Terminal()).write("a\x1b[2J\r é \udce9\tb\n")
    assert shown == ["a\\x1b[2J\\r \\xe9 \\udce9\tb\n"]


def test_theStreamsComeBack():
    before = sys.stdout, sys.stderr
    with contextlib.suppress(RuntimeError), lastingStreams():
        assert sys.stdout is not before[0]
        raise RuntimeError
    assert (sys.stdout, sys.stderr) == before


def test_textIsLeftAsItIsWhereAllOfItIsSeen():
    assert printable("Müller_頸椎 1.nrrd") == "Müller_頸椎 1.nrrd"


def test_aMessageIsBounded():
    assert len(str(InputError("x" * 100_000))) < 3000


# Memory, home, graphics


@pytest.mark.parametrize("error", [
    MemoryError(), RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
    ImportError("libtorch_cpu.so: failed to map segment from shared object"), RuntimeError("can't start new thread"),
    OSError(12, "Cannot allocate memory"), RuntimeError("Exception thrown in SimpleITK: std::bad_alloc"),
    RuntimeError("ITK ERROR: PlatformMultiThreader: Unable to join thread."),
    ValueError("Failed to serialize proto"), RuntimeError("Non-zero status code returned: bad allocation"),
])
def test_errorsThatMeanTooLittleMemoryAreKnown(error):
    with pytest.raises(RuntimeError) as raised:
        raise RuntimeError("outer") from error
    assert isShortOfMemory(error) and isShortOfMemory(raised.value)
    assert not isShortOfMemory(InputError("The file is damaged."))


def limited(megabytes, arguments, folder):
    """Run Python with so much memory at most."""
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    return subprocess.run([sys.executable, *arguments], cwd=folder, preexec_fn=limit, capture_output=True, text=True,
                          timeout=120, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})


@pytest.mark.shows("Faults", "too little memory (`ulimit -v`)", "one sentence")
@pytest.mark.parametrize("megabytes", [60, 135, 300, 480, 705, 735])
def test_tooLittleMemoryIsOneSentence(tmp_path, megabytes):
    """Of a real detection. With one thread the larger limits may do."""
    run = limited(megabytes, ["-m", "CervicalSpineDetectionLib", "detect", str(CT), "--output", "out"], tmp_path)

    if megabytes >= 700 and run.returncode == 0:
        assert not run.stderr
        return
    assert run.returncode == 2, run.stderr[-2000:]
    assert len(run.stderr.splitlines()) == 1 and "memory" in run.stderr
    assert (megabytes >= 700) or f"may use only {megabytes} MB of memory (ulimit -v)" in run.stderr


@pytest.mark.shows("Faults", "too little memory (`ulimit -v`)")
@pytest.mark.parametrize(("end", "told"), [
    ("os.abort()", "ended before it was done, most likely because it may use only 3000 MB"),
    ("os._exit(1)", "ended before it was done, most likely because it may use only 3000 MB"),
    ("1 / 0", "Unexpected error (ZeroDivisionError: division by zero), most likely because"),
    ("raise MemoryError", "memory"),
])
def test_whatALibraryWithoutMemoryDoesIsOneSentence(command, tmp_path, end, told):
    code = COMMAND.replace("    for line in range(2000):", f"    import os; {end}").replace("(sys.argv[1:])", "()")
    (tmp_path / "run.py").write_text(code.replace("        print(\"a long story\", line, flush=line % 2)\n", ""))

    run = limited(3000, ["run.py", *command.split()[2:]], tmp_path)

    assert run.returncode == 2 and len(run.stderr.splitlines()) == 1 and told in run.stderr, run.stderr


def test_aLimitThatIsLargeEnoughChangesNothing(command, tmp_path):
    (tmp_path / "run.py").write_text(COMMAND.replace("(sys.argv[1:])", "()"))

    run = limited(3000, ["run.py", *command.split()[2:]], tmp_path)

    assert run.returncode == NOTHING_FOUND and run.stderr == "" and (tmp_path / "out" / "vertebrae.json").is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whoEndsALimitedCommandEndsAllOfIt(command, tmp_path, number):
    code = COMMAND.replace("    for line in range(2000):", "    import os, time; print('at', os.getpid()); sys.stdout."
                           "flush(); time.sleep(60)").replace("(sys.argv[1:])", "()")
    (tmp_path / "run.py").write_text(code.replace("        print(\"a long story\", line, flush=line % 2)\n", ""))
    run = subprocess.Popen(["bash", "-c", f"ulimit -v 3000000; exec {command}"], cwd=tmp_path, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, start_new_session=True,
                           env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                           # Where the tests run in the background, Ctrl+C is ignored, by their children too.
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    child = psutil.Process(next(int(line.split()[1]) for line in run.stdout if line.startswith("at ")))

    os.killpg(run.pid, number) if number == signal.SIGINT else run.send_signal(number)

    error = run.communicate(timeout=20)[1]
    assert child.pid != run.pid
    child.wait(20)
    if number == signal.SIGINT:
        assert run.returncode == 130 and "earlier results are untouched" in error


@pytest.mark.shows("Faults", "no home folder, no entry for the user", "results all the same")
def test_noHomeIsNoFault(monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("CERVICAL_SPINE_WEIGHTS", raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    monkeypatch.setattr("pwd.getpwuid", lambda number: (_ for _ in ()).throw(KeyError(number)))

    assert findWeights().is_file()
    with pytest.raises(InputError, match="No weights called none"):
        findWeights("none")


@pytest.mark.shows("Faults", "no home folder, no entry for the user")
@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can take another user's number")
def test_aUserWithoutHomeAndPasswordEntryLoadsTheNetwork():
    load = "from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector; loadDetector(None, 'cpu')"
    run = shell(f'env -u HOME setpriv --reuid 54321 --regid 54321 --clear-groups {sys.executable} -c "{load}"', "/")
    if run.returncode == 126 or "Permission denied" in run.stderr:
        pytest.skip("that user can't read this Python")

    assert run.returncode == 0, run.stderr


@pytest.mark.shows("Faults", "a trial of the graphics that fails or hangs", "taken for no graphics")
@pytest.mark.parametrize("code", ["raise SystemExit(1)", "import os; os.abort()", "import time; time.sleep(100)"])
def test_graphicsThatFailOrHangAreNoGraphics(monkeypatch, code):
    monkeypatch.setattr(Terminal, "DRAW_NOTHING", code)
    monkeypatch.setattr(Terminal, "DRAW_SECONDS", 3)
    assert not Terminal.canDraw()


def test_aTrialThatCannotBeStartedIsNoGraphics(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert runPython("pass", 5) is None and not Terminal.canDraw()
