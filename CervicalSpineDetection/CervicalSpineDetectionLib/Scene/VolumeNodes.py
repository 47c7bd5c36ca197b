"""Images to volume nodes and back, geometry exact. SimpleITK is LPS, MRML is RAS; both in mm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ImageGeometry import imageGeometry
from CervicalSpineDetectionLib.Imaging.VoxelArray import VoxelArray
from CervicalSpineDetectionLib.Scene.Translation import tr as _
from CervicalSpineDetectionLib.Spine.Arrays import Array

if TYPE_CHECKING:
    import SimpleITK as sitk

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])

# The usual bone window of CT, HU.
BONE_WINDOW = 1800
BONE_LEVEL = 400


def volumeNodeFromImage(scene: slicer.vtkMRMLScene, image: sitk.Image, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """Add a CT to a scene, shown in the bone window.

    :param scene: vtkMRMLScene.
    :param image: 3D, one component, any orientation, left-handed ones too.
    :return: vtkMRMLScalarVolumeNode with a copy of the voxels.
    """
    import SimpleITK as sitk

    scalars = numpy_to_vtk(sitk.GetArrayFromImage(image).ravel())
    scalars.SetName("ImageScalars")
    node = volumeNodeOfGeometry(scene, imageGeometry(image), name)
    with slicer.util.NodeModify(node):
        node.GetImageData().GetPointData().SetScalars(scalars)
    return node


def volumeNodeOfGeometry(scene: slicer.vtkMRMLScene, geometry: Mapping[str, Any],
                         name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """Add a CT without voxels to a scene, to be shown in the bone window.

    :param scene: vtkMRMLScene.
    :param geometry: see ``ImageGeometry.imageGeometry``.
    :return: vtkMRMLScalarVolumeNode.
    """
    imageData = vtkImageData()
    imageData.SetDimensions(geometry["size"])
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    with slicer.util.NodeModify(node):
        node.SetAndObserveImageData(imageData)
        node.SetSpacing(geometry["spacing"])
        node.SetOrigin(LPS_TO_RAS @ geometry["origin"])
        node.SetIJKToRASDirections(*(LPS_TO_RAS @ np.reshape(geometry["direction"], (3, 3))).ravel())
    node.CreateDefaultDisplayNodes()
    displayNode = node.GetDisplayNode()
    with slicer.util.NodeModify(displayNode):
        displayNode.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
        displayNode.AutoWindowLevelOff()
        displayNode.SetWindowLevel(BONE_WINDOW, BONE_LEVEL)
    return node


def imageFromVolumeNode(node: slicer.vtkMRMLScalarVolumeNode) -> sitk.Image:
    """Copy of a volume in its own physical frame: a transform above the volume is not applied.

    :param node: vtkMRMLScalarVolumeNode.
    :raises InputError: the volume has no voxels, or several values a voxel.
    """
    return VoxelArray(_voxels(node), *_geometry(node)).toImage()


def arrayFromVolumeNode(node: slicer.vtkMRMLScalarVolumeNode) -> VoxelArray:
    """As ``imageFromVolumeNode``, in a fourth of the time (numpy takes its memory in large pages on Linux)."""
    return VoxelArray(_voxels(node).copy(), *_geometry(node))


def _voxels(node: slicer.vtkMRMLScalarVolumeNode) -> Array:
    """View, shape (slices, rows, columns)."""
    imageData = node.GetImageData()
    if imageData is None or imageData.GetNumberOfPoints() == 0:
        raise InputError(_('The volume "{name}" has no voxels: load a CT and select it.').format(name=node.GetName()))
    if imageData.GetNumberOfScalarComponents() != 1:
        raise InputError(_('The volume "{name}" has several values per voxel: select a CT.').format(
            name=node.GetName()))
    voxels = vtk_to_numpy(imageData.GetPointData().GetScalars())
    return voxels.reshape(imageData.GetDimensions()[::-1])


def _geometry(node: slicer.vtkMRMLScalarVolumeNode) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """(spacing, origin, direction) as sitk has them, LPS."""
    directions = np.zeros((3, 3))
    node.GetIJKToRASDirections(directions)
    return (node.GetSpacing(), tuple((LPS_TO_RAS @ node.GetOrigin()).tolist()),
            tuple((LPS_TO_RAS @ directions).ravel().tolist()))
