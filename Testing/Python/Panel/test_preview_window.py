"""The preview window: the module's panel beside views one can work in, without Slicer."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from panelFixtures import LEVELS, REPOSITORY, FakeClient, WorkerClient, application, boxNodes, errors, settle
from PIL import Image
from PySide6 import QtCore, QtGui, QtTest, QtWidgets
from sceneFixtures import madeImage, madeResult

from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae

__all__ = ["application", "errors"]


class PromptClient(FakeClient):
    """Finds C2 to C6 at once."""

    def start(self):
        super().start()
        self.say(WorkerClient.Ready("CPU"))

    def detect(self, image, **settings):
        super().detect(image, **settings)
        self.say(WorkerClient.Finished(madeResult(LEVELS)))


@pytest.fixture
def window(application, errors, monkeypatch):
    from SlicerStandIn.PreviewWindow import PreviewWindow

    monkeypatch.setattr(WorkerClient, "WorkerClient", PromptClient)
    slicer.mrmlScene.Clear()
    preview = PreviewWindow()
    preview.resize(1100, 700)
    preview.show()
    settle(30)
    yield preview
    # Without a question.
    application._testing = True
    assert preview.close()
    slicer.mrmlScene.Clear()
    settle()


@pytest.fixture
def ctPath(tmp_path):
    path = tmp_path / "neck.nii.gz"
    sitk.WriteImage(madeImage(size=(90, 90, 90)), str(path))
    return path


@pytest.fixture
def detected(window, ctPath):
    """Vertebrae in the scene, C4 chosen, slice views near."""
    window.openCt(ctPath)
    node = window.module.widget.ui.inputSelector.currentNode()
    addVertebrae(slicer.mrmlScene, madeResult(LEVELS), node)
    window.module.widget.correctionPanel.refresh()
    window.module.widget.correctionPanel.selectMiddle()
    for name in window.layoutManager.sliceViewNames():
        window.layoutManager.views[name].zoom(90)
    settle(30)
    return node


def trigger(window, text):
    (action,) = [action for action in window.findChildren(QtGui.QAction) if action.text == text]
    action.trigger()
    settle(30)


def inPane(pane, ras):
    """Qt coordinates of a world RAS point."""
    x, y = pane.view.toPixels(ras)
    return QtCore.QPoint(round(x), round(pane.view.window.GetSize()[1] - 1 - y))


def brightness(path):
    return np.asarray(Image.open(path).convert("L")).astype(int)


def test_windowSaysThatItIsAPreviewAndNotSlicer(window):
    assert "preview, not 3D Slicer" in window.windowTitle
    notices = [label.text for label in window.findChildren(QtWidgets.QLabel)]
    assert any("this is not 3D Slicer" in notice and "research use only" in notice for notice in notices)


def test_openedCtIsChosenAndShown(window, ctPath):
    window.openCt(ctPath)
    settle(30)

    assert window.module.widget.ui.inputSelector.currentNode().GetName() == "neck"
    assert window.layoutManager.views["Red"].picture()[..., :3].max() > 50


def test_fileThatIsNoCtIsSaid(window, tmp_path, errors):
    (tmp_path / "no.nrrd").write_text("nothing", encoding="utf-8")
    window.openCt(tmp_path / "no.nrrd")

    assert len(errors) == 1 and "no.nrrd" in errors[0]


class Boxes:
    """What message boxes said; each is closed at once."""

    def __init__(self):
        self.texts = []
        self._timer = QtCore.QTimer()
        self._timer.setInterval(20)
        self._timer.timeout.connect(self._close)
        self._timer.start()

    def _close(self):
        box = slicer.app.activeModalWidget()
        if box is not None:
            self.texts.append(box.text)
            box.accept()


@pytest.fixture
def genuineErrorDisplay(application):
    return slicer.util.errorDisplay


@pytest.fixture
def asked(application, monkeypatch):
    """Questions, and the answer to them."""
    monkeypatch.setattr(application, "_testing", False)
    questions = SimpleNamespace(texts=[], answer=QtWidgets.QMessageBox.Cancel)

    def answer(parent, title, text, *buttons):
        questions.texts.append(text)
        return questions.answer

    monkeypatch.setattr(QtWidgets.QMessageBox, "warning", staticmethod(answer))
    yield questions


def test_messagesAppearInAWindow(genuineErrorDisplay, window, application, monkeypatch, tmp_path):
    monkeypatch.setattr(slicer.util, "errorDisplay", genuineErrorDisplay)
    monkeypatch.setattr(application, "_testing", False)
    (tmp_path / "no.nrrd").write_text("nothing", encoding="utf-8")
    boxes, loop = Boxes(), QtCore.QEventLoop()

    def act():
        window.openCt(tmp_path / "no.nrrd")
        window.module.widget.packagesSection.showOfflineHelp()
        loop.quit()

    timer = QtCore.QTimer()
    timer.setSingleShot(True)
    timer.timeout.connect(act)
    timer.start()
    # The boxes are made to be deleted with the events they are shown in.
    loop.exec()

    assert len(boxes.texts) == 2 and "no.nrrd" in boxes.texts[0] and "PythonSlicer" in boxes.texts[1]


def test_windowFitsTheScreenAndThePanelCanBeMadeNarrower(window):
    from SlicerStandIn.PreviewWindow import PreviewWindow

    other = PreviewWindow()
    available = window.screen().availableGeometry
    assert other.width < available.width() and other.height < available.height()
    (splitter,) = other.findChildren(QtWidgets.QSplitter)
    splitter.setSizes([320, other.width - 320])
    assert splitter.sizes()[0] <= 330
    other.close()


def test_nothingOfThePanelIsCutOffWithALargeFont(window, application):
    before = QtWidgets.QApplication.font()
    large = QtGui.QFont(before)
    large.setPointSizeF(1.3 * before.pointSizeF())
    application.setFont(large)
    try:
        window.show()
        application.processEvents()
        window.resizeTo((1346, 708))
        application.processEvents()

        assert window._scroll.horizontalScrollBar().maximum == 0
    finally:
        application.setFont(before)


def test_writtenFileIsNamedInTheStatusBar(window, detected, monkeypatch, tmp_path):
    path = tmp_path / "out.json"
    monkeypatch.setattr(QtWidgets.QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(path), "")))
    window.module.widget.correctionPanel.exports.export(".json")

    assert window.statusBar().currentMessage() == f"Written: {path}"


def test_segmentationIsSeenInTheViews(window, detected):
    pane = window.panes["Yellow"]
    slicer.util.arrayFromVolume(detected)[:, :, 20:70] = 600
    slicer.util.arrayFromVolumeModified(detected)
    before = pane.view.picture().astype(int)
    window.module.widget.correctionPanel.exports.addSegmentation()
    settle(30)

    assert np.abs(pane.view.picture().astype(int) - before).max() > 30


@pytest.mark.parametrize("action", ["Close scene", "Open scene...", "window"])
def test_vertebraeAreNotDroppedWithoutAQuestion(window, detected, asked, monkeypatch, action):
    monkeypatch.setattr(QtWidgets.QFileDialog, "getOpenFileName", staticmethod(lambda *_: ("scene.mrb", "")))
    if action == "window":
        assert not window.close()
    else:
        trigger(window, action)

    assert len(asked.texts) == 1
    assert len(boxNodes(detected)) == len(LEVELS) and window.isVisible()
    asked.answer = QtWidgets.QMessageBox.Discard
    trigger(window, "Close scene")
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode") == 0


def test_savedSceneIsClosedWithoutAQuestionUntilItIsCorrected(window, detected, asked, monkeypatch, tmp_path):
    path = tmp_path / "scene.mrb"
    monkeypatch.setattr(QtWidgets.QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(path), "")))
    asked.answer = QtWidgets.QMessageBox.Save
    assert window._mayDiscard() and path.is_file()
    assert window._mayDiscard() and len(asked.texts) == 1

    window.module.widget.correctionPanel.shiftDown()
    asked.answer = QtWidgets.QMessageBox.Cancel
    assert not window._mayDiscard() and len(asked.texts) == 2


def test_ctWithoutVertebraeIsClosedWithoutAQuestion(window, ctPath, asked):
    window.openCt(ctPath)
    trigger(window, "Close scene")

    assert asked.texts == []


def test_savedSceneIsOpenedInTheWindow(window, detected, tmp_path):
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    window.module.widget.correctionPanel.shiftDown()
    window.openScene(tmp_path / "scene.mrb")
    settle(30)

    node = window.module.widget.ui.inputSelector.currentNode()
    assert [box.GetName() for box in boxNodes(node)] == list(LEVELS)
    assert window.layoutManager.views["Red"].picture()[..., :3].max() > 50


def test_fileThatIsNoSceneLeavesTheSceneAsItIs(window, detected, errors, tmp_path):
    (tmp_path / "no.mrb").write_text("nothing", encoding="utf-8")
    window.openScene(tmp_path / "no.mrb")

    assert len(errors) == 1 and "no.mrb" in errors[0]
    assert len(boxNodes(detected)) == len(LEVELS)


def madeBy(script, monkeypatch, tmp_path):
    """A sample CT that this Python code makes, and what it told."""
    from SlicerStandIn import SampleCt

    told = []
    sample = SampleCt.SampleCt(told.append, told.append, told.append, tmp_path / "sample" / "ct.nii.gz")
    monkeypatch.setattr(SampleCt, "COMMAND", ["-c", script])
    sample.get()
    wait = QtCore.QElapsedTimer()
    wait.start()
    while sample.isBeingMade and wait.elapsed() < 20000:
        settle(20)
    return sample, told


def test_sampleIsMadeOnceWithoutBlockingTheWindow(window, monkeypatch, tmp_path):
    script = "import pathlib, sys, time; time.sleep(1.2); path = pathlib.Path(sys.argv[2]); " \
             "path.parent.mkdir(); path.write_text('CT')"
    sample, told = madeBy(script, monkeypatch, tmp_path)
    assert told[:2] == [0, 1] and told[-1].read_text() == "CT"
    sample.get()
    assert told[-1] == told[-2] and not sample.isBeingMade
    assert list(told[-1].parent.iterdir()) == [told[-1]]


def test_sampleThatCannotBeMadeIsSaid(window, monkeypatch, tmp_path):
    sample, told = madeBy("import sys; sys.exit('The disk is full.')", monkeypatch, tmp_path)

    assert told == [0, "The disk is full."]


def missingLibraries():
    """The libraries of Qt's plugin for X11 that can't be loaded here, from the Makefile's list."""
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (listed,) = re.findall(r"^DESKTOP_LIBRARIES =(.*)$", text, re.MULTILINE)
    missing = []
    for entry in listed.split():
        try:
            ctypes.CDLL(entry.partition("=")[0])
        except OSError:
            missing.append(entry.partition("=")[2])
    return missing


