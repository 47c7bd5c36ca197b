"""Single files appear whole or not at all; folders are tested with the results in them."""

import os
import platform
import subprocess
import sys

import pytest

from CervicalSpineDetectionLib.AtomicFiles import (
    MANIFEST,
    atomicFile,
    atomicFolder,
    finishLeftovers,
    newFolder,
    removeUnfinished,
)
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.FolderLock import HOLDER_FILE, lockedFolder


def test_theFileTakesItsPlaceWhenAllIsWritten(tmp_path):
    path = tmp_path / "figures.csv"
    path.write_text("earlier")
    with atomicFile(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "earlier" and temporary.suffix == ".csv"
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_anErrorLeavesTheEarlierFileAndNothingElse(tmp_path):
    path = tmp_path / "figures.csv"
    path.write_text("earlier")
    with pytest.raises(OSError, match="full"), atomicFile(path) as temporary:
        temporary.write_text("half of")
        raise OSError("full")
    assert path.read_text() == "earlier" and list(tmp_path.iterdir()) == [path]


def test_whatAKilledProcessLeftIsRemoved(tmp_path):
    killed = atomicFile(tmp_path / "figures.csv")
    killed.__enter__().write_text("half of")
    removeUnfinished(tmp_path)
    assert list(tmp_path.iterdir()) == []


# Loss of power, and two runs into one folder


@pytest.mark.shows("Faults", "loss of power")
@pytest.mark.parametrize("manifest", [b"", b"\0" * 30, b"[1", b'["a"]', b'{"../a": true}', None])
def test_finishedFilesWithoutAUsableListAreDroppedAndBlockNothing(tmp_path, manifest):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("earlier")
    (tmp_path / "a").write_text("outside")
    finished = tmp_path / "out" / ".finished-x"
    finished.mkdir()
    (finished / "a").write_text("")
    if manifest is not None:
        (finished / MANIFEST).write_bytes(manifest)

    finishLeftovers(tmp_path / "out")

    assert (tmp_path / "out" / "a").read_text() == "earlier" and (tmp_path / "a").read_text() == "outside"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]


def test_aStrayFileCalledFinishedBlocksNothing(tmp_path):
    (tmp_path / ".finished-x").touch()
    with atomicFolder(tmp_path, ["a"]) as folder:
        (folder / "a").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("name", ["[ab]", "out*", "?"])
def test_aFolderWhoseNameIsAPatternIsTidiedToo(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / ".unfinished-x").touch()
    removeUnfinished(tmp_path / name)
    assert list((tmp_path / name).iterdir()) == []


@pytest.mark.shows("Faults", "loss of power",
                   "a name leads to a whole file; damaged lists, reasons and settings block nothing")
def test_allIsOnTheDiskBeforeItTakesItsName(tmp_path, monkeypatch):
    """After a loss of power a name would else lead to an empty file."""
    steps = []
    for name in ("fsync", "rename", "replace"):
        original = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *arguments, original=original, name=name: (
            steps.append(name), original(*arguments))[1])

    with atomicFile(tmp_path / "file") as temporary:
        temporary.write_text("new")
    assert steps == ["fsync", "replace"]

    steps.clear()
    with newFolder(tmp_path / "folder") as temporary:
        (temporary / "a").write_text("new")
    assert steps == ["fsync", "fsync", "rename"]  # the file and the folder

    steps.clear()
    with atomicFolder(tmp_path, ["a", "b"]) as temporary:
        (temporary / "a").write_text("new")
    assert steps == ["fsync", "fsync", "fsync", "rename", "replace"]  # with the list

    steps.clear()
    with newFolder(tmp_path / "other") as folder, atomicFile(folder / "a") as temporary:
        temporary.write_text("new")
    assert steps == ["replace", "fsync", "fsync", "rename"]  # once for all, not for each file as well


@pytest.mark.shows("Faults", "`export` into the folder of a killed `detect`", "what had been finished is put in place")
def test_whatAKilledDetectionHadFinishedSurvivesAnExportIntoItsFolder(tmp_path):
    finished = tmp_path / ".finished-x"
    finished.mkdir()
    (finished / MANIFEST).write_text('{"preview.png": false, "vertebrae.json": true}')
    (finished / "vertebrae.json").write_text("finished")
    (tmp_path / "preview.png").write_text("of an earlier run")

    with atomicFolder(tmp_path, ["boxes.nii.gz"]) as folder:
        (folder / "boxes.nii.gz").write_text("exported")

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "vertebrae.json": "finished", "boxes.nii.gz": "exported"}


HOLD = """
import sys
from CervicalSpineDetectionLib.FolderLock import lockedFolder
with lockedFolder(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process that writes to ``tmp_path``."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.shows("Faults", "two runs into one folder", "the second is told who holds it")
def test_aSecondRunIntoAFolderIsToldWhoHoldsIt(tmp_path, holder):
    (tmp_path / ".unfinished-theirs").mkdir()

    with pytest.raises(InputError, match=rf"process {holder.pid} on {platform.node()}, since 20"):
        with atomicFolder(tmp_path, ["a"]):
            pass
    assert (tmp_path / ".unfinished-theirs").is_dir()

    holder.communicate()
    with atomicFolder(tmp_path, ["a"]):
        pass


@pytest.mark.shows("Faults", "two runs into one folder")
def test_aKilledRunHoldsNothing(tmp_path, holder):
    holder.kill()
    holder.wait()
    with atomicFolder(tmp_path, ["a"]) as folder:
        (folder / "a").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_whoHoldsAFolderIsNotNeeded(tmp_path, holder):
    (tmp_path / HOLDER_FILE).write_text("[damaged")
    with pytest.raises(InputError, match="Another run writes to .*; wait"), lockedFolder(tmp_path):
        pass
