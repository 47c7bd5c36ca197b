"""The preview window: the module's panel beside views one can work in, without Slicer."""

from types import SimpleNamespace

import pytest
import slicer
from panelFixtures import LEVELS, application, boxNodes, errors, settle
from previewFixtures import ctPath, detected, trigger, window
from PySide6 import QtCore, QtGui, QtWidgets

__all__ = ["application", "ctPath", "detected", "errors", "window"]


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


def test_sceneIsClosedInTheWindow(window, detected):
    trigger(window, "Close scene")

    assert window.module.widget.ui.vertebraTable.rowCount == 0
    assert not window.module.widget.ui.detectButton.enabled


def test_sceneIsSavedFromTheWindow(window, detected, monkeypatch, tmp_path):
    path = tmp_path / "scene.mrb"
    monkeypatch.setattr(QtWidgets.QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(path), "")))
    trigger(window, "Save scene...")

    assert path.stat().st_size > 1000
