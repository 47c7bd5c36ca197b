"""Scene bundles: written whole into folders of any name, and read from anyone."""

import zipfile

import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

from sceneFixtures import madeImage, madeResult  # noqa: E402

from CervicalSpineDetectionLib.Cohort.SceneReading import casesInProcess  # noqa: E402
from CervicalSpineDetectionLib.Errors import InputError  # noqa: E402
from CervicalSpineDetectionLib.Scene import SceneBundle  # noqa: E402
from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene  # noqa: E402
from CervicalSpineDetectionLib.Scene.SceneBundle import unpackBundle  # noqa: E402
from CervicalSpineDetectionLib.Scene.SceneExport import exportScene  # noqa: E402
from CervicalSpineDetectionLib.Scene.SceneFiles import writeScene  # noqa: E402
from CervicalSpineDetectionLib.Scene.SegmentationNode import writeSegmentationFile  # noqa: E402
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae  # noqa: E402
from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage  # noqa: E402

# Of folders and files; Slicer's own packing takes them for patterns.
PATTERNS = ["scans [new]", "it's & wh*t?"]


@pytest.mark.shows("Faults", "folders and files called `[..]`, `*` or `&`", "scenes are whole, or an error")
@pytest.mark.parametrize("name", PATTERNS)
def test_aSceneIsWholeInAFolderOfAnyName(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()

    writeScene(folder / "scene.mrb", madeImage(), madeResult(), "CT")

    (names,) = [zipfile.ZipFile(path).namelist() for path in folder.iterdir()]
    assert {name.rsplit(".")[-1] for name in names if not name.endswith("/")} == {"json", "mrml", "nrrd"}


@pytest.mark.shows("Faults", "folders and files called `[..]`, `*` or `&`")
@pytest.mark.parametrize("name", PATTERNS)
def test_anExportedSceneIsWholeUnderAnyName(tmp_path, name):
    """The panel's Export / Scene."""
    with headlessScene() as (scene, _):
        volumeNode = volumeNodeFromImage(scene, madeImage(), "CT")
        addVertebrae(scene, madeResult(), volumeNode)
        exportScene(scene, volumeNode, tmp_path / f"{name}.mrb")

    (case,) = casesInProcess(tmp_path / f"{name}.mrb")
    assert len(case.others) == 3 and case.image.GetSize() == madeImage().GetSize()


def test_aSegmentationIsWrittenIntoAFolderOfAnyName(tmp_path):
    (tmp_path / "a[b]").mkdir()
    writeSegmentationFile(tmp_path / "a[b]" / "bone.seg.nrrd", madeImage() * 0 + 1)
    assert (tmp_path / "a[b]" / "bone.seg.nrrd").stat().st_size > 500


@pytest.mark.shows("Faults", "folders and files called `[..]`, `*` or `&`")
@pytest.mark.parametrize("lost", ["scene/Data/CT.nrrd", "scene/scene.mrml"])
def test_aSceneThatSlicerWroteInPartsIsNoScene(tmp_path, monkeypatch, lost):
    with headlessScene() as (scene, _):
        volumeNodeFromImage(scene, madeImage(), "CT").AddDefaultStorageNode()

        class Losing:
            def WriteToMRB(self, path):
                scene.WriteToMRB(path)
                with zipfile.ZipFile(path) as bundle:
                    kept = {name: bundle.read(name) for name in bundle.namelist() if name != lost}
                assert lost in bundle.namelist(), bundle.namelist()
                with zipfile.ZipFile(path, "w") as bundle:
                    for name, content in kept.items():
                        bundle.writestr(name, content)
                return True

        with pytest.raises(OSError, match="Could not write scene.mrb"):
            SceneBundle.writeBundle(Losing(), tmp_path / "scene.mrb")
    assert list(tmp_path.iterdir()) == []


# From anyone

SCENE = '<MRML version="Slicer 5.10" userTags="">{}</MRML>'
VOLUME = """<Volume id="vtkMRMLScalarVolumeNode1" name="CT" storageNodeRef="vtkMRMLVolumeArchetypeStorageNode1"/>
<VolumeArchetypeStorage id="vtkMRMLVolumeArchetypeStorageNode1" fileName="{}"/>"""
NRRD = "NRRD0004\ntype: short\ndimension: 3\nsizes: {sizes}\nencoding: {encoding}\n{more}\n"


def bundle(path, text, **files):
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("s/s.mrml", text)
        for name, content in files.items():
            made.writestr(f"s/Data/{name}.nrrd", content)
    return path


HOSTILE = {
    "nested deep": lambda f: bundle(f, SCENE.format("<Model>" * 300_000)),
    "a volume on a device": lambda f: bundle(
        f, SCENE.format(VOLUME.format("Data/CT.nrrd")),
        CT=NRRD.format(sizes="9 9 9", encoding="ascii", more="data file: /dev/zero\n")),
    "a volume of 16 dimensions": lambda f: bundle(
        f, SCENE.format(VOLUME.format("Data/CT.nrrd")),
        CT="NRRD0004\ntype: short\ndimension: 16\nsizes: " + "2 " * 16 + "\nencoding: raw\n\n"),
}


@pytest.mark.shows("Hostile", "scenes that crash or hold up Slicer's readers",
                   "read in a process of their own; refused")
@pytest.mark.parametrize("wrong", HOSTILE)
def test_aSceneThatEndsItsReaderCostsItselfOnly(tmp_path, wrong, monkeypatch):
    monkeypatch.setattr("CervicalSpineDetectionLib.Cohort.SceneReading.SCENE_SECONDS", 60)
    path = HOSTILE[wrong](tmp_path / "scene.mrb")

    try:
        assert casesInProcess(path) == []  # nothing of it is a case
    except InputError as error:
        assert "scene.mrb" in str(error)


@pytest.mark.shows("Hostile", "scenes that name files outside of themselves", "refused")
@pytest.mark.parametrize("name", ["/etc/passwd", "..%2F..%2Fother.nrrd", "&#46;&#46;/x.nrrd", "C:\\x.nrrd"])
def test_aBundleThatNamesFilesOutsideIsRefused(tmp_path, name):
    with pytest.raises(InputError, match="outside of itself"):
        unpackBundle(bundle(tmp_path / "s.mrb", SCENE.format(VOLUME.format(name))), tmp_path)
