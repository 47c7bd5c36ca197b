"""Many detections in a row, as a day of clicks: ``python soak.py [TIMES]``. No test; it prints what grows.

Each click goes through a warm worker process with the shipped weights; its vertebrae replace the former ones in one
scene that a ``Corrections`` follows; every tenth is shifted and undone.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "CervicalSpineDetection"))

import psutil

from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Scene.Corrections import Corrections
from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae
from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage
from CervicalSpineDetectionLib.Worker.WorkerClient import Failed, Finished, WorkerClient

CT = Path(__file__).resolve().parents[2] / "Golden" / "straight.nrrd"
SHARED_MEMORY = Path("/dev/shm")


def soak(times):
    image = readImage(CT)
    client = WorkerClient()
    me = psutil.Process()
    try:
        with headlessScene() as (scene, _):
            volumeNode = volumeNodeFromImage(scene, image, "CT")
            corrections = Corrections(scene, volumeNode)
            for click in range(1, times + 1):
                client.detect(image)
                addVertebrae(scene, resultOf(client), volumeNode)
                if click % 10 == 0:
                    corrections.shift(1)
                    corrections.undo()
                if click in (1, 10) or click % 50 == 0:
                    tell(click, me, scene, corrections)
            corrections.release()
    finally:
        client.stop()
    time.sleep(1)
    print(f"after the end: {len(me.children(recursive=True))} child processes, {leftovers()} files in shared memory or "
          "the temporary folder")


def resultOf(client):
    while True:
        for event in client.poll():
            if isinstance(event, Failed):
                raise RuntimeError(event.message)
            if isinstance(event, Finished):
                return event.result
        time.sleep(0.01)


def tell(click, me, scene, corrections):
    worker = max(me.children(recursive=True), key=lambda child: child.memory_info().rss)
    observers = sum(len(tags) if hasattr(tags, "__len__") else 1 for tags in corrections._observerTags.values())
    print(f"{click:>4} clicks: memory {megabytes(me)} MB, of the worker {megabytes(worker)} MB; "
          f"{scene.GetNumberOfNodes()} nodes, {observers} observers, {me.num_fds()} and {worker.num_fds()} open files, "
          f"{me.num_threads()} and {worker.num_threads()} threads, {leftovers()} temporary files", flush=True)


def megabytes(process):
    return round(process.memory_info().rss / 1e6)


def leftovers():
    folders = [folder for folder in (SHARED_MEMORY, Path(tempfile.gettempdir())) if folder.is_dir()]
    return sum(name.startswith("CervicalSpineDetection-") for folder in folders for name in os.listdir(folder))


if __name__ == "__main__":
    soak(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
