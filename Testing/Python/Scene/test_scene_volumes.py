"""Images as volume nodes: the geometry is exact, whatever the orientation."""

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="needs slicer-core")

import vtk
from sceneFixtures import DIRECTIONS, madeImage

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.VoxelArray import VoxelArray
from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.VolumeNodes import arrayFromVolumeNode, imageFromVolumeNode, volumeNodeFromImage


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_imageComesBackExactly(direction):
    image = madeImage(direction, spacing=(0.31, 0.57, 2.3), size=(12, 11, 10))

    with headlessScene() as (scene, _):
        again = imageFromVolumeNode(volumeNodeFromImage(scene, image, "CT"))

    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(again), sitk.GetArrayViewFromImage(image))
    assert again.GetSpacing() == image.GetSpacing()
    assert again.GetOrigin() == image.GetOrigin()
    assert again.GetDirection() == image.GetDirection()


@pytest.mark.parametrize("pixelType", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_pixelTypeIsKept(pixelType):
    image = madeImage(size=(4, 5, 6), pixelType=pixelType)

    with headlessScene() as (scene, _):
        again = imageFromVolumeNode(volumeNodeFromImage(scene, image, "CT"))

    assert again.GetPixelID() == image.GetPixelID()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_voxelLiesAtItsRasPlace(direction):
    image = madeImage(direction, spacing=(0.5, 1.5, 2.5), size=(12, 11, 10))
    ijk = (3, 7, 2)
    left, posterior, superior = image.TransformIndexToPhysicalPoint(ijk)

    with headlessScene() as (scene, _):
        node = volumeNodeFromImage(scene, image, "CT")
        ijkToRas = vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(ijkToRas)
        value = node.GetImageData().GetScalarComponentAsDouble(*ijk, 0)
        ras = ijkToRas.MultiplyPoint([*ijk, 1])[:3]

    np.testing.assert_allclose(ras, [-left, -posterior, superior], atol=1e-9)
    assert value == image[ijk]


def test_imageOutlivesItsVolumeNode():
    image = madeImage(size=(4, 5, 6))

    with headlessScene() as (scene, _):
        node = volumeNodeFromImage(scene, image, "CT")
        again = imageFromVolumeNode(node)
        node.GetImageData().GetPointData().GetScalars().Fill(7)

    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(again), sitk.GetArrayViewFromImage(image))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_theArrayIsThatOfTheImageAndOutlivesItsVolumeNode(direction):
    image = madeImage(direction, spacing=(0.31, 0.57, 2.3), size=(12, 11, 10))

    with headlessScene() as (scene, _):
        node = volumeNodeFromImage(scene, image, "CT")
        array = arrayFromVolumeNode(node)
        node.GetImageData().GetPointData().GetScalars().Fill(7)

    expected = VoxelArray.ofImage(image)
    np.testing.assert_array_equal(array.voxels, expected.voxels)
    assert (array.spacing, array.origin, array.direction, array.isVector) == (
        expected.spacing, expected.origin, expected.direction, False)


def test_volumeWithoutVoxelsIsRefused():
    with headlessScene() as (scene, _):
        node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
        with pytest.raises(InputError, match="no voxels"):
            imageFromVolumeNode(node)


def test_severalValuesAVoxelAreRefused():
    with headlessScene() as (scene, _):
        node = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Colours")
        imageData = vtk.vtkImageData()
        imageData.SetDimensions(2, 2, 2)
        imageData.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
        node.SetAndObserveImageData(imageData)
        with pytest.raises(InputError, match="several values"):
            imageFromVolumeNode(node)


def test_voxelsAreFreedWithTheScene():
    reference = vtk.vtkWeakReference()
    with headlessScene() as (scene, _):
        node = volumeNodeFromImage(scene, madeImage(size=(4, 5, 6)), "CT")
        reference.Set(node.GetImageData())
        del node

    assert reference.Get() is None
