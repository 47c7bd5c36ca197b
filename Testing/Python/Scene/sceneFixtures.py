"""Made images and results for the scene's tests."""

from __future__ import annotations

import zipfile
from contextlib import contextmanager

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra


def rotation(axis, degrees):
    """Shape (3, 3), about an axis of any length."""
    transform = sitk.VersorTransform([float(component) for component in axis], float(np.radians(degrees)))
    return np.reshape(transform.GetMatrix(), (3, 3))


DIRECTIONS = {
    "plain": np.eye(3),
    "flipped": np.diag([1.0, -1.0, -1.0]),
    "leftHanded": np.diag([-1.0, 1.0, 1.0]),
    "permuted": np.eye(3)[[2, 0, 1]],
    "oblique": rotation((1, 2, 3), 25),
    "obliqueLeftHanded": rotation((1, -2, 3), 25) @ np.diag([1.0, 1.0, -1.0]),
}


def madeImage(direction="plain", spacing=(1.0, 1.0, 1.0), size=(60, 60, 60), pixelType=np.int16):
    """Noise near 0, its centre at LPS (30, -40, 500) mm."""
    voxels = np.random.default_rng(0).integers(-100, 100, size[::-1]).astype(pixelType)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(spacing)
    image.SetDirection(DIRECTIONS[direction].ravel())
    toCentre = DIRECTIONS[direction] @ (np.multiply(spacing, np.subtract(size, 1)) / 2)
    image.SetOrigin(np.array([30.0, -40.0, 500.0]) - toCentre)
    return image


def madeVertebra(level="C4", middle=(30.0, -40.0, 500.0), **changes):
    """Box and centre near ``middle``, LPS mm, turned about two axes."""
    middle = np.array(middle, float)
    values = {
        "level": level,
        "confidence": 0.9,
        "centre": middle + [1.5, -8.25, 0.125],
        "bounds": Bounds(middle - [14.0, 12.0, 6.5], middle + [15.0, 13.0, 5.5]),
        "orientedBox": OrientedBox(
            middle + [0.5, 0.5, -0.5], np.array([28.0, 24.0, 9.0]), rotation((1, 0, 0), 15) @ rotation((0, 1, 0), 5)
        ),
    }
    return Vertebra(**{**values, **changes})


def madeResult(levels=("C3", "C4", "C5"), **changes):
    """Levels one below the other, 13 mm apart, the middle one in the middle of ``madeImage``."""
    heights = 500 + 13.0 * ((len(levels) - 1) / 2 - np.arange(len(levels)))
    vertebrae = [
        madeVertebra(level, (30, -40, height), **changes) for level, height in zip(levels, heights, strict=True)
    ]
    return DetectionResult(vertebrae, model={"name": "made", "sha256": "ab" * 32})


def assertSameVertebrae(found, expected, millimetres):
    assert [vertebra.level for vertebra in found] == [vertebra.level for vertebra in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one.confidence, one.inferred, one.complete) == (other.confidence, other.inferred, other.complete)
        for value, wanted in (
            (one.centre, other.centre),
            (one.bounds.minimum, other.bounds.minimum),
            (one.bounds.maximum, other.bounds.maximum),
            (one.orientedBox.centre, other.orientedBox.centre),
            (one.orientedBox.size, other.orientedBox.size),
            # 100 mm from a box's centre.
            (100 * one.orientedBox.axes, 100 * other.orientedBox.axes),
        ):
            np.testing.assert_allclose(value, wanted, rtol=0, atol=millimetres)


def nodesOfClass(scene, className):
    return [scene.GetNthNodeByClass(n, className) for n in range(scene.GetNumberOfNodesByClass(className))]


def putUnderTransform(scene, volumeNode, rigid=False):
    """Under a linear transform that turns, shifts and, unless rigid, shears.

    :return: its matrix, shape (4, 4), RAS mm.
    """
    import slicer

    matrix = np.eye(4)
    matrix[:3, :3] = rotation((1, 1, 0), 40)
    if not rigid:
        matrix[:3, :3] @= np.array([[1, 0.2, 0], [0, 1.1, 0], [0, 0, 0.9]])
    matrix[:3, 3] = [10, -20, 30]
    transformNode = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Registration")
    transformNode.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    volumeNode.SetAndObserveTransformNodeID(transformNode.GetID())
    return matrix


@contextmanager
def readScene(path, folder):
    """Scene of a bundle, as Slicer unpacks and imports it."""
    from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene

    with zipfile.ZipFile(path) as bundle:
        bundle.extractall(folder)
    (sceneFile,) = folder.glob("*/*.mrml")
    with headlessScene() as (scene, _):
        scene.SetURL(str(sceneFile))
        assert scene.Import()
        yield scene


def levels(corrections):
    return [row.level for row in corrections.rows()]


def idOf(corrections, level):
    (nodeId,) = [row.nodeId for row in corrections.rows() if row.level == level]
    return nodeId


def boxOf(corrections, scene, level):
    """Its node."""
    return scene.GetNodeByID(idOf(corrections, level))


def messages(corrections):
    return [conflict.message for conflict in corrections.conflicts()]


def pointNames(scene, volumeNode):
    from CervicalSpineDetectionLib.Scene.OwnNodes import centresNodeOf

    node = centresNodeOf(scene, volumeNode)
    return sorted(node.GetNthControlPointLabel(n) for n in range(node.GetNumberOfControlPoints()))
