"""A worker with a detector that needs no network; it behaves as the name of the device says. Run as a script."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from oracleDetector import sliceDetections  # noqa: E402

from CervicalSpineDetectionLib.Errors import InputError  # noqa: E402
from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS  # noqa: E402
from CervicalSpineDetectionLib.Spine.Levels import LEVELS  # noqa: E402
from CervicalSpineDetectionLib.Worker.Server import serve  # noqa: E402

REFUSAL = "This is no neck; load a CT of the neck."


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


def freeze():
    os.kill(os.getpid(), signal.SIGSTOP)


def chatter():
    print("rubbish")
    os.write(1, b"more rubbish\n")
    subprocess.run([sys.executable, "-c", "print('rubbish of a child')"], check=True)


def fail(error):
    raise error


BEHAVIOURS = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "frozen": freeze,
    "hanging": lambda: time.sleep(1000),
    "refusing": lambda: fail(InputError(REFUSAL)),
    "memory": lambda: fail(MemoryError()),
    "broken": lambda: fail(FileNotFoundError(2, "No such file", "/home/someone/Miller^Anna.nii")),
    "packageless": lambda: fail(ModuleNotFoundError("No module named 'torch'", name="torch")),
    "gpu": lambda: fail(RuntimeError("CUDA error: an illegal memory access was encountered")),
    "itk": lambda: fail(RuntimeError("Failed to allocate memory for image.")),
    "auto": lambda: fail(OutOfMemoryError("CUDA out of memory")),
    "noisy": chatter,
    "quick": lambda: None,
    "cpu": lambda: None,
}


class DummyDetector:
    """Finds C3, C4 and C5 at fixed heights where a slice is bright.

    ``model`` tells the process and how often one was loaded in it.
    """

    pixelSize, sliceSpacing, window = 1.0, 2.0, (-200.0, 1000.0)
    count = 0

    def __init__(self, device):
        DummyDetector.count += 1
        self.model = {"name": f"{os.getpid()} {DummyDetector.count}", "sha256": "0" * 64}
        self._device = device

    def detect(self, slices, progress=None):
        if self._device == "slow":
            for i in range(1000):
                progress("Detecting", i, 1000)
                time.sleep(0.01)
        BEHAVIOURS[self._device]()
        if progress:
            progress("Detecting", len(slices), len(slices))
        return [sliceDetections(self._boxes(picture[1])) for picture in slices]

    @staticmethod
    def _boxes(picture):
        rows, columns = np.nonzero(picture > 80)
        if not len(rows):
            return []
        height, middle = (rows.max() - rows.min()) / 3, (columns.min() + columns.max()) / 2
        boxes = []
        for i, level in enumerate(("C3", "C4", "C5")):
            top = rows.min() + i * height
            boxes.append((LEVELS.index(level), columns.min(), top, columns.max(), top + height))
            boxes.append((BODY_CLASS, columns.min(), top, middle, top + height))
        return boxes


if __name__ == "__main__":
    serve(lambda weights, device: DummyDetector(device), lambda detector: "dummy")
