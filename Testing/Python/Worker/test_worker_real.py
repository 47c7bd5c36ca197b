"""The shipped network in the worker, as the panel starts it. What it finds is tested without a worker."""

import json
import time

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights
from CervicalSpineDetectionLib.Worker.WorkerClient import Failed, Finished, Progress, Ready, WorkerClient

TIMEOUT = 120.0


def test_theDefaultWorkerLoadsTheShippedNetworkAndKeepsIt():
    voxels = np.full((40, 40, 40), -1000, np.int16)
    voxels[5:35, 5:35, 5:35] = 40
    image = sitk.GetImageFromArray(voxels)
    card = json.loads(findWeights().with_suffix(".json").read_text())
    client = WorkerClient()
    try:
        client.start()
        (ready,) = untilLast(client, Ready)
        for _ in range(2):
            client.detect(image)
            *steps, last = untilLast(client, (Finished, Failed))
            assert isinstance(last, Finished), last
            assert card.items() >= {key: last.result.model[key] for key in ("name", "sha256")}.items()
            assert Progress("Loading the network", 0, 1) not in steps
        assert ready.device
    finally:
        client.stop()


def untilLast(client, kinds):
    events, end = [], time.monotonic() + TIMEOUT
    while not (events and isinstance(events[-1], kinds)):
        assert time.monotonic() < end, events
        time.sleep(0.01)
        events += client.poll()
    return events
