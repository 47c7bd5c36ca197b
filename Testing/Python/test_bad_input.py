"""Everything that can be wrong with the input, and what the user is told.

Each row: exit status 2, one sentence with the cause and the way out, and the results of an earlier run untouched.
"""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from commandFixtures import SeesNothing, assertRefused, ct, cut, earlier, flipped, folder, image, text, write
from dicomSeries import ORIGIN, SLICES, writeFrames, writeSeries
from test_files_images import nrrd

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SliceDetector import YoloDetector

__all__ = ["ct", "earlier", "folder"]


def withVoxel(value):
    voxels = np.random.default_rng(1).normal(0, 300, (6, 7, 8)).astype(np.float32)
    voxels[3, 3, 3] = value
    return image(voxels)


def spaced(*spacing):
    made = image()
    made.SetSpacing(spacing)
    return made


def placed(x):
    made = image()
    made.SetOrigin((x, 0, 0))
    return made


def folderWith(path, **files):
    path.mkdir()
    for name, content in files.items():
        (path / name).write_text(content)
    return path


def zeroSpacing(path):
    write(path, image())
    data = bytearray(path.read_bytes())
    data[76 + 12 : 76 + 16] = bytes(4)  # pixdim[3] of NIfTI-1
    path.write_bytes(data)
    return path


def moved(slices):
    return [ORIGIN + [0, 0, 3.0 * k] for k in slices]


