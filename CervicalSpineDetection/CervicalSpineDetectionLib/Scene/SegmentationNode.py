"""Label maps as Slicer segmentations whose segments carry name, colour and terminology."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.Levels import levelColour, terminologyEntry
from CervicalSpineDetectionLib.Scene.VolumeNodes import LPS_TO_RAS
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import levelOfCode


def addSegmentation(scene: slicer.vtkMRMLScene, labels: sitk.Image, name: str,
                    volumeNode: slicer.vtkMRMLScalarVolumeNode | None = None) -> slicer.vtkMRMLSegmentationNode:
    """Add a segmentation, one segment a level.

    :param scene: vtkMRMLScene.
    :param labels: sitk uint8 image, 1 for C1 ... 11 for T4.
    :param volumeNode: the CT whose grid it has.
    :return: vtkMRMLSegmentationNode.
    """
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    if volumeNode is not None:
        node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    voxels = sitk.GetArrayViewFromImage(labels)
    with slicer.util.NodeModify(node):
        for label in np.unique(voxels[voxels > 0]):
            level = levelOfCode(int(label))
            segment = slicer.vtkSegment()
            segment.SetName(level)
            segment.SetColor(levelColour(level))
            segment.SetTag(segment.GetTerminologyEntryTagName(), terminologyEntry(level))
            segment.AddRepresentation(
                slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName(),
                _orientedImage(voxels == label, labels))
            node.GetSegmentation().AddSegment(segment, level)
    return node


def writeSegmentationFile(path: str | Path, labels: sitk.Image) -> None:
    """Write a ``.seg.nrrd`` that Slicer opens as a segmentation. :raises OSError: it can't be written."""
    with headlessScene() as (scene, _):
        node = addSegmentation(scene, labels, "Vertebrae")
        node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        storage.SetFileName(str(path))
        if not storage.WriteData(node):
            raise OSError(f"Could not write {path}.")


def _orientedImage(mask: Array, geometry: sitk.Image) -> slicer.vtkOrientedImageData:
    """vtkOrientedImageData of a bool array (z, y, x)."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(geometry.GetSize())
    scalars = numpy_to_vtk(mask.ravel().astype(np.uint8), deep=True, array_type=vtk.VTK_UNSIGNED_CHAR)
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)
    matrix = vtk.vtkMatrix4x4()
    steps = LPS_TO_RAS @ np.reshape(geometry.GetDirection(), (3, 3)) * geometry.GetSpacing()
    origin = LPS_TO_RAS @ geometry.GetOrigin()
    for row in range(3):
        for column in range(3):
            matrix.SetElement(row, column, steps[row, column])
        matrix.SetElement(row, 3, origin[row])
    image.SetImageToWorldMatrix(matrix)
    return image