def previewWithoutDesktop():
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    environment["PYTHONPATH"] = str(REPOSITORY / "Testing")
    return [sys.executable, "-m", "SlicerStandIn"], environment


def test_missingDisplayIsSaidInsteadOfQtsAdvice():
    command, environment = previewWithoutDesktop()
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 1 and "DISPLAY is not set" in run.stderr and "Reinstalling" not in run.stderr


@pytest.mark.skipif(sys.platform != "linux" or bool(missingLibraries()),
                    reason="needs the packages of Qt's plugin for X11: " + ", ".join(missingLibraries()))
def test_displayThatCannotBeReachedIsSaidInsteadOfQtsAdvice():
    command, environment = previewWithoutDesktop()
    run = subprocess.run(command, env={**environment, "DISPLAY": ":987"}, capture_output=True, text=True)
    assert run.returncode == 1 and ":987" in run.stderr and "Reinstalling" not in run.stderr


@pytest.mark.skipif(shutil.which("make") is None or sys.platform != "linux", reason="needs make on Linux")
def test_makeSaysWhatIsLackingBeforeItDownloads(tmp_path):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    lacking = ["make", "preview", "DESKTOP_LIBRARIES=libnothere.so.1=libnothere1"]
    run = subprocess.run(lacking, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode and "apt-get install libnothere1" in run.stderr

    run = subprocess.run([*lacking, "MISSING_PACKAGES=true"], cwd=tmp_path, env=environment, capture_output=True,
                         text=True)
    assert run.returncode and "DISPLAY is not set" in run.stderr
    assert not (tmp_path / ".venv").exists()


def test_detectIsClickedInTheWindow(window, ctPath):
    window.openCt(ctPath)
    QtTest.QTest.mouseClick(window.module.widget.ui.detectButton, QtCore.Qt.LeftButton)
    settle(80)

    node = window.module.widget.ui.inputSelector.currentNode()
    assert [box.GetName() for box in boxNodes(node)] == list(LEVELS)


def test_mouseInAPaneDragsTheBox(window, detected):
    pane, box = window.panes["Yellow"], boxNodes(detected)[2]
    matrix = slicer.util.arrayFromVTKMatrix(box.GetObjectToWorldMatrix())
    start, end = (inPane(pane, (matrix @ [0, 0, height, 1])[:3]) for height in (4.5, 10.5))
    QtTest.QTest.mouseMove(pane, start - QtCore.QPoint(4, 0))
    QtTest.QTest.mouseMove(pane, start)
    QtTest.QTest.mousePress(pane, QtCore.Qt.LeftButton, QtCore.Qt.NoModifier, start)
    for step in range(1, 11):
        QtTest.QTest.mouseMove(pane, start + (end - start) * step / 10)
    QtTest.QTest.mouseRelease(pane, QtCore.Qt.LeftButton, QtCore.Qt.NoModifier, end)
    settle(30)

    assert box.GetSize()[2] == pytest.approx(15, abs=0.7)


def test_boxIsNoLongerLitWhenTheMouseLeftItOrThePane(window, detected):
    pane, box = window.panes["Yellow"], boxNodes(detected)[2]
    matrix = slicer.util.arrayFromVTKMatrix(box.GetObjectToWorldMatrix())
    place = inPane(pane, (matrix @ [0, 0, 4.5, 1])[:3])

    def hover():
        QtTest.QTest.mouseMove(pane, place - QtCore.QPoint(4, 0))
        QtTest.QTest.mouseMove(pane, place)
        assert box.GetDisplayNode().HasActiveComponent()

    hover()
    QtTest.QTest.mouseMove(pane, QtCore.QPoint(5, 5))
    assert not box.GetDisplayNode().HasActiveComponent()
    hover()
    slicer.app.sendEvent(pane, QtCore.QEvent(QtCore.QEvent.Leave))
    assert not box.GetDisplayNode().HasActiveComponent()


def test_wheelInAPaneGoesThroughTheSlices(window, detected):
    pane = window.panes["Red"]
    before = pane.view.node.GetSliceOffset()
    place = QtCore.QPointF(50, 50)
    slicer.app.sendEvent(pane, QtGui.QWheelEvent(
        place, pane.mapToGlobal(place), QtCore.QPoint(), QtCore.QPoint(0, 120), QtCore.Qt.NoButton,
        QtCore.Qt.NoModifier, QtCore.Qt.NoScrollPhase, False,
    ))

    assert abs(pane.view.node.GetSliceOffset() - before) == pytest.approx(1)


def test_sceneIsClosedInTheWindow(window, detected):
    trigger(window, "Close scene")

    assert window.module.widget.ui.vertebraTable.rowCount == 0
    assert not window.module.widget.ui.detectButton.enabled


def test_viewsWorkAfterTheSceneWasClosed(window, detected, ctPath):
    trigger(window, "Close scene")
    window.openCt(ctPath)
    settle(30)

    assert window.layoutManager.views["Yellow"].node.GetOrientation() == "Sagittal"
    assert window.layoutManager.views["Yellow"].picture()[..., :3].max() > 50


def test_sceneIsSavedFromTheWindow(window, detected, monkeypatch, tmp_path):
    path = tmp_path / "scene.mrb"
    monkeypatch.setattr(QtWidgets.QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(path), "")))
    trigger(window, "Save scene...")

    assert path.stat().st_size > 1000


def test_screenshotsShowEachStep(window, ctPath, tmp_path):
    from SlicerStandIn.Screenshots import takeScreenshots

    window.openCt(ctPath)
    takeScreenshots(window, tmp_path / "pictures")

    pictures = [brightness(tmp_path / "pictures" / f"{name}.png") for name in ("detect", "drag", "shift")]
    assert all(picture.shape == pictures[0].shape and picture.std() > 20 for picture in pictures)
    assert np.abs(pictures[1] - pictures[0]).max() > 50 and np.abs(pictures[2] - pictures[1]).max() > 50
    node = window.module.widget.ui.inputSelector.currentNode()
    assert [box.GetName() for box in boxNodes(node)] == ["C3", "C4", "C5", "C6", "C7"]
    assert boxNodes(node)[2].GetSize()[2] == pytest.approx(15, abs=0.7)
