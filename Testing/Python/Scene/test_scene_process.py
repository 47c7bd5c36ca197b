"""Slicer's files made by a second process: the same as here, and made here where it can't."""

import sys
import zipfile

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

from sceneFixtures import assertSameVertebrae, madeImage, madeResult, readScene

from CervicalSpineDetectionLib import ResultFiles
from CervicalSpineDetectionLib.Scene import SceneProcess as module
from CervicalSpineDetectionLib.Scene.SceneFiles import writeMarkups, writeScene
from CervicalSpineDetectionLib.Scene.SceneProcess import SceneProcess
from CervicalSpineDetectionLib.Scene.VertebraNodes import vertebraeFromNodes
from CervicalSpineDetectionLib.Scene.VolumeNodes import imageFromVolumeNode


@pytest.fixture
def elsewhere(monkeypatch):
    """As in a command that has not loaded Slicer."""
    monkeypatch.setattr(module, "PROGRAM", "CervicalSpineDetectionLib.Scene")
    for name in [name for name in sys.modules if name.endswith("Scene.SceneFiles")]:
        monkeypatch.delitem(sys.modules, name)


def write(folder, image, process):
    folder.mkdir()
    process.packCt(image, folder)
    return ResultFiles.writeFiles(folder, result(image), image, "CT", process=process)


def result(image):
    from CervicalSpineDetectionLib.Imaging.ImageGeometry import imageGeometry

    made = madeResult()
    return type(made)(made.vertebrae, made.warnings, imageGeometry(image), made.model)


def test_theFilesAreThoseThatAreMadeHere(elsewhere, tmp_path, monkeypatch):
    image = madeImage(spacing=(0.5, 0.75, 2), size=(12, 11, 10))
    with SceneProcess() as process:
        # Nothing is made here.
        monkeypatch.setitem(sys.modules, "CervicalSpineDetectionLib.Scene.SceneFiles", None)
        assert write(tmp_path / "there", image, process) == []
    (tmp_path / "here").mkdir()
    writeMarkups(tmp_path / "here" / "vertebrae.mrk.json", result(image))
    writeScene(tmp_path / "here" / "scene.mrb", image, result(image), "CT")
    there, here = ((tmp_path / name / "vertebrae.mrk.json").read_text() for name in ("there", "here"))
    assert there == here
    parts = [zipfile.ZipFile(tmp_path / name / "scene.mrb") for name in ("there", "here")]
    assert parts[0].namelist() == parts[1].namelist()
    for name in parts[0].namelist():
        if not name.endswith(".mrml"):  # its folder is named in it
            assert parts[0].read(name) == parts[1].read(name), name
    with readScene(tmp_path / "there" / "scene.mrb", tmp_path / "unpacked") as scene:
        volumeNode = scene.GetFirstNodeByName("CT")
        assertSameVertebrae(vertebraeFromNodes(scene, volumeNode), madeResult().vertebrae, 1e-3)
        again = imageFromVolumeNode(volumeNode)
        assert again.GetSize() == image.GetSize() and np.allclose(again.GetSpacing(), image.GetSpacing())


@pytest.mark.parametrize("program", ["CervicalSpineDetectionLib.Nowhere", "CervicalSpineDetectionLib.Scene"])
def test_whatAFailedProcessLeavesIsMadeHere(elsewhere, tmp_path, monkeypatch, program):
    monkeypatch.setattr(module, "PROGRAM", program)
    with SceneProcess() as process:
        process._process.kill()
        assert write(tmp_path / "out", madeImage(size=(6, 6, 6)), process) == []
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(ResultFiles.RESULT_FILES)


def test_noProcessIsStartedWhereSlicerIsLoaded():
    with SceneProcess() as process:
        assert process._process is None


def test_withoutAnyWorkTheProcessEnds(elsewhere):
    with SceneProcess() as process:
        child = process._process
        assert child.poll() is None
    assert child.poll() is not None


def test_aFullDiskIsAnErrorOfTheResults(elsewhere, tmp_path):
    def noRoom(stream):
        raise OSError(28, "No space left on device")

    with SceneProcess() as process:
        process.packCt(madeImage(size=(6, 6, 6)), tmp_path)
        process._ct.copyTo = noRoom
        with pytest.raises(OSError, match="No space"):
            ResultFiles.writeFiles(tmp_path, result(madeImage(size=(6, 6, 6))), madeImage(size=(6, 6, 6)), "CT",
                                   process=process)
