"""The preview window: the module's panel beside views one can work in, without Slicer."""

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from panelFixtures import LEVELS, FakeClient, WorkerClient, application, boxNodes, errors, settle
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
    preview.close()
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
