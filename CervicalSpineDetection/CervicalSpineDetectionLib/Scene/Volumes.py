"""SimpleITK images <-> scalar volume nodes, geometry exact (sitk is LPS, MRML is RAS)."""

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from vtk.util import numpy_support

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def volumeNodeFromImage(scene, image, name):
    """A scalar volume node of an image, with a bone window.

    :param image: 3D scalar sitk image; left-handed directions are kept.
    :return: vtkMRMLScalarVolumeNode.
    """
    voxels = sitk.GetArrayFromImage(image)
    data = vtk.vtkImageData()
    data.SetDimensions(image.GetSize())
    scalars = numpy_support.numpy_to_vtk(voxels.ravel(), deep=True)
    data.GetPointData().SetScalars(scalars)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetAndObserveImageData(data)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    ijkToRas = np.eye(4)
    ijkToRas[:3, :3] = LPS_TO_RAS @ direction * image.GetSpacing()
    ijkToRas[:3, 3] = LPS_TO_RAS @ image.GetOrigin()
    node.SetIJKToRASMatrix(matrixFromArray(ijkToRas))
    display = scene.AddNewNodeByClass("vtkMRMLScalarVolumeDisplayNode")
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(1400, 400)
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    node.SetAndObserveDisplayNodeID(display.GetID())
    return node


def imageFromVolumeNode(node):
    """sitk image (LPS) of a scalar volume node; a transform above the node is not applied."""
    data = node.GetImageData()
    voxels = numpy_support.vtk_to_numpy(data.GetPointData().GetScalars()).reshape(data.GetDimensions()[::-1])
    image = sitk.GetImageFromArray(voxels)
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    ijkToRas = slicer.util.arrayFromVTKMatrix(matrix)
    spacing = np.linalg.norm(ijkToRas[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((LPS_TO_RAS @ ijkToRas[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin((LPS_TO_RAS @ ijkToRas[:3, 3]).tolist())
    return image


def matrixFromArray(array):
    """vtkMatrix4x4 of a (4, 4) array."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(array, float).ravel().tolist())
    return matrix