# What is wrong -> (makes the input in a folder, words of the sentence).
INPUTS = {
    "no such file": (lambda f: f / "ct.nrrd", "No such file"),
    "empty file": (lambda f: text(f / "ct.nrrd", ""), "damaged or incomplete"),
    "text with an image's name": (lambda f: text(f / "ct.nii.gz", "not an image"), "damaged or incomplete"),
    "another kind of file": (lambda f: text(f / "report.pdf", "%PDF"), "no image that can be read"),
    "2D": (lambda f: write(f / "ct.nrrd", image(np.arange(3000, dtype=np.int16).reshape(50, 60))), "2 dimensions"),
    "one slice": (lambda f: write(f / "ct.nrrd", image()[:, :, 2:3]), "too few slices"),
    "4D": (lambda f: write(f / "ct.nii.gz", sitk.JoinSeries([image(), image()])), "4 dimensions"),
    "colour": (lambda f: write(f / "ct.nrrd", image(np.ones((6, 7, 8, 3), np.uint8), isVector=True)),
               "colors or vectors"),
    "complex": (lambda f: write(f / "ct.nrrd", sitk.RealAndImaginaryToComplex(*[sitk.Cast(image(), 8)] * 2)),
                "colors or vectors"),
    "NaN": (lambda f: write(f / "ct.nrrd", withVoxel(np.nan)), "not finite"),
    "infinite": (lambda f: write(f / "ct.nii.gz", withVoxel(-np.inf)), "not finite"),
    "values beyond HU": (lambda f: write(f / "ct.nrrd", withVoxel(-3e38)), "can't be HU"),
    "values of 64 bits beyond HU": (lambda f: write(f / "ct.nrrd", sitk.Cast(withVoxel(-1e9), sitk.sitkInt64)),
                                    "can't be HU"),
    "constant": (lambda f: write(f / "ct.mha", image(np.full((6, 7, 8), 40, np.int16))), "have the value 40"),
    "only air": (lambda f: write(f / "ct.mha", sitk.AdditiveGaussianNoise(sitk.Cast(image() * 0 - 1000, 8), 9)),
                 "shows no body"),
    "8-bit picture": (lambda f: write(f / "ct.nrrd", sitk.Cast(image(), sitk.sitkUInt8)), "8-bit picture"),
    "spacing in metres": (lambda f: write(f / "ct.mha", spaced(5e-4, 5e-4, 2e-3)), "voxel spacing"),
    "spacing in micrometres": (lambda f: write(f / "ct.mha", spaced(500, 500, 2000)), "voxel spacing"),
    "zero spacing": (lambda f: zeroSpacing(f / "ct.nii"), "does not state its voxel spacing"),
    "origin far away": (lambda f: write(f / "ct.mha", placed(1e9)), "origin"),
    "sheared axes": (lambda f: nrrd(f / "ct.nrrd", "space: left-posterior-superior", "space origin: (0,0,0)",
                                    "space directions: (1,0,0) (0,1,0) (0,0.8,3)"), "not at right angles"),
    "header of an impossible size": (
        lambda f: text(f / "ct.nrrd", "NRRD0004\ntype: short\ndimension: 3\nsizes: 60000 60000 60000\nencoding: gzip\n"
                                      "endian: little\nspacings: 1 1 1\n\n"), "more than any CT has"),
    "cut short": (lambda f: cut(write(f / "ct.nii.gz", image()), 0.6), "damaged or incomplete"),
    "changed on the disk": (lambda f: flipped(write(f / "ct.nii.gz", image())), "damaged"),
    "long path": (lambda f: f / ("n" * 300 + ".nrrd"), "File name too long"),
    "path that is no text": (lambda f: f / "ct\udcff.nrrd", "not valid text"),
    "folder without images": (lambda f: folderWith(f / "ct", notes="none"), "holds no DICOM"),
    "empty folder": (lambda f: folderWith(f / "ct"), "holds no DICOM"),
    "MR": (lambda f: writeSeries(f / "ct", Modality="MR"), "modality MR"),
    "two CTs in a folder": (lambda f: writeSeries(writeSeries(f / "ct"), names=[f"b{k}" for k in range(SLICES)]),
                            "2 CT series"),
    "missing slice": (lambda f: writeSeries(f / "ct", moved([0, 1, 2, 4, 5, 6, 7])), "some are missing"),
    "two phases": (lambda f: writeSeries(f / "ct", moved([0, 0, 1, 1, 2, 2, 3, 3])), "lie where another one lies"),
    "varying spacing": (lambda f: writeSeries(f / "ct", moved([0, 1, 2, 3, 3.5, 4, 4.5])), "spacing changes"),
    "slices shifted unevenly": (lambda f: writeSeries(f / "ct", [ORIGIN + [0, k % 2 * 9, 3 * k] for k in range(7)]),
                                "not evenly"),
    "inverted grey values": (lambda f: writeSeries(f / "ct", PhotometricInterpretation="MONOCHROME1"), "inverted"),
    "scout": (lambda f: writeSeries(f / "ct", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "localizer"),
    "multi-frame without places": (
        lambda f: writeFrames(f / "ct" / "frames.dcm", change=lambda d: delattr(d, "SharedFunctionalGroupsSequence")),
        "lacks the place of its frames"),
    "DICOM cut short": (lambda f: cut(writeSeries(f / "ct") / "003.dcm", 0.7).parent, "damaged or incomplete"),
}


@pytest.mark.parametrize("wrong", INPUTS)
def test_badInputIsRefusedWithTheCauseAndAWayOut(folder, earlier, capfd, wrong):
    make, words = INPUTS[wrong]

    assertRefused([make(folder), "--output", earlier], words, earlier, capfd)


def body(size):
    """A body without bone, in air."""
    voxels = np.full(size[::-1], -1000, np.int16)
    voxels[:, 3:-3, 3:-3] = 40
    voxels += np.random.default_rng(0).integers(-20, 20, voxels.shape, np.int16)
    return image(voxels)


@pytest.mark.parametrize(("name", "size"), [
    ("not a neck.nrrd", (20, 20, 20)), ("2000 slices.nii.gz", (12, 12, 2000)),
    ("Hals Ä 頸椎 \U0001f9b4.mha", (20, 20, 20)), ("n" * 240 + ".nrrd", (20, 20, 20)),
])
def test_aCtWithoutCervicalSpineIsAResultOfItsOwnStatus(folder, earlier, capsys, monkeypatch, name, size):
    monkeypatch.setattr(YoloDetector, "loadDetector", lambda *_, **__: SeesNothing())

    status = main(["detect", str(write(folder / name, body(size))), "--output", str(earlier), "--no-scene",
                   "--no-preview"])

    assert status == 3
    assert "No cervical vertebra was found." in capsys.readouterr().out
    document = json.loads((earlier / "vertebrae.json").read_text(encoding="utf-8"))
    assert document["vertebrae"] == [] and document["image"]["size"] == list(size)


# The same in Slicer, where volumes come from the scene.
VOLUMES = {
    "one slice": (lambda: image()[:, :, 2:3], "too few slices"),
    "NaN": (lambda: withVoxel(np.nan), "not finite"),
    "constant": (lambda: image(np.full((6, 7, 8), 40, np.int16)), "have the value 40"),
    "spacing in metres": (lambda: spaced(5e-4, 5e-4, 2e-3), "voxel spacing"),
    "far away": (lambda: placed(1e9), "origin"),
}


@pytest.mark.parametrize("wrong", VOLUMES)
def test_badVolumesOfTheSceneAreRefusedAndTheSceneIsUntouched(wrong):
    pytest.importorskip("slicer", reason="needs slicer-core")
    from CervicalSpineDetectionLib.Pipeline import detectVertebrae
    from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
    from CervicalSpineDetectionLib.Scene.VolumeNodes import imageFromVolumeNode, volumeNodeFromImage

    make, words = VOLUMES[wrong]
    with headlessScene() as (scene, _):
        node = volumeNodeFromImage(scene, make(), "CT")
        before = scene.GetNumberOfNodes(), node.GetMTime()

        with pytest.raises(InputError, match=words):
            detectVertebrae(imageFromVolumeNode(node), SeesNothing())

        assert (scene.GetNumberOfNodes(), node.GetMTime()) == before
