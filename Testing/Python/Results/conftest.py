"""Shared by the exports' tests."""

import publicDataSets as made
import pytest
from exportFixtures import neckVertebrae, vertebra

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Imaging.ImageGeometry import imageGeometry
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Results.ResultJson import writeJson
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult


@pytest.fixture(scope="session")
def dicomCase(tmp_path_factory):
    """Folder with a synthetic CT as DICOM, its result, and all exports."""
    pytest.importorskip("highdicom", reason="needs highdicom")
    pytest.importorskip("slicer", reason="needs slicer-core")
    folder = tmp_path_factory.mktemp("exports")
    made.dicomFiles(folder / "ct", made.madeNeck()[0])
    image = readImage(folder / "ct")
    vertebrae = neckVertebrae()
    vertebrae[3] = vertebra("C4", vertebrae[3].orientedBox.centre, vertebrae[3].orientedBox.size,
                            bodyCentre=vertebrae[3].centre, inferred=True)
    (folder / "result").mkdir()
    writeJson(folder / "result" / "vertebrae.json", DetectionResult(
        vertebrae, image=imageGeometry(image), model={"name": "made", "sha256": "0" * 64}))
    assert main(["export", str(folder / "result"), "--ct", str(folder / "ct"), "--output", str(folder / "out"),
                 "--formats", "labelmap,mask,segmentation,seg,sr,terminology"]) == 0
    return folder, image, vertebrae
