"""The airway lies in front of the spine: where it is behind, front and back are exchanged."""

import numpy as np
import pytest
from test_sagittal_plane import CENTRES, neck

from CervicalSpineDetectionLib.Fusion.Airway import airwayDoubt
from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume

# Where the network takes vertebrae to be in a picture with front and back exchanged.
MIRRORED = CENTRES + [0.0, 20, 0]


def exchanged(volume):
    """The same, front to back."""
    return SagittalVolume(volume.voxels[:, :, ::-1].copy(), volume.inside, volume.origin, volume.pixelSize,
                          volume.sliceSpacing)


def test_aRightCtIsNotDoubted():
    assert airwayDoubt(neck(), CENTRES) == ""


@pytest.mark.shows("Mended", "a CT stored upside down or front to back",
                   "noticed by the vertebrae or by the airway, told, and no name is certain")
def test_anAirwayBehindTheSpineIsNoticed():
    assert airwayDoubt(exchanged(neck()), MIRRORED) == "the airway is behind the spine"


def test_whereNoAirwayIsInViewNothingIsSaid():
    volume = exchanged(neck())
    volume.voxels[volume.voxels < 0] = 40
    assert airwayDoubt(volume, MIRRORED) == ""


def test_wherePicturesEndSoonInFrontOfTheBodiesNothingIsSaid():
    """As in the posterior part of a neck, whose back is near to the air around the patient."""
    volume = exchanged(neck())
    front = np.rint(volume.fromLps(MIRRORED)[:, 2]).astype(int).min()
    volume.inside[:, :, : front - 20] = False
    assert airwayDoubt(volume, MIRRORED) == ""


def test_gasInADiscIsNoAirway():
    volume = neck()
    middle = np.rint(volume.fromLps(CENTRES[:1])[0]).astype(int)
    volume.voxels[:, :, middle[2] + 10 : middle[2] + 12] = -900
    assert airwayDoubt(volume, CENTRES) == ""


def test_oneBodyWithoutTheAirwayBeforeItIsEnough():
    """A swallowed or blocked airway is open elsewhere."""
    volume = neck()
    rows = np.rint(volume.fromLps(CENTRES)[:, 1]).astype(int)
    front = volume.voxels[:, rows[1] - 8 :, : volume.voxels.shape[2] // 2]
    front[front < 0] = 40
    assert airwayDoubt(volume, CENTRES) == ""


@pytest.mark.parametrize("centres", [CENTRES[:2], CENTRES + [500.0, 0, 0], CENTRES + [0, 500.0, 0]])
def test_fewBodiesOrPlacesOutsideTellNothing(centres):
    assert airwayDoubt(exchanged(neck()), centres) == ""
