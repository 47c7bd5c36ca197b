"""Sentences of the numerics and the worker in Slicer's language."""

import ast
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib import Looks, Pipeline
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Fusion import Placement, SagittalPlane
from CervicalSpineDetectionLib.Imaging import ImageChecks, Resampling
from CervicalSpineDetectionLib.Imaging.HounsfieldUnits import correctHuOffset
from CervicalSpineDetectionLib.Scene import DetectionTexts
from CervicalSpineDetectionLib.Scene.DetectionTexts import TEXTS, inSlicersLanguage, recognized
from CervicalSpineDetectionLib.SliceDetector import TorchNetwork, Weights, YoloDetector
from CervicalSpineDetectionLib.Spine import Vertebra
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Vertebra import NameBasis
from CervicalSpineDetectionLib.Worker import Server, WorkerClient


def made(**changes):
    bounds = Bounds(np.zeros(3), np.full(3, 20.0))
    box = OrientedBox(np.full(3, 10.0), bounds.size, np.eye(3))
    return replace(Vertebra.Vertebra("C3", 0.9, np.full(3, 10.0), bounds, box), **changes)


def fused(**changes):
    basis = NameBasis((), 1, 0.2)
    return SimpleNamespace(**{"links": [], "lowerLinks": [], "orientationDoubt": "", "basis": basis, **changes})


def image(values):
    return sitk.GetImageFromArray(np.resize(np.asarray(values, np.int16), (40, 40, 40)))


def warningsOfNames():
    shown = [made(), made(level="C5")]
    for one, vertebrae in ((fused(links=[1, 2]), []), (fused(), shown), (fused(basis=NameBasis()), shown),
                           (fused(orientationDoubt="spine tilted by 70 degrees in the image; level uncertain"), shown)):
        yield from Pipeline.namingWarnings(one, vertebrae, ())


@pytest.mark.parametrize("text", list(warningsOfNames()))
def test_warningsOfNamesAreKnown(text):
    assert recognized(text)


@pytest.mark.parametrize("values", [
    np.random.default_rng(0).integers(0, 255, 64000), np.r_[np.zeros(40000), np.full(24000, 255)],
])
def test_warningsOfHounsfieldUnitsAreKnown(values):
    _, text = correctHuOffset(image(values))

    assert text and recognized(text)


def test_remarksOfAVertebraAreKnown():
    remark = made(inferred=True, complete=False, doubt="level uncertain; unusual distance from C4").remark

    assert all(recognized(part) for part in remark.split("; "))


def literals(module, functions):
    """What functions of a module give as text, values as "7"."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.name in functions:
            for node in ast.walk(function):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(part.value if isinstance(part, ast.Constant) else "7" for part in node.values)
                elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "append" and isinstance(
                        node.args[0], ast.Constant):
                    yield node.args[0].value


@pytest.mark.parametrize("module, functions, least", [
    (Placement, {"doubtsOf", "_ownDoubts"}, 8), (SagittalPlane, {"orientationDoubt"}, 2), (Looks, {"_sentence"}, 1),
    (Pipeline, {"detectVertebrae"}, 1),
])
def test_whatTheNumericsSayIsKnown(module, functions, least):
    """Read from their source: a new doubt has to be put among the texts."""
    texts = [text for text in literals(module, functions) if " " in text]  # no formats

    assert len(texts) >= least and all(recognized(text) for text in texts)


def refusals(module, functions=None):
    """Sentences of a module's ``InputError``s, values as "7"; of all functions where none are named."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or functions and function.name not in functions:
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "InputError":
                (said,) = node.args
                if isinstance(said, ast.Name):
                    yield getattr(module, said.id)
                else:
                    yield "".join(part.value if isinstance(part, ast.Constant) else "7"
                                  for part in getattr(said, "values", [said]))


@pytest.mark.parametrize("module, functions, least", [
    (ImageChecks, (), 9), (Resampling, (), 1), (TorchNetwork, (), 1), (YoloDetector, (), 2),
    (Weights, ("findWeights", "readCard", "loadArrays", "loadEdges", "_checkedArrays", "loadWeights"), 9),
])
def test_refusalsOfVolumesAndWeightsAreKnown(module, functions, least):
    """What the panel may show of them, read from their source."""
    texts = list(refusals(module, functions))

    assert len(texts) >= least and [text for text in texts if not recognized(text)] == []


def test_theUnitOfARefusalIsTranslatedToo(monkeypatch):
    monkeypatch.setattr(DetectionTexts, "tr", lambda text: f"<{text}>")
    grid = sitk.Image(9, 9, 9, sitk.sitkInt16)
    grid.SetSpacing((5e-4, 5e-4, 2e-3))

    with pytest.raises(InputError) as error:
        ImageChecks.checkGrid(grid)

    assert "<The voxel spacing of 0.0005 x 0.0005 x 0.002 mm" in inSlicersLanguage(str(error.value))
    assert "<meters>" in inSlicersLanguage(str(error.value))


@pytest.mark.parametrize("axes", [(0, 0, -1), (0, -1, 0), (0, -1, -1), (0, 0, 0)])
def test_theWrongWayRoundIsKnown(axes):
    assert recognized(Looks._wayRound(SimpleNamespace(axes=np.diag(axes))))


@pytest.mark.parametrize("module, names", [
    (WorkerClient, ("SILENT", "KILLED", "ENDED", "UNREADABLE", "NOT_STARTED", "NO_ROOM", "NO_VOXELS")),
    (Server, ("ON_CPU_INSTEAD", "NO_PACKAGE", "GPU_ERROR", "UNEXPECTED")),
])
def test_whatTheWorkerSaysIsKnown(module, names):
    assert {getattr(module, name) for name in names} <= set(TEXTS)


def test_aTranslationKeepsTheValues(monkeypatch):
    monkeypatch.setattr(DetectionTexts, "tr", lambda text: f"<{text}>")

    assert inSlicersLanguage("level uncertain; unusual distance from C4; of a file") == (
        "<level uncertain>; <unusual distance from C4>; of a file")
    text = inSlicersLanguage("The orientation in the header seems to be wrong (CT stored upside down; level uncertain)"
                             ": no name is certain. Correct the orientation, or check every name.")
    assert text.startswith("<The orientation") and "(<CT stored upside down>; <level uncertain>)" in text


def test_textsAreFoundByTheRuleOfSlicersExtraction():
    """An underscore, a bracket, literals alone, a bracket: the pattern of Slicer's update_translations.py."""
    source = Path(DetectionTexts.__file__).read_text(encoding="utf-8")

    found = re.findall(r"[^_]_\((\s*?\".+?\"\s*?)\)", source, re.DOTALL)

    assert [ast.literal_eval(f"({text})") for text in found] == list(TEXTS)
