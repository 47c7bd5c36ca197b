import numpy as np
import pytest

from CervicalSpineDetectionLib.Fusion.SagittalPlane import orientationDoubt, turnOfSpine
from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume

CENTRES = np.array([[0.0, 0, z] for z in (60, 42, 24, 6)])


def neck(turn=0.0):
    """A body in front, a canal, and a spinous process and two pedicles behind, turned about the canal; LPS mm."""
    x = np.arange(-70, 71, 2.0)[:, None, None]
    y = np.arange(-60, 81, 1.0)[None, None]
    angle = np.deg2rad(turn)
    back = y - 8
    own, deep = x * np.cos(angle) + back * np.sin(angle), back * np.cos(angle) - x * np.sin(angle)
    tissue = np.where(np.hypot(own / 1.2, deep) < 55, 40.0, -1000.0)
    tissue = np.where(np.hypot(own, deep + 30) < 8, -1000.0, tissue)  # airway
    bone = (np.hypot(own, deep + 12) < 9) | ((np.abs(own) < 4) & (deep > 8) & (deep < 30))
    bone |= (np.abs(np.abs(own) - 18) < 6) & (np.abs(deep) < 6)
    voxels = np.repeat(np.where(bone, 600.0, tissue), 80, axis=1).astype(np.float32)
    return SagittalVolume(voxels, np.ones(voxels.shape, bool), np.array([-70.0, -60, 73]), 1.0, 2.0)


@pytest.mark.parametrize("turn", [-60, -40, 30, 45])
def test_aTurnedPatientIsNoticed(turn):
    found, gain, data = turnOfSpine(neck(turn), CENTRES)
    assert abs(abs(found) - abs(turn)) <= 5 and gain > 0.08 and data == 1
    assert "turned by about" in orientationDoubt(neck(turn), CENTRES)


@pytest.mark.parametrize("turn", [-10, 0, 5])
def test_aPatientWhoLiesStraightIsNotDoubted(turn):
    assert orientationDoubt(neck(turn), CENTRES) == ""


def test_aHalfImageIsNotTakenForATurnedOne():
    volume = neck(0)
    volume.voxels[:30] = -1024
    assert orientationDoubt(volume, CENTRES) == ""


def test_aSpineThatLiesNearlyLevelIsDoubted():
    tilted = np.array([[0.0, 40 - 15 * i, 30 - 6 * i] for i in range(4)])
    assert "tilted by 68 degrees" in orientationDoubt(neck(), tilted)


def test_oneVertebraTellsNothing():
    assert orientationDoubt(neck(45), CENTRES[:1]) == ""


def test_theLeanOfTwoNeighboursTellsNothing():
    beside = np.array([[0.0, 0, 20], [13.0, 0, 4]])
    assert orientationDoubt(neck(), beside) == ""
    assert "tilted by 39 degrees" in orientationDoubt(neck(), np.array([[0.0, 0, 60], [45.0, 0, 4]]))
