"""A scene, a CT in it, and corrections of its vertebrae."""

import pytest


@pytest.fixture
def scene():
    pytest.importorskip("slicer", reason="needs slicer-core")
    from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene

    with headlessScene() as (scene, _):
        yield scene


@pytest.fixture
def volumeNode(scene):
    from sceneFixtures import madeImage

    from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage

    return volumeNodeFromImage(scene, madeImage(size=(6, 6, 6)), "CT")


@pytest.fixture
def corrections(scene, volumeNode):
    """Of C3, C4, C5."""
    from sceneFixtures import madeResult

    from CervicalSpineDetectionLib.Scene.Corrections import Corrections
    from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae

    addVertebrae(scene, madeResult(), volumeNode)
    corrections = Corrections(scene, volumeNode)
    yield corrections
    corrections.release()
