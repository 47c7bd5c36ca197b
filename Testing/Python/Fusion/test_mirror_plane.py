import numpy as np
import pytest
import SimpleITK as sitk
from test_sagittal_plane import neck

from CervicalSpineDetectionLib.Fusion.MirrorPlane import mirrorPlane, turnedPlane
from CervicalSpineDetectionLib.Imaging.Resampling import resampleSagittal


@pytest.mark.parametrize("turn", [-75, -40, 30, 60, 85])
def test_theBodysOwnPlaneIsFound(turn):
    plane = turnedPlane(neck(turn))
    angle = np.deg2rad(turn)
    assert abs(plane.normal @ [np.cos(angle), np.sin(angle), 0]) > np.cos(np.deg2rad(5))
    assert plane.normal[0] >= 0 and abs(plane.degrees - abs(turn)) <= 5
    assert plane.quality > plane.imageQuality + 0.25


@pytest.mark.parametrize("turn", [-8, 0, 5])
def test_aStraightBodyIsNotTurned(turn):
    assert turnedPlane(neck(turn)) is None


def test_whereThePlaneOfTheImageWillDoNoOtherIsLookedFor():
    plane = mirrorPlane(neck(0), enough=0.5)
    assert plane.normal.tolist() == [1, 0, 0] and plane.quality == plane.imageQuality > 0.8


@pytest.mark.parametrize("side", [slice(0, 34), slice(30, None)])
def test_halfANeckTellsNothing(sharedData, side):
    image = sitk.ReadImage(str(sharedData / "slicer_cthead" / "cthead_HUminus1024.nii.gz"))
    assert turnedPlane(resampleSagittal(image[side])) is None


def test_noiseTellsNothing():
    volume = neck(0)
    volume.voxels[:] = np.random.default_rng(0).normal(0, 200, volume.voxels.shape)
    assert turnedPlane(volume) is None


@pytest.mark.parametrize("turn", [-45, 30, 60])
def test_theNeckThatLeansToASideIsNotCutOffByTheImagesAxis(sharedData, turn):
    image = sitk.DICOMOrient(sitk.ReadImage(str(sharedData / "openkbp" / "pt_82_ct.nii.gz")), "LPS")
    header = sitk.Euler3DTransform()
    header.SetRotation(0, np.deg2rad(turn), 0)
    image.SetDirection(header.GetMatrix())
    plane = turnedPlane(resampleSagittal(image))
    left = np.reshape(header.GetMatrix(), (3, 3))[:, 0]
    assert abs(plane.normal @ left) > np.cos(np.deg2rad(8)) and abs(plane.degrees - abs(turn)) <= 8
