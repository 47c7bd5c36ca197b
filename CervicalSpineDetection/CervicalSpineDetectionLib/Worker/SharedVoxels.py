"""Voxels handed from process to process through memory that both map.

``multiprocessing.shared_memory`` is not used: it lets a program crash (SIGBUS) where /dev/shm is too small, 64 MB in
many containers, and its resource tracker, one more process, can't be turned off before Python 3.13.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import sys
import tempfile
import threading
import uuid
from collections.abc import Mapping
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Imaging.VoxelArray import VoxelArray

PREFIX = "CervicalSpineDetection-"

Block: TypeAlias = mmap.mmap | BinaryIO  # memory on Windows, an open file elsewhere


class SharedVoxels:
    """The giving side: a named block, filled once.

    The taking side removes the name as soon as it has opened the block, and the memory goes with the last process that
    holds it. So no voxels stay behind, whichever process is killed (at worst an empty file, where this one is killed
    before it has told the name).

    :param volume: VoxelArray.
    :raises OSError: no room for a block.
    """

    def __init__(self, volume: VoxelArray) -> None:
        self._volume = volume
        voxels = volume.voxels
        self.byteCount = voxels.nbytes
        # All that ``takeImage`` needs beside the block, as JSON values.
        self.layout = {
            "shape": voxels.shape, "type": voxels.dtype.name, "isVector": volume.isVector,
            "spacing": volume.spacing, "origin": volume.origin, "direction": volume.direction,
        }
        if sys.platform == "win32":
            self.name = PREFIX + uuid.uuid4().hex
            self._block: Block = mmap.mmap(-1, self.byteCount, tagname=self.name)
        else:
            descriptor, self.name = tempfile.mkstemp(prefix=PREFIX, dir=_folderFor(self.byteCount))
            # Written to, not mapped: full memory is then an error and no crash.
            self._block = os.fdopen(descriptor, "wb")

    def fill(self) -> None:
        """Copy the voxels into the block, and let go of them.

        :raises OSError: no room left.
        """
        volume, self._volume = self._volume, None
        self._block.write(volume.voxels.data)
        if os.name != "nt":
            self._block.close()

    def release(self) -> None:
        """Give up the block; on Windows it must have been opened by the other side before, if it is still wanted.

        May be called more than once, and while another thread fills the block.
        """
        if sys.platform == "win32":
            self._block.close()
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.name)


def openVoxels(name: str, byteCount: int) -> Block:
    """Open a block and, so that nothing can leave it behind, remove its name.

    :return: what ``takeImage`` asks for.
    """
    if sys.platform == "win32":
        return mmap.mmap(-1, byteCount, tagname=name)
    file = open(name, "rb")
    os.unlink(name)
    return file


def takeImage(block: Block, layout: Mapping[str, Any]) -> sitk.Image:
    """The image of a filled block; the block is released soon after.

    :param block: of ``openVoxels``.
    :param layout: ``SharedVoxels.layout``.
    :return: sitk image with a copy of the voxels.
    """
    memory = _mapped(block)
    # The array must be gone before the mapping it shows can be closed.
    image = VoxelArray(np.ndarray(layout["shape"], layout["type"], memory), layout["spacing"], layout["origin"],
                       layout["direction"], layout["isVector"]).toImage()
    # Giving the memory back takes half as long as the copy; the detection need not wait for it.
    threading.Thread(target=memory.close).start()
    return image


def _mapped(block: Block) -> mmap.mmap:
    if isinstance(block, mmap.mmap):
        return block
    with block:
        return mmap.mmap(block.fileno(), 0, access=mmap.ACCESS_READ)


def _folderFor(byteCount: int) -> str:
    """Where files are memory, if there is such a place and it has room; else the folder for temporary files."""
    memory = "/dev/shm"
    return memory if os.path.isdir(memory) and shutil.disk_usage(memory).free > byteCount else tempfile.gettempdir()
