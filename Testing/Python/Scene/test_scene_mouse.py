"""Corrections by mouse in real views: events go through Slicer's own markups widgets."""

import json

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

import slicer
import vtk
from sceneFixtures import assertSameVertebrae, madeImage, madeResult, putUnderTransform
from viewMouse import ViewMouse

from CervicalSpineDetectionLib.Results.ResultJson import writeJson
from CervicalSpineDetectionLib.Scene.Corrections import Corrections
from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.OffscreenViews import SliceView
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, vertebraeFromNodes
from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

LPS_TO_RAS = np.array([-1, -1, 1])
# A view's own rounding: drags end at whole pixels.
MILLIMETRES_PER_PIXEL = 0.2
RIGHT, ANTERIOR, SUPERIOR = range(3)


class Bench:
    """C3, C4, C5 in a sagittal view through C4's centre, with a mouse."""

    def __init__(self, scene, applicationLogic, underTransform=False):
        self.scene = scene
        self.volumeNode = volumeNodeFromImage(scene, madeImage(size=(60, 60, 60)), "CT")
        if underTransform:
            putUnderTransform(scene, self.volumeNode)
        *self.boxNodes, self.centresNode = addVertebrae(scene, madeResult(), self.volumeNode)
        self.node = self.boxNodes[1]
        self.corrections = Corrections(scene, self.volumeNode)
        self.corrections.showHandles(self.node.GetID())
        view = SliceView(scene, applicationLogic, "Yellow", (400, 400), self.volumeNode)
        view.show(self._sagittal(), MILLIMETRES_PER_PIXEL)
        self.mouse = ViewMouse(view)

    def _sagittal(self):
        plane = np.eye(4)
        plane[:3, :3] = np.array([[0, -1, 0], [0, 0, 1], [-1, 0, 0]]).T
        plane[:3, 3] = self.centre(1)
        return plane

    def centre(self, index):
        return np.array(self.centresNode.GetNthControlPointPositionWorld(index))

    def axis(self, index):
        """Of C4's box in the world, shape (3,)."""
        return slicer.util.arrayFromVTKMatrix(self.node.GetObjectToWorldMatrix())[:3, index]

    def boxCentre(self):
        return np.array(self.node.GetCenterWorld())

    def face(self, axis):
        return self.boxCentre() + self.axis(axis) * self.node.GetSize()[axis] / 2

    def vertebrae(self):
        return vertebraeFromNodes(self.scene, self.volumeNode)

    def exported(self, path):
        writeJson(path, DetectionResult(self.vertebrae()))
        return json.loads(path.read_text(encoding="utf-8"))["vertebrae"][1]


@pytest.fixture
def bench():
    with headlessScene() as (scene, applicationLogic):
        bench = Bench(scene, applicationLogic)
        yield bench
        bench.corrections.release()


def inPlane(vector):
    """What a sagittal view can show of it."""
    return np.array(vector) * [0, 1, 1]


def test_draggedFaceChangesNodeRowAndExport(bench, tmp_path):
    before, rows = bench.vertebrae(), bench.corrections.rows()
    start = bench.face(ANTERIOR)
    seen = []
    bench.corrections.observe(lambda: seen.append(bench.corrections.rows()[1].size[1]))

    bench.mouse.drag(start, start + inPlane(bench.axis(ANTERIOR) * 5))

    length = bench.node.GetSize()[ANTERIOR]
    assert length == pytest.approx(29, abs=2 * MILLIMETRES_PER_PIXEL)
    row = bench.corrections.rows()[1]
    assert row.size[1] == length and row.edited
    assert bench.exported(tmp_path / "result.json")["orientedBox"]["size"][1] == pytest.approx(length, abs=0.01)
    # The opposite face and the centre point stay.
    opposite = bench.boxCentre() - bench.axis(ANTERIOR) * length / 2
    np.testing.assert_allclose(opposite, start - bench.axis(ANTERIOR) * 24, atol=1e-4)
    np.testing.assert_allclose(bench.vertebrae()[1].centre, before[1].centre)
    # The table followed during the drag.
    assert len(set(seen)) > 5
    assert bench.corrections.rows()[::2] == rows[::2]

    bench.corrections.undo()
    assertSameVertebrae(bench.vertebrae(), before, 1e-9)
    assert bench.corrections.rows() == rows and not bench.corrections.canUndo
    bench.corrections.redo()
    assert bench.node.GetSize()[ANTERIOR] == length


def test_draggedCornerChangesTwoSizes(bench):
    before = np.array(bench.node.GetSize())
    half = before / 2
    corner = bench.boxCentre() + bench.axis(ANTERIOR) * half[ANTERIOR] + bench.axis(SUPERIOR) * half[SUPERIOR]
    outwards = bench.axis(ANTERIOR) * 3 + bench.axis(SUPERIOR) * 2

    bench.mouse.drag(corner, corner + inPlane(outwards))

    grown = np.array(bench.node.GetSize()) - before
    np.testing.assert_allclose(grown[1:], [3, 2], atol=0.5)
    bench.corrections.undo()
    assert bench.node.GetSize() == pytest.approx(before)


