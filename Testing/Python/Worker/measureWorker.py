"""How long the worker keeps a user waiting: ``python measureWorker.py CT``. No test; it prints figures."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "CervicalSpineDetection"))

from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Worker.WorkerClient import Failed, Finished, Progress, Ready, WorkerClient

POLL_SECONDS = 0.03  # as the panel's timer


def measure(path):
    """Print the waiting times of start, first and second click, cancel and stop."""
    image = readImage(path)
    voxels = image.GetNumberOfPixels() * image.GetSizeOfPixelComponent()
    print(f"{'x'.join(map(str, image.GetSize()))} {image.GetPixelIDTypeAsString()}, {voxels / 1e6:.1f} MB")
    client = WorkerClient()
    tell("start returns", client.start)
    tell("warm", lambda: wait(client, lambda event: isinstance(event, Ready)))
    for click in ("first", "second"):
        tell(f"{click} click: detect returns", lambda: client.detect(image))
        tell("  until the worker has the volume", lambda: wait(client, lambda event: isSlicing(event)))
        tell("  from there to the result", lambda: wait(client, lambda event: isinstance(event, (Finished, Failed))))
    client.detect(image)
    wait(client, isSlicing)
    process = client._process
    tell("cancel returns", client.cancel)
    tell("  process gone", lambda: process.wait(10))
    tell("  next worker warm", lambda: wait(client, lambda event: isinstance(event, Ready)))
    tell("stop returns", client.stop)


def isSlicing(event):
    return isinstance(event, Progress) and event.step == "Preparing the slices"


def wait(client, isLast):
    while not any([isLast(event) for event in client.poll()]):
        time.sleep(POLL_SECONDS)


def tell(what, action):
    started = time.perf_counter()
    action()
    print(f"{what}: {time.perf_counter() - started:.3f} s", flush=True)


if __name__ == "__main__":
    measure(Path(sys.argv[1]))
