"""What lies in the current folder, say a CD of CTs from somebody else, or in the folder for temporary files: nothing of
it is run or taken for a file of this program."""

import multiprocessing
import os
import re
import stat
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch

from CervicalSpineDetectionLib.SafeChildren import runPython
from CervicalSpineDetectionLib.SliceDetector.NetworkLayers import SCALES, yolov5Layers
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import importUltralytics
from CervicalSpineDetectionLib.Terminal import canDraw

LIBRARY = Path(__file__).resolve().parents[2] / "CervicalSpineDetection" / "CervicalSpineDetectionLib"
# Modules that children import early, and the files in which they would run.
FOREIGN = ("vtkmodules/__init__.py", "multiprocessing/__init__.py", "multiprocessing/spawn.py", "torch.py", "numpy.py",
           "encodings.py", "pickle.py", "slicer.py", "yaml.py")


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """The current folder, full of modules that leave a file where they run."""
    for name in FOREIGN:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write(__file__ + '\\n')\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()


@pytest.mark.shows("Hostile", "modules in the current folder (`vtkmodules/`, `multiprocessing.py`)",
                   "no child of this program takes one")
def test_theTrialOfTheGraphicsRunsNothing(foreign):
    assert canDraw() == (runPython("import vtkmodules.vtkRenderingOpenGL2", 60) == 0)


@pytest.mark.shows("Hostile", "modules in the current folder (`vtkmodules/`, `multiprocessing.py`)")
def test_processesOfTheBenchmarkRunNothing(foreign):
    from CervicalSpineDetectionLib.Benchmark.Processes import inFreshProcess

    assert inFreshProcess(os.path.exists, "vtkmodules").value


@pytest.mark.shows("Hostile", "modules in the current folder (`vtkmodules/`, `multiprocessing.py`)")
def test_processesOfTheEvaluationRunNothing(foreign):
    from CervicalSpineDetectionLib.Evaluation import Cases

    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert Cases._submit(pool, os.path.exists, "vtkmodules").result()


@pytest.mark.shows("Hostile", "modules in the current folder (`vtkmodules/`, `multiprocessing.py`)")
def test_theCommandStartedAsAModuleRunsNothing(foreign):
    """What Python itself imports before the module is started comes first, and is out of its hands."""
    for name in ("encodings.py", "multiprocessing/__init__.py", "pickle.py"):
        (foreign / name).unlink()
    run = subprocess.run([sys.executable, "-m", "CervicalSpineDetectionLib", "detect", "none", "--output", "out"],
                         capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(LIBRARY.parent)})

    assert (run.returncode, "none can't be read" in run.stderr) == (2, True), run.stderr


STARTS = re.compile(r"subprocess\.(run|Popen|check_\w+|call)|os\.(spawn|exec|popen|system)|ProcessPoolExecutor\("
                    r"|get_context\(|multiprocessing\.(Process|Pool)|LocalCluster\(")


@pytest.mark.shows("Hostile", "modules in the current folder (`vtkmodules/`, `multiprocessing.py`)")
def test_everyChildIsStartedSafely():
    """A new place that starts processes must be one of these, or be looked at."""
    started = {path.relative_to(LIBRARY).as_posix() for path in LIBRARY.rglob("*.py")
               if STARTS.search(path.read_text(encoding="utf-8"))}
    for name in started:
        text = (LIBRARY / name).read_text(encoding="utf-8")
        assert any(safe in text for safe in ("startingSafely()", "startModule(", "cwd=SAFE_FOLDER")), name


# A network that is built from a file runs what the file says.

YAML = """
nc: 13
activation: open('ran', 'w').write('ran') or torch.nn.SiLU()
scales: {n: [0.33, 0.25, 1024], s: [0.33, 0.5, 1024]}
backbone: [[-1, 1, Conv, [64, 6, 2, 2]]]
head: [[[0], 1, Detect, [nc]]]
"""


@pytest.mark.shows("Hostile", "`yolov5.yaml` in the current folder", "the network's layers stand in the program")
@pytest.mark.parametrize("name", ["yolov5.yaml", "yolov5n.yaml"])
def test_aFileCalledAsTheNetworkIsNotTaken(foreign, name):
    from CervicalSpineDetectionLib.Benchmark.Contenders import plainModel
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

    (foreign / name).write_text(YAML)

    loadDetector(None, "cpu")
    plainModel(None)


@pytest.mark.parametrize("size", SCALES)
def test_theLayersAreThoseOfUltralytics(size):
    from ultralytics.nn.tasks import parse_model, yaml_model_load

    importUltralytics()
    shipped = yaml_model_load(Path(sys.modules["ultralytics"].__file__).parent / f"cfg/models/v5/yolov5{size}.yaml")
    shipped["nc"] = 13
    own = yolov5Layers(f"yolov5{size}", 13)
    with torch.device("meta"):
        theirs, ours = (parse_model(description, ch=3, verbose=False)[0] for description in (shipped, own))

    assert {n: t.shape for n, t in ours.state_dict().items()} == {n: t.shape for n, t in theirs.state_dict().items()}
    assert [(m.f, m.type) for m in ours] == [(m.f, m.type) for m in theirs]


IMPORT = """
import os, stat, tempfile
makedirs = []
original = tempfile.TemporaryDirectory
def watched(*arguments, **options):
    folder = original(*arguments, **options)
    print(folder.name, oct(stat.S_IMODE(os.stat(folder.name).st_mode)), flush=True)
    return folder
tempfile.TemporaryDirectory = watched
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import detectionModel
detectionModel("yolov5n", 13)
assert "YOLO_CONFIG_DIR" not in os.environ
"""


@pytest.mark.shows("Hostile", "files of others in the folder for temporary files",
                   "no name there is known before; folders are for their owner alone")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows gives each user a folder for temporary files")
def test_noNameInTheTemporaryFolderIsKnownBefore(tmp_path):
    """A file of another user under such a name must not stop the detection, a folder of his not be written to."""
    environment = {name: value for name, value in os.environ.items() if name != "YOLO_CONFIG_DIR"}
    (tmp_path / "CervicalSpineDetection-ultralytics").write_text("somebody else's")
    names = []
    for _ in range(2):
        run = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, cwd=LIBRARY.parent,
                             env={**environment, "TMPDIR": str(tmp_path), "HOME": str(tmp_path / "home")})
        assert run.returncode == 0, run.stderr
        name, mode = run.stdout.split()[:2]
        assert int(mode, 8) == stat.S_IRWXU
        names.append(name)

    assert names[0] != names[1] and [path.name for path in tmp_path.glob("Cerv*")] == [
        "CervicalSpineDetection-ultralytics"]
