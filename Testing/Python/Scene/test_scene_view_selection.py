"""Which box a click in a view means."""

import numpy as np
from sceneFixtures import rotation

from CervicalSpineDetectionLib.Scene.ViewSelection import boxAlong, boxAt


def addBox(scene, centre, size, turn=None):
    import slicer

    matrix = np.eye(4)
    matrix[:3, :3] = np.eye(3) if turn is None else turn
    matrix[:3, 3] = centre
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    node.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(matrix))
    node.SetSize(size)
    node.CreateDefaultDisplayNodes()
    return node.GetID()


def test_pointInTwoBoxesMeansTheSmaller(scene):
    large = addBox(scene, (0, 0, 0), (40, 40, 40))
    small = addBox(scene, (10, 0, 0), (10, 10, 10))

    assert boxAt(scene, [large, small], (8, 1, 1)) == small
    assert boxAt(scene, [large, small], (-8, 1, 1)) == large


def test_pointOutsideMeansNoBox(scene):
    box = addBox(scene, (0, 0, 0), (40, 40, 40))

    assert boxAt(scene, [box], (21, 0, 0)) is None


def test_turnedBoxIsMeantOnlyInside(scene):
    box = addBox(scene, (0, 0, 0), (40, 4, 4), rotation((0, 0, 1), 45))

    assert boxAt(scene, [box], (12, 12, 0)) == box
    assert boxAt(scene, [box], (12, 0, 0)) is None


def test_rayMeansTheBoxInFront(scene):
    behind = addBox(scene, (0, -30, 0), (10, 10, 10))
    front = addBox(scene, (0, 30, 0), (10, 10, 10))

    assert boxAlong(scene, [behind, front], (0, 100, 0), (0, -1, 0)) == front
    assert boxAlong(scene, [behind, front], (0, -100, 0), (0, 2, 0)) == behind


def test_rayThatPassesByOrLooksAwayMeansNoBox(scene):
    box = addBox(scene, (0, 0, 0), (10, 10, 10))

    assert boxAlong(scene, [box], (7, 100, 0), (0, -1, 0)) is None
    assert boxAlong(scene, [box], (0, 100, 0), (0, 1, 0)) is None


def test_hiddenBoxesAreNotMeant(scene):
    box = addBox(scene, (0, 0, 0), (10, 10, 10))
    scene.GetNodeByID(box).SetDisplayVisibility(False)

    assert boxAt(scene, [box], (0, 0, 0)) is None
    assert boxAlong(scene, [box], (0, 100, 0), (0, -1, 0)) is None


def test_boxUnderATransformIsMeantWhereItIsShown(scene):
    import slicer

    box = addBox(scene, (0, 0, 0), (10, 10, 10))
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    shift = np.eye(4)
    shift[:3, 3] = 50
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(shift))
    scene.GetNodeByID(box).SetAndObserveTransformNodeID(transform.GetID())

    assert boxAt(scene, [box], (50, 50, 50)) == box
    assert boxAt(scene, [box], (0, 0, 0)) is None
