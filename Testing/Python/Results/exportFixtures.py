"""Made vertebrae and images for the exports' tests."""

import numpy as np
import publicDataSets as made
import SimpleITK as sitk
from sceneFixtures import rotation

from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Levels import LEVELS
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra

TILTED = rotation((3, 1, 2), 20)


def vertebra(level, centre, size, axes=TILTED, bodyCentre=None, **more):
    centre, size = np.array(centre, float), np.array(size, float)
    half = np.abs(axes.T) @ size / 2
    return Vertebra(level, 0.75, np.array(bodyCentre if bodyCentre is not None else centre, float),
                    Bounds(centre - half, centre + half), OrientedBox(centre, size, axes), **more)


def neckVertebrae():
    """Boxes of the made neck, a millimetre around the bone."""
    found = []
    for code in range(1, made.LEVELS + 1):
        minimum = made.ORIGIN + made.SPACING * (np.array([13, 10 + code, 88 - 10 * code]) - 0.5) - 1
        maximum = made.ORIGIN + made.SPACING * (np.array([26, 29 + code, 95 - 10 * code]) + 0.5) + 1
        found.append(vertebra(LEVELS[code - 1], (minimum + maximum) / 2, maximum - minimum, np.eye(3),
                              made.bodyCentre(code)))
    return found


def grid(spacing=(1.0, 1.0, 1.0), size=(60, 70, 50), axes="LPS"):
    image = sitk.Image(size, sitk.sitkInt16) - 1000
    image.SetSpacing(spacing)
    image.SetOrigin((-30, -35, -25))
    return sitk.DICOMOrient(image, axes)


def placesOf(labels, label):
    """LPS mm of a label's voxels."""
    indices = np.argwhere(sitk.GetArrayFromImage(labels) == label)[:, ::-1]
    return np.array([labels.TransformIndexToPhysicalPoint(index) for index in indices.tolist()])


def segmentPlaces(slicer, node, segmentId):
    """LPS mm of a segment's voxels."""
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segmentId, image)
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    affine = np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
    first = np.array(image.GetExtent())[::2]
    voxels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
    indices = np.argwhere(voxels > 0)[:, ::-1] + first
    return (indices @ affine[:3, :3].T + affine[:3, 3]) * (-1, -1, 1)