def test_draggedCentreHandleMovesBoxAndPoint(bench, tmp_path):
    before, points = bench.vertebrae(), [bench.centre(index) for index in range(3)]
    start = bench.boxCentre()

    bench.mouse.drag(start, start + [0, 5, 3])

    np.testing.assert_allclose(bench.boxCentre() - start, [0, 5, 3], atol=2 * MILLIMETRES_PER_PIXEL)
    np.testing.assert_allclose(bench.centre(1) - points[1], bench.boxCentre() - start, atol=1e-6)
    np.testing.assert_allclose([bench.centre(0), bench.centre(2)], points[::2])
    exported = bench.exported(tmp_path / "result.json")
    np.testing.assert_allclose(exported["centre"], bench.centre(1) * LPS_TO_RAS, atol=0.01)
    bench.corrections.undo()
    assertSameVertebrae(bench.vertebrae(), before, 1e-9)
    assert not bench.corrections.canUndo


@pytest.mark.parametrize("button", ["Left", "Middle"])
def test_draggedPointMovesAlone(bench, tmp_path, button):
    """Slicer's middle button would move all points of the list. (The panel keeps it off the chosen one, too.)"""
    before, points = bench.vertebrae(), [bench.centre(index) for index in range(3)]

    bench.mouse.drag(points[1], points[1] + [0, 4, 2], button)

    np.testing.assert_allclose(bench.centre(1) - points[1], [0, 4, 2], atol=2 * MILLIMETRES_PER_PIXEL)
    np.testing.assert_allclose([bench.centre(0), bench.centre(2)], points[::2])
    np.testing.assert_allclose(bench.exported(tmp_path / "result.json")["centre"],
                               bench.centre(1) * LPS_TO_RAS, atol=0.01)
    assert [row.edited for row in bench.corrections.rows()] == [False, True, False]
    bench.corrections.undo()
    assertSameVertebrae(bench.vertebrae(), before, 1e-9)
    assert not bench.corrections.canUndo


@pytest.mark.parametrize("button", ["Left", "Middle"])
def test_onlyTheChosenVertebraIsMoved(bench, button):
    """A middle drag, Slicer's pan, moved whatever lay under the pointer. (Where one is chosen, the panel holds it.)"""
    bench.corrections.confirmAll()
    before = bench.vertebrae()
    if button == "Middle":
        bench.corrections.showHandles(None)

    for index in (0, 2):
        other = np.array(bench.boxNodes[index].GetCenterWorld())
        up = bench.axis(SUPERIOR) * 4.5
        for place in (other, other + up, bench.centre(index)):
            bench.mouse.drag(place, place + [0, 6, 4], button)

    assertSameVertebrae(bench.vertebrae(), before, 1e-9)
    assert all(row.confirmed for row in bench.corrections.rows())


@pytest.mark.parametrize("place", ["box", "face", "point"])
def test_heldMouseMovesNothing(bench, place):
    """As while the middle button is down."""
    before = bench.vertebrae()
    start = {"box": bench.boxCentre, "face": lambda: bench.face(ANTERIOR), "point": lambda: bench.centre(1)}[place]()
    bench.corrections.holdMouse(True)
    bench.mouse.drag(start, start + [0, 6, 4], "Middle")
    bench.corrections.holdMouse(False)
    assertSameVertebrae(bench.vertebrae(), before, 1e-9)
    assert not bench.corrections.canUndo

    bench.mouse.drag(start, start + [0, 6, 4])
    assert bench.corrections.canUndo


def test_draggedVertebraIsNoLongerConfirmed(bench):
    bench.corrections.confirmAll()
    start = bench.centre(1)
    bench.mouse.drag(start, start + [0, 4, 2])

    assert [row.confirmed for row in bench.corrections.rows()] == [True, False, True]
    bench.corrections.undo()
    assert all(row.confirmed for row in bench.corrections.rows())


def test_secondDragIsASecondStep(bench):
    first = bench.centre(1)
    bench.mouse.drag(first, first + [0, 4, 2])
    second = bench.centre(1)
    bench.mouse.drag(second, second + [0, -3, 1])

    bench.corrections.undo()
    np.testing.assert_allclose(bench.centre(1), second)
    bench.corrections.undo()
    np.testing.assert_allclose(bench.centre(1), first)


def test_clickWithoutMoveIsNoStep(bench):
    bench.mouse.click(bench.centre(1))

    assert not bench.corrections.canUndo and not any(row.edited for row in bench.corrections.rows())


