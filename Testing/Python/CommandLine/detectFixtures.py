"""``cervical-spine detect`` without network, Slicer and VTK."""

import os
import sys
import types

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra

LIBRARY = "CervicalSpineDetectionLib"
ALL_FILES = {"vertebrae.json", "vertebrae.csv", "vertebrae.mrk.json", "scene.mrb", "preview.png"}


def madeVertebra(level, height, **flags):
    centre = np.array([1.25, -20.0, height])
    half = np.array([26.0, 24.0, 9.0])
    return Vertebra(level, flags.pop("confidence", 0.97), centre, Bounds(centre - half, centre + half),
                    OrientedBox(centre, np.array([51.0, 45.0, 16.0]), np.eye(3)), **flags)


FOUND = [
    madeVertebra("C5", 60.0),
    madeVertebra("C6", 42.0, inferred=True, confidence=0.4),
    madeVertebra("C7", 24.0, complete=False),
]


class StandIns:
    """What the command calls, and with what it was called."""

    def __init__(self):
        self.vertebrae = FOUND
        self.loaded = []
        self.written = {}
        self.sceneError = None

    def loadDetector(self, weights=None, device="auto", batchSize=32, precision="auto", forOneCt=False):
        self.loaded.append((weights, device, batchSize, precision))
        return object()

    def findWeights(self, weights=None):
        if weights == "nonsense":
            raise InputError("No weights called nonsense;\ngive a .safetensors file.")

    def detectVertebrae(self, image, detector, progress=None):
        for done in range(101):
            progress("network", done, 100)
        grid = {"size": list(image.GetSize()), "spacing": list(image.GetSpacing()),
                "origin": list(image.GetOrigin()), "direction": list(image.GetDirection())}
        return DetectionResult(self.vertebrae, ["Look twice."], grid, {"name": "stand-in", "sha256": "0" * 64},
                               {"network": 0.5})

    def writeScene(self, path, image, result, name, oriented=True):
        os.write(1, b"noise of a C++ library\n")
        os.write(2, b"noise of a C++ library\n")
        print("noise of a Python library")
        self._write(path, image=image, name=name, oriented=oriented)
        if self.sceneError:
            raise self.sceneError

    def writeMarkups(self, path, result):
        self._write(path)

    def writePreview(self, path, image, result, thumbnail=None):
        self._write(path, image=image)

    def _write(self, path, **arguments):
        path.write_text("written")
        self.written[path.name] = arguments


@pytest.fixture
def standIns(monkeypatch):
    standIns = StandIns()
    functions = {"SliceDetector.Weights": ["findWeights"], "SliceDetector.YoloDetector": ["loadDetector"],
                 "Pipeline": ["detectVertebrae"], "Scene.SceneFiles": ["writeScene", "writeMarkups"],
                 "Results.PreviewPicture": ["writePreview"]}
    for module, names in functions.items():
        standIn = types.ModuleType(f"{LIBRARY}.{module}")
        for name in names:
            setattr(standIn, name, getattr(standIns, name))
        monkeypatch.setitem(sys.modules, standIn.__name__, standIn)
    return standIns


@pytest.fixture
def ct(tmp_path):
    voxels = np.random.default_rng(0).integers(-1000, 1500, (12, 10, 8)).astype(np.int16)
    path = tmp_path / "neck.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(path))
    return path


def detect(ct, tmp_path, *options):
    return main(["detect", str(ct), "--output", str(tmp_path / "out"), *options])


def fileNames(folder):
    return {path.name for path in folder.iterdir()}
