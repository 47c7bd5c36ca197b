"""The volume's way from process to process."""

import errno
import os
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from sceneFixtures import DIRECTIONS, madeImage

from CervicalSpineDetectionLib.Imaging.VoxelArray import VoxelArray
from CervicalSpineDetectionLib.Worker import SharedVoxels as sharedVoxels
from CervicalSpineDetectionLib.Worker.SharedVoxels import SharedVoxels, openVoxels, takeImage

FOLDERS = [Path("/dev/shm"), Path(sharedVoxels.tempfile.gettempdir())]
SMALL = (5, 4, 3)


@pytest.fixture(autouse=True)
def blocks(monkeypatch):
    """Function that lists the blocks that lie about; none must be left."""
    prefix = f"CervicalSpineDetection-{uuid.uuid4().hex}-"
    monkeypatch.setattr(sharedVoxels, "PREFIX", prefix)

    def listed():
        return [path for folder in FOLDERS if folder.is_dir() for path in folder.glob(f"{prefix}*")]

    yield listed
    assert listed() == []


def handedOver(image):
    given = SharedVoxels(VoxelArray.ofImage(image))
    block = openVoxels(given.name, given.byteCount)
    given.fill()
    given.release()
    return takeImage(block, given.layout)


def assertSameImage(image, expected):
    assert (image.GetPixelID(), image.GetSize()) == (expected.GetPixelID(), expected.GetSize())
    assert image.GetSpacing() == expected.GetSpacing()
    assert image.GetOrigin() == expected.GetOrigin()
    assert image.GetDirection() == expected.GetDirection()
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(expected))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_geometryIsExactToTheLastBit(direction):
    image = madeImage(direction, spacing=(0.1 + 0.2, 1 / 3, 0.9765625), size=SMALL)

    assertSameImage(handedOver(image), image)


@pytest.mark.parametrize("pixelType", [np.int16, np.uint8, np.uint16, np.int32, np.float32, np.float64])
def test_everyPixelTypeIsExact(pixelType):
    image = madeImage(pixelType=pixelType, size=SMALL)

    assertSameImage(handedOver(image), image)


def test_voxelsOfABigEndianFileAreExact(tmp_path):
    voxels = np.arange(-30, 30, dtype=">i2")
    (tmp_path / "ct.mha").write_bytes(
        b"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = True\nDimSize = 5 4 3\n"
        b"ElementType = MET_SHORT\nElementDataFile = LOCAL\n" + voxels.tobytes()
    )

    taken = handedOver(sitk.ReadImage(str(tmp_path / "ct.mha")))

    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(taken).ravel(), np.arange(-30, 30))


@pytest.mark.parametrize("image", [
    sitk.GetImageFromArray(np.ones((3, 4), np.int16)),
    sitk.GetImageFromArray(np.ones((2, 3, 4, 3), np.uint8), isVector=True),
    sitk.GetImageFromArray(np.ones((2, 3, 4, 5), np.int16), isVector=False),
], ids=["2D", "colour", "4D"])
def test_whatTheDetectionRefusesArrivesAsItIs(image):
    # So that the user reads the detection's own sentence.
    taken = handedOver(image)

    assertSameImage(taken, image)
    assert taken.GetNumberOfComponentsPerPixel() == image.GetNumberOfComponentsPerPixel()


def test_theNameIsGoneBeforeTheFirstVoxelIsWritten(blocks):
    given = SharedVoxels(VoxelArray.ofImage(madeImage(size=SMALL)))
    assert [str(path) for path in blocks()] == [given.name]
    block = openVoxels(given.name, given.byteCount)
    assert blocks() == []
    given.fill()
    takeImage(block, given.layout)


def test_nobodyElseMayReadTheVoxels():
    given = SharedVoxels(VoxelArray.ofImage(madeImage(size=SMALL)))
    assert os.stat(given.name).st_mode & 0o077 == 0
    given.fill()
    given.release()


@pytest.mark.skipif(not os.path.isdir("/proc/self/map_files"), reason="needs Linux")
def test_theMemoryIsGivenBackOnceTheImageIsTaken():
    def isHeld():
        return sharedVoxels.PREFIX in Path("/proc/self/maps").read_text() or any(
            sharedVoxels.PREFIX in os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")
            if os.path.islink(f"/proc/self/fd/{name}"))

    given = SharedVoxels(VoxelArray.ofImage(madeImage(size=SMALL)))
    block = openVoxels(given.name, given.byteCount)
    given.fill()
    assert isHeld()
    takeImage(block, given.layout)

    deadline = time.monotonic() + 5
    while isHeld() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert not isHeld()


def test_releasingTwiceAndBeforeTheOtherSideOpenedIsFine(blocks):
    given = SharedVoxels(VoxelArray.ofImage(madeImage(size=SMALL)))
    given.fill()
    given.release()
    given.release()
    assert blocks() == []


def test_whereMemoryIsTooSmallTheDiskIsUsed(monkeypatch, tmp_path):
    monkeypatch.setattr(sharedVoxels.shutil, "disk_usage", lambda path: sharedVoxels.shutil._ntuple_diskusage(9, 9, 0))
    monkeypatch.setattr(sharedVoxels.tempfile, "tempdir", str(tmp_path))
    given = SharedVoxels(VoxelArray.ofImage(madeImage(size=SMALL)))
    assert Path(given.name).parent == tmp_path
    given.fill()
    given.release()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_noRoomIsAnErrorAndNoCrash(monkeypatch):
    given = SharedVoxels(VoxelArray.ofImage(madeImage()))
    given._block.close()
    given._block = open("/dev/full", "wb", buffering=0)

    with given._block, pytest.raises(OSError) as caught:
        given.fill()
    assert caught.value.errno == errno.ENOSPC
    given.release()