def test_lockedVertebraCantBeDragged(bench):
    bench.corrections.setLocked(bench.node.GetID(), True)
    assert not bench.node.GetDisplayNode().GetHandlesInteractive()
    before = bench.vertebrae()
    for button in ("Left", "Middle"):
        bench.mouse.drag(bench.centre(1), bench.centre(1) + [0, 4, 2], button)
    # Also where someone turned the handles on again, which Slicer lets move a locked box.
    for handles in (False, True):
        bench.node.GetDisplayNode().SetHandlesInteractive(handles)
        for start in (bench.face(ANTERIOR), bench.boxCentre()):
            bench.mouse.drag(start, start + [0, 5, 3])
    assertSameVertebrae(bench.vertebrae(), before, 1e-9)
    assert not bench.corrections.rows()[1].edited

    # Another vertebra's drag doesn't free it.
    bench.mouse.drag(bench.centre(0), bench.centre(0) + [0, 4, 2])
    bench.mouse.drag(bench.centre(1), bench.centre(1) + [0, 4, 2])
    assertSameVertebrae(bench.vertebrae()[1:], before[1:], 1e-9)

    bench.corrections.setLocked(bench.node.GetID(), False)
    assert bench.node.GetDisplayNode().GetHandlesInteractive()
    start = bench.centre(1)
    bench.mouse.drag(start, start + [0, 4, 2])
    assert np.linalg.norm(bench.centre(1) - start) > 4


def test_handlesAreThereForTheChosenBoxOnly(bench):
    assert [node.GetDisplayNode().GetHandlesInteractive() for node in bench.boxNodes] == [False, True, False]
    bench.corrections.showHandles(None)
    start = bench.face(ANTERIOR)

    bench.mouse.drag(start, start + [0, 5, 0])

    assert bench.node.GetSize()[ANTERIOR] == pytest.approx(24)
    assert not bench.corrections.canUndo


def test_correctionDuringADragEndsTheDragAsAStep(bench):
    start = bench.centre(1)
    pixel = bench.mouse.pixel(start)
    bench.mouse.press(pixel)
    bench.mouse.move((pixel[0] + 20, pixel[1]))
    dragged = bench.centre(1)
    assert np.linalg.norm(dragged - start) > 3

    bench.corrections.shift(1)
    bench.mouse.release((pixel[0] + 20, pixel[1]))

    bench.corrections.undo()
    assert [row.level for row in bench.corrections.rows()] == ["C3", "C4", "C5"]
    np.testing.assert_allclose(bench.centre(1), dragged)
    bench.corrections.undo()
    np.testing.assert_allclose(bench.centre(1), start)


def test_keysLeaveBoxesAndPoints(bench):
    """Slicer's Delete and Shift+Delete would remove points."""
    before = bench.vertebrae()

    bench.mouse.key(bench.face(ANTERIOR), "Delete", shift=True)
    # What the keys call, where the view takes them otherwise.
    bench.node.RemoveAllControlPoints()
    bench.mouse.key(bench.centre(1), "Delete")
    bench.mouse.key(bench.centre(1), "Delete", shift=True)

    assertSameVertebrae(bench.vertebrae(), before, 1e-9)
    assert not bench.corrections.canUndo
    assert bench.centresNode.GetNumberOfControlPoints() == 3


def test_placedPointInsertsTheMissingLevel(bench, tmp_path):
    """As the panel does: a point is placed by a click in a view, its place is given to ``insertAt``."""
    bench.corrections.delete(bench.node.GetID())
    place = np.array([-31.5, 47, 501])
    target = bench.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Click")
    target.CreateDefaultDisplayNodes()
    selection = bench.scene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    selection.SetReferenceActivePlaceNodeClassName("vtkMRMLMarkupsFiducialNode")
    selection.SetActivePlaceNodeID(target.GetID())
    interaction = bench.scene.GetFirstNodeByClass("vtkMRMLInteractionNode")
    interaction.SetCurrentInteractionMode(interaction.Place)

    bench.mouse.click(place)

    assert target.GetNumberOfDefinedControlPoints() == 1
    nodeId = bench.corrections.insertAt(target.GetNthControlPointPositionWorld(0))
    assert [row.level for row in bench.corrections.rows()] == ["C3", "C4", "C5"]
    assert bench.scene.GetNodeByID(nodeId).GetName() == "C4"
    np.testing.assert_allclose(bench.exported(tmp_path / "result.json")["centre"], place * LPS_TO_RAS,
                               atol=2 * MILLIMETRES_PER_PIXEL)
    bench.corrections.undo()
    assert [row.level for row in bench.corrections.rows()] == ["C3", "C5"]


def test_dragUnderATransformIsExportedInTheCtsFrame(tmp_path):
    with headlessScene() as (scene, applicationLogic):
        bench = Bench(scene, applicationLogic, underTransform=True)
        start, before = bench.centre(1), bench.vertebrae()[1].centre
        toWorld = vtk.vtkMatrix4x4()
        bench.volumeNode.GetParentTransformNode().GetMatrixTransformToParent(toWorld)
        toWorld = slicer.util.arrayFromVTKMatrix(toWorld)[:3, :3]

        bench.mouse.drag(start, start + [0, 4, 2])

        inCt = (bench.vertebrae()[1].centre - before) * LPS_TO_RAS
        np.testing.assert_allclose(toWorld @ inCt, [0, 4, 2], atol=2 * MILLIMETRES_PER_PIXEL)
        bench.corrections.undo()
        np.testing.assert_allclose(bench.vertebrae()[1].centre, before)
