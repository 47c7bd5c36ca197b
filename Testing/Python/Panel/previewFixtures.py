"""The preview window in the stand-in for Slicer, with a worker that answers at once."""

import pytest
import SimpleITK as sitk
import slicer
from panelFixtures import LEVELS, FakeClient, WorkerClient, settle
from PySide6 import QtCore, QtGui
from sceneFixtures import madeImage, madeResult

from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae


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
