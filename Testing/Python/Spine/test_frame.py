import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Imaging.Resampling import middleOf, turnedImage
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Frame import Frame
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra

MIDDLE = np.array([10.0, -20, 300])


def turn(x, y, z):
    euler = sitk.Euler3DTransform()
    euler.SetRotation(*np.deg2rad([x, y, z]).tolist())
    return np.reshape(euler.GetMatrix(), (3, 3))


def vertebra():
    centre = MIDDLE + [5, 10, 30]
    bounds = Bounds(centre - [30, 10, 12], centre + [30, 40, 8])
    return Vertebra("C4", 0.9, centre, bounds, OrientedBox(bounds.centre, bounds.size, np.eye(3)))


def test_theCtsOwnFrameChangesNothing():
    frame = Frame(np.eye(3), MIDDLE)
    same = frame.vertebraToCt(vertebra())
    assert frame.isCt and frame.degrees == 0
    assert np.allclose(same.bounds.minimum, vertebra().bounds.minimum)
    assert np.allclose(same.bounds.maximum, vertebra().bounds.maximum)


def test_vertebraeGoThereAndBack():
    frame = Frame(turn(20, -35, 50).T, MIDDLE)
    there = frame.vertebraToCt(vertebra())
    assert np.allclose(frame.fromCt(there.centre), vertebra().centre)
    assert np.allclose(frame.vertebraFromCt(there).orientedBox.axes, np.eye(3))
    # Its left is the frame's left, its head end the frame's.
    assert np.allclose(there.orientedBox.axes, frame.axes)
    assert np.isclose(np.linalg.norm(there.centre - MIDDLE), np.linalg.norm(vertebra().centre - MIDDLE))


def test_aTurnByAQuarterExchangesTheSidesOfTheBounds():
    frame = Frame(turn(0, 0, 90).T, MIDDLE)
    there = frame.vertebraToCt(vertebra())
    assert np.allclose(there.bounds.size, vertebra().bounds.size[[1, 0, 2]]) and np.isclose(frame.degrees, 90)


def test_boundsBetweenTheAxesAreThoseOfTheEllipsoid():
    frame = Frame(turn(0, 0, 45).T, MIDDLE)
    size = frame.vertebraToCt(vertebra()).bounds.size
    assert np.allclose(size[:2], np.sqrt((60**2 + 50**2) / 2)) and np.isclose(size[2], 20)


def test_voxelsStandWhereTheFrameSays():
    image = sitk.GaussianSource(sitk.sitkFloat32, [20, 30, 40], [3, 3, 3], [12, 20, 60], 100, [1, 1, 2])
    image.SetOrigin((-5, 7, 100))
    frame = Frame(turn(20, -35, 50), middleOf(image))
    turned = turnedImage(image, frame)
    index = (12, 18, 29)
    there = turned.TransformIndexToPhysicalPoint(index)
    assert np.allclose(there, frame.fromCt(np.array(image.TransformIndexToPhysicalPoint(index))))
    assert np.allclose(middleOf(turned), middleOf(image))
