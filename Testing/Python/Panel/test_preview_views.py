"""Mouse and wheel in the preview window's views; its screenshots."""

import numpy as np
import pytest
import slicer
from panelFixtures import LEVELS, application, boxNodes, errors, settle
from PIL import Image
from previewFixtures import ctPath, detected, inPane, trigger, window
from PySide6 import QtCore, QtGui, QtTest
from reviewFixtures import writeCohort

__all__ = ["application", "ctPath", "detected", "errors", "window"]


def brightness(path):
    return np.asarray(Image.open(path).convert("L")).astype(int)


def test_segmentationIsSeenInTheViews(window, detected):
    pane = window.panes["Yellow"]
    slicer.util.arrayFromVolume(detected)[:, :, 20:70] = 600
    slicer.util.arrayFromVolumeModified(detected)
    before = pane.view.picture().astype(int)
    window.module.widget.correctionPanel.exports.addSegmentation()
    settle(30)

    assert np.abs(pane.view.picture().astype(int) - before).max() > 30


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


def test_viewsWorkAfterTheSceneWasClosed(window, detected, ctPath):
    trigger(window, "Close scene")
    window.openCt(ctPath)
    settle(30)

    assert window.layoutManager.views["Yellow"].node.GetOrientation() == "Sagittal"
    assert window.layoutManager.views["Yellow"].picture()[..., :3].max() > 50


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


def test_pictureOfAReviewShowsTheNextCtAndHowManyAreReviewed(window, tmp_path):
    from SlicerStandIn.Screenshots import takeReview

    ui = window.module.widget.ui
    # Lower than the panel, so that it has to be scrolled.
    window.resize(1100, 500)
    takeReview(window, writeCohort(tmp_path), tmp_path / "pictures")
    takeReview(window, tmp_path, tmp_path / "again")

    assert brightness(tmp_path / "pictures" / "review.png").std() > 20
    assert ui.inputSelector.currentNode().GetName().startswith("sure")
    assert ui.reviewStatusLabel.text == "1 of 2 reviewed"
    assert not ui.reviewDatasetButton.visibleRegion().isEmpty()
