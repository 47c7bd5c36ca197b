"""Seconds of what comes before and after a detection for a CT in Slicer's scene."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np

from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult
from CervicalSpineDetectionLib.Terminal import canDraw, quietLibraries
from CervicalSpineDetectionLib.Worker.WorkerClient import Failed, Finished, WorkerClient


def sceneStages(path: str | Path, weights: str | Path | None, device: str, result: DetectionResult,
                repeats: int) -> dict[str, float]:
    """Median seconds of what comes before and after a detection for a CT in Slicer's scene.

    :param result: DetectionResult.
    :return: stage -> seconds: see ``handoverSeconds`` and ``nodesAndPicture``; empty where slicer-core is missing.
    """
    try:
        import slicer  # noqa: F401
    except ImportError:
        return {}
    with quietLibraries():
        return {"handover": handoverSeconds(path, weights, device, repeats),
                **(nodesAndPicture(path, result, repeats) if canDraw() else {})}


def handoverSeconds(path: str | Path, weights: str | Path | None, device: str, repeats: int) -> float:
    """Median seconds from the click to the result, without those of the detection itself: the CT goes from the scene to
    the warm worker process, the result comes back. The panel asks for it every 10 ms, this function every millisecond.
    """
    from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
    from CervicalSpineDetectionLib.Scene.VolumeNodes import arrayFromVolumeNode, volumeNodeFromImage

    client, laps = WorkerClient(), []
    try:
        with headlessScene() as (scene, _):
            volumeNode = volumeNodeFromImage(scene, readImage(path), "CT")
            for _ in range(repeats + 1):  # the first waits for the worker to be warm
                started = time.perf_counter()
                client.detect(arrayFromVolumeNode(volumeNode), device=device, weights=weights)
                result = _awaited(client)
                laps.append(time.perf_counter() - started - sum(result.timings.values()))
    finally:
        client.stop()
    return statistics.median(laps[1:])


def _awaited(client: WorkerClient) -> DetectionResult:
    """:return: DetectionResult of the running detection."""

    while True:
        for event in client.poll():
            if isinstance(event, Finished):
                return event.result
            if isinstance(event, Failed):
                raise RuntimeError(event.message)
        time.sleep(0.001)


def nodesAndPicture(path: str | Path, result: DetectionResult, repeats: int) -> dict[str, float]:
    """Median seconds to add the nodes to a scene that holds the CT, and for a slice view of 512 x 512 pixels to draw
    itself after that.

    :return: stage -> seconds.
    """
    from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
    from CervicalSpineDetectionLib.Scene.OffscreenViews import SliceView
    from CervicalSpineDetectionLib.Scene.SlicePlanes import slicePlanes
    from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae
    from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage

    image, laps = readImage(path), []
    for _ in range(repeats):
        with headlessScene() as (scene, applicationLogic):
            volumeNode = volumeNodeFromImage(scene, image, "CT")
            bounds = np.zeros(6)
            volumeNode.GetRASBounds(bounds)
            view = SliceView(scene, applicationLogic, "Yellow", (512, 512), volumeNode)
            view.show(slicePlanes(result.vertebrae, bounds)[0], 0.5)
            view.picture()
            marks = [time.perf_counter()]
            addVertebrae(scene, result, volumeNode)
            marks.append(time.perf_counter())
            view.window.Render()
            view.window.WaitForCompletion()
            marks.append(time.perf_counter())
            laps.append(np.diff(marks))
    nodes, shown = (statistics.median(lap[i] for lap in laps) for i in (0, 1))
    return {"nodes": nodes, "picture": shown}
