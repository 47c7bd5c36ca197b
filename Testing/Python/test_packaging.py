"""The repository as pip sees it: dependencies, rooms, the wheel; and what its pages name."""

import ast
import functools
import json
import os
import re
import subprocess
import sys
import zipfile

import pytest
from repositoryFiles import (
    LIBRARY,
    MODULE,
    PYPROJECT,
    REPOSITORY,
    SLICER_REQUIREMENTS,
    importedModules,
    librarySources,
    packages,
    topLevelNames,
)

# Packages whose import name differs from the name pip knows.
DISTRIBUTION = {
    "PIL": "pillow", "cv2": "opencv-python", "dask": "distributed", "slicer": "slicer-core", "vtkmodules": "vtk",
    "yaml": "pyyaml",
}

FOLDERS = sorted(path.parent.name for path in LIBRARY.glob("*/__init__.py"))
# All but these are numerics: no Slicer, no VTK, no Qt.
OUTER_FOLDERS = ["CommandLine", "Panel", "Scene"]
# Runs inside Slicer only, with what Slicer and its PyTorch extension bring.
PANEL_PACKAGES = {"ctk", "packaging", "PyTorchUtils", "qt", "slicer", "vtk"}
EXTRAS = {
    "Benchmark": ["slicer"],
    "Cohort": ["cohort"],
    "CommandLine": ["slicer", "cohort", "completion"],
    "Imaging": ["slicer"],
    "Results": ["dicom", "cohort"],
    "Scene": ["slicer"],
    "SliceDetector": ["slicer"],
}


def test_pagesNameTheSystemLibrariesThatMakeAsksFor():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    packages = re.findall(r"\blib[\w+.-]*\.so[\d.]*=(\S+)", makefile)
    pages = "".join(path.read_text("utf-8") for path in (REPOSITORY / "Resources" / "Documentation").glob("*.md"))
    installed = re.findall(r"^apt-get install (.*)", pages, re.MULTILINE)

    assert len(packages) > 10
    assert set(packages) <= set(" ".join(installed).split())


def test_versionIsWrittenOnce():
    (version,) = re.findall(r'^__version__ = "([\d.]+)"$', (LIBRARY / "__init__.py").read_text("utf-8"), re.MULTILINE)

    assert "version" not in PYPROJECT["project"] and PYPROJECT["project"]["dynamic"] == ["version"]
    assert REPOSITORY / PYPROJECT["tool"]["hatch"]["version"]["path"] == LIBRARY / "__init__.py"
    assert f'"{version}"' not in (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")


def test_roomsImportRoomsBelowThemOnly():
    """The contracts stand in pyproject.toml; they hold for imports within functions too."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(MODULE), *filter(None, sys.path)])}
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True,
                         encoding="utf-8")

    assert run.returncode == 0 and "0 broken" in run.stdout, run.stdout


@pytest.mark.parametrize("path", [LIBRARY / "Pipeline.py", *librarySources(
    "Imaging", "SliceDetector", "Fusion", "Results", "Scene", "CommandLine")], ids=lambda p: p.name)
def test_noPickleIsReadOnTheWayFromCtToResult(path):
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    imported = importedModules(path)
    used = {
        f"{node.value.id}.{node.attr}"
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    keywords = {node.arg for node in nodes if isinstance(node, ast.keyword)}

    assert packages(imported) & {"pickle", "dill", "cloudpickle", "joblib", "shelve"} == set()
    assert (used | imported) & {"torch.load", "torch.hub", "torch.jit", "ultralytics.YOLO"} == set()
    assert "allow_pickle" not in keywords


@pytest.mark.parametrize("folder", FOLDERS)
def test_everyImportedPackageIsADeclaredDependency(folder):
    project = PYPROJECT["project"]
    optional = [project["optional-dependencies"][extra] for extra in EXTRAS.get(folder, [])]
    declared = sum(optional, project["dependencies"])
    names = {re.match(r"[\w-]+", requirement).group().lower() for requirement in declared}
    imported = packages(module for path in librarySources(folder) for module in importedModules(path))
    thirdParty = imported - set(sys.stdlib_module_names) - {"CervicalSpineDetectionLib", "_typeshed"}
    if folder == "Panel":
        thirdParty -= PANEL_PACKAGES

    assert {DISTRIBUTION.get(package, package.lower()) for package in thirdParty} <= names


def test_slicerInstallsTheSameVersionsAsPip():
    lines = SLICER_REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    requirements = {line for line in lines if line and not line.startswith(("#", "opencv-python-headless"))}

    assert requirements <= set(PYPROJECT["project"]["dependencies"])


@functools.cache
def namesOfTests():
    """Files and what they define."""
    sources = sorted((REPOSITORY / "Testing").rglob("*.py"))
    return {name for path in sources for name in topLevelNames(path)} | {path.stem for path in sources}


@pytest.mark.parametrize("page", sorted(
    path.relative_to(REPOSITORY).as_posix()
    for folder in (".", ".github", "Testing", "model_weights", "Resources/Documentation")
    for path in (REPOSITORY / folder).glob("*.md")))
def test_testsThatPagesNameAreThere(page):
    named = re.findall(r"\btest_\w+", (REPOSITORY / page).read_text(encoding="utf-8"))

    assert sorted(set(named) - namesOfTests()) == []


def test_theWheelDetectsWithoutTheRepository(tmp_path):
    """Built as for PyPI, and run where only the packages it needs are there."""
    build = subprocess.run([sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(tmp_path),
                            str(REPOSITORY)], capture_output=True, text=True)
    if build.returncode:
        pytest.skip(f"no wheel can be built here (pip, or a registry for hatchling, is missing): {build.stderr[-200:]}")
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # The folders of the installed packages, without those that lead to the repository.
    packages = [path for path in sys.path if "site-packages" in path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *packages]), "PYTHONNOUSERSITE": "1"}
    run = subprocess.run(
        [sys.executable, "-S", "-c", WHEEL_MAIN, "detect", str(REPOSITORY / "Testing" / "Golden" / "straight.nrrd"),
         "-o", str(tmp_path / "out"), "--device", "cpu", "--no-scene"], cwd=tmp_path, env=environment,
        capture_output=True, text=True)

    assert run.returncode == 0, run.stderr
    result = json.loads((tmp_path / "out" / "vertebrae.json").read_text(encoding="utf-8"))
    assert len(result["vertebrae"]) >= 5 and str(site) in run.stdout


WHEEL_MAIN = """
import sys
import CervicalSpineDetectionLib
from CervicalSpineDetectionLib.CommandLine.Main import main
print(CervicalSpineDetectionLib.__file__)
sys.exit(main())
"""
