"""Slicer's part of the result files in a process of its own, whose imports run while the CT is read.

This module itself needs neither Slicer and VTK, whose loading takes a second, nor SimpleITK: the process starts first.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from CervicalSpineDetectionLib.SafeChildren import startModule
from CervicalSpineDetectionLib.Scene.NrrdWriter import PackedCt
from CervicalSpineDetectionLib.Scene.SceneBundle import packScene
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult
from CervicalSpineDetectionLib.Worker.Messages import resultToMessage

if TYPE_CHECKING:
    import SimpleITK as sitk

PROGRAM = "CervicalSpineDetectionLib.Scene"
# Long beyond any disk's time for that; the files are then made without it.
SECONDS = 60


class SceneProcess:
    """Started at once; writes the files of one result. Used as a context manager, which ends it.

    Whatever goes wrong in it is no error: ``finish`` says so, and the files can be made in this process.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._ct: PackedCt | None = None
        self._parts = tempfile.TemporaryDirectory()
        # Where this process has them already, it needs no other.
        if f"{PROGRAM}.SceneFiles" not in sys.modules and importlib.util.find_spec("slicer"):
            with contextlib.suppress(OSError):
                self._process = startModule(PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def __enter__(self) -> SceneProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        if self._ct is not None:
            self._ct.close()
        self._parts.cleanup()

    def packCt(self, image: sitk.Image, folder: str | os.PathLike[str]) -> None:
        """Begin to pack the CT for the scene.

        :param folder: on the disk of the results.
        """
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._ct = PackedCt(image, folder)

    def begin(self, markups: Path, result: DetectionResult, name: str, oriented: bool, scene: bool) -> None:
        """Begin to write.

        :param markups: absolute Path of vertebrae.mrk.json. :param scene: make the parts of the scene too.
        """
        if self._process is None:
            return
        job = {"markups": str(markups), "parts": self._parts.name if scene else None, "name": name,
               "oriented": oriented, "result": resultToMessage(result)}
        # It may have ended.
        with contextlib.suppress(OSError), self._process.stdin as stdin:
            stdin.write(json.dumps(job, default=lambda value: value.tolist()).encode())

    def finish(self, scene: Path | None) -> bool:
        """Wait for what was begun, and pack the scene.

        :param scene: .mrb file, None for none.
        :return: whether the files are there.
        :raises OSError: the scene can't be written.
        """
        if self._process is None or (scene is not None and self._ct is None):
            return False
        try:
            if self._process.wait(SECONDS) != 0:
                return False
        except subprocess.TimeoutExpired:
            return False
        if scene is not None:
            packScene(scene, Path(self._parts.name), self._ct.copyTo)
        return True
