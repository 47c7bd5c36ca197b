"""The repository as Slicer's build, pip and the extension index see it."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

try:
    import tomllib
except ImportError:  # Python 3.10, where pytest brings tomli
    import tomli as tomllib

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "CervicalSpineDetection"
LIBRARY = MODULE / "CervicalSpineDetectionLib"
MODULE_SCRIPT = MODULE / "CervicalSpineDetection.py"
MODULE_UI = MODULE / "Resources" / "UI" / "CervicalSpineDetection.ui"
SLICER_REQUIREMENTS = MODULE / "Resources" / "requirements.txt"
EXTENSION_DESCRIPTION = REPOSITORY / "Resources" / "ExtensionsIndex" / "CervicalSpineDetection.json"
# Those of the index that could suit (ACCEPTED_EXTENSION_CATEGORIES in its scripts/check_description_files.py).
INDEX_CATEGORIES = {"Analysis", "Informatics", "Pipelines", "Quantification", "Radiotherapy", "Segmentation"}
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))

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
    "Results": ["dicom", "cohort"],
    "Scene": ["slicer"],
    "SliceDetector": ["slicer"],
}


def librarySources(*folders):
    """Python files of the given folders of the library, or of the whole library."""
    return sorted(path for folder in folders or ["."] for path in (LIBRARY / folder).rglob("*.py"))


def importedModules(path, fileScopeOnly=False):
    """Dotted names a file imports.

    :param fileScopeOnly: leave out what is imported only when a function runs, or for types only.
    """
    return _importsIn(ast.parse(path.read_text(encoding="utf-8")), fileScopeOnly)


def _importsIn(node, fileScopeOnly):
    modules = set()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            modules.update(alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            modules.update(f"{child.module}.{alias.name}" for alias in child.names)
        elif not (fileScopeOnly and (isinstance(child, ast.FunctionDef) or _isForTypesOnly(child))):
            modules |= _importsIn(child, fileScopeOnly)
    return modules


def _isForTypesOnly(node):
    """``if TYPE_CHECKING:``, which no running program enters."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def topLevelNames(path):
    """Names a file defines."""
    body = ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else []
    defined = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assigned = (name for node in body if isinstance(node, ast.Assign | ast.AnnAssign) for name in ast.walk(node))
    return defined | {name.id for name in assigned if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}


def packages(modules):
    return {module.split(".")[0] for module in modules}


def cmakeList(name):
    """Entries of ``set(name ...)`` in the module's CMakeLists.txt."""
    text = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")
    entries = re.search(rf"set\({name}\s+([^)]*)\)", text).group(1)
    return entries.replace("${MODULE_NAME}", "CervicalSpineDetection").split()


def moduleFiles():
    """What the module's folder holds, without what Python and CMake make or read themselves."""
    return {
        path.relative_to(MODULE).as_posix()
        for path in MODULE.rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and path.name != "CMakeLists.txt"
        and not path.name.startswith(".")
    }


def trackedFiles():
    """Files under version control."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("needs a git checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    return [path for path in map(REPOSITORY.joinpath, names.strip("\0").split("\0")) if path.is_file()]


def test_cmakeScriptsAreTheModulesPythonFiles():
    scripts = cmakeList("MODULE_PYTHON_SCRIPTS")

    assert len(scripts) == len(set(scripts))
    assert set(scripts) == {name for name in moduleFiles() if name.endswith(".py")}


def test_cmakeResourcesAreTheModulesOtherFiles():
    resources = cmakeList("MODULE_PYTHON_RESOURCES")

    assert len(resources) == len(set(resources))
    assert set(resources) == {name for name in moduleFiles() if not name.endswith(".py")}


def test_pagesNameTheSystemLibrariesThatMakeAsksFor():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    packages = re.findall(r"\blib[\w+.-]*\.so[\d.]*=(\S+)", makefile)
    pages = "".join(path.read_text("utf-8") for path in (REPOSITORY / "Resources" / "Documentation").glob("*.md"))
    installed = re.findall(r"^apt-get install (.*)", pages, re.MULTILINE)

    assert len(packages) > 10
    assert set(packages) <= set(" ".join(installed).split())


def test_cmakeProjectNameIsTheExtensionsName():
    text = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")

    assert re.findall(r"^project\((\w+)\)", text, re.MULTILINE) == ["CervicalSpineDetection"]
    assert re.findall(r"^add_subdirectory\((\w+)\)", text, re.MULTILINE) == ["CervicalSpineDetection"]


# What stands for Slicer's build: it checks what its own package file and macros need from an extension.
SLICER_CONFIG = """
if(POLICY CMP0148)
  cmake_policy(GET CMP0148 findPythonLibs)
endif()
if(findPythonLibs STREQUAL NEW)
  message(FATAL_ERROR "Slicer's external projects call find_package(PythonLibs), which CMP0148 NEW removes.")
endif()
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/Empty.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/Empty.cmake)
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR lib/qt-scripted-modules)
"""
USE_SLICER = """
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MODULE "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  foreach(file ${MODULE_SCRIPTS} ${MODULE_RESOURCES})
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
      message(FATAL_ERROR "${file} is not there")
    endif()
  endforeach()
endmacro()
"""


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")
def test_extensionIsConfiguredWithThePoliciesThatSlicersPackageFileNeeds(tmp_path):
    for name, text in {"SlicerConfig.cmake": SLICER_CONFIG, "UseSlicer.cmake": USE_SLICER, "Empty.cmake": ""}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = ["cmake", "-S", REPOSITORY, "-B", tmp_path / "build", f"-DSlicer_DIR={tmp_path}"]
    run = subprocess.run(command, capture_output=True, text=True)

    assert run.returncode == 0, run.stderr
    weights = tmp_path / "build" / "lib" / "qt-scripted-modules" / "CervicalSpineDetectionLib" / "ModelWeights"
    assert (weights / "cervical-yolov5n.safetensors").is_file()


def test_cmakeVersionsAreThoseOfTheOldestSlicer():
    """From 3.27 on a policy takes FindPythonLibs away, which Slicer's package file still needs."""
    text = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
    oldest, newest = re.search(r"^cmake_minimum_required\(VERSION ([\d.]+)\.\.\.([\d.]+) FATAL_ERROR\)", text).groups()

    assert versionParts(oldest) <= versionParts(newest) < (3, 27)


def versionParts(version):
    return tuple(map(int, version.split(".")))


# What in the code comes from which of Slicer's modules.
MODULE_SIGNS = {
    "Markups": "vtkMRMLMarkups",
    "SampleData": "import SampleData",
    "Segmentations": "vtkMRMLSegmentation",
    "SubjectHierarchy": "vtkMRMLSubjectHierarchyNode",
    "Terminologies": "vtkSlicerTerminolog",
    "Volumes": "vtkMRMLScalarVolumeNode",
}


def test_modulesWhoseClassesAreUsedAreLoadedBefore():
    text = MODULE_SCRIPT.read_text(encoding="utf-8")
    (declared,) = (
        ast.literal_eval(node.value)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "self.parent.dependencies"
    )
    code = text + "".join(path.read_text(encoding="utf-8") for path in librarySources("Panel", "Scene"))

    assert set(declared) == {name for name, sign in MODULE_SIGNS.items() if sign in code}


def test_cmakeCopiesTheWeightsToWhereTheInstalledPackageHasThem():
    wheelSources = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["sources"]
    text = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")
    copied = re.search(r"file\(COPY \S+_SOURCE_DIR\}/(\S+)/\s+DESTINATION \S+_LIB_DIR\}/(\S+)", text).groups()

    assert wheelSources[copied[0]] == copied[1].replace("${MODULE_NAME}", "CervicalSpineDetection")


def test_licenceLiesAtTheRoot():
    text = (REPOSITORY / "LICENSE.txt").read_text(encoding="utf-8")

    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text


def test_repositoryIsSmallEnoughForTheExtensionIndex():
    megabytes = {path: path.stat().st_size / 1e6 for path in trackedFiles()}

    assert [str(path) for path, size in megabytes.items() if size > 20] == []
    assert sum(megabytes.values()) < 100


def test_versionIsWrittenOnce():
    (version,) = re.findall(r'^__version__ = "([\d.]+)"$', (LIBRARY / "__init__.py").read_text("utf-8"), re.MULTILINE)

    assert "version" not in PYPROJECT["project"] and PYPROJECT["project"]["dynamic"] == ["version"]
    assert REPOSITORY / PYPROJECT["tool"]["hatch"]["version"]["path"] == LIBRARY / "__init__.py"
    assert f'"{version}"' not in (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")


def test_roomsImportRoomsBelowThemOnly():
    """The contracts stand in pyproject.toml; they hold for imports within functions too."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(MODULE), *filter(None, sys.path)])}
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True)

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


def filesLoadedWithTheModule():
    """The module's file and the library's files that are imported with it."""
    files, found = [MODULE_SCRIPT], []
    while files:
        found.append(files.pop())
        for name in importedModules(found[-1], fileScopeOnly=True):
            parts = name.split(".")[:-1]
            for path in (MODULE.joinpath(*parts).with_suffix(".py"), MODULE.joinpath(*parts, "__init__.py")):
                if parts and path.is_file() and path not in found + files:
                    files.append(path)
    return found


def test_moduleLoadsInABareSlicer():
    files = filesLoadedWithTheModule()
    atLoad = packages(module for path in files for module in importedModules(path, fileScopeOnly=True))

    assert LIBRARY / "Panel" / "ModuleWidget.py" in files
    assert atLoad <= {"slicer", "vtk", "qt", "ctk", "CervicalSpineDetectionLib"} | set(sys.stdlib_module_names)


def test_whatTheModuleImportsFromTheLibraryIsThere():
    imports = [
        (LIBRARY.parent.joinpath(*node.module.split(".")).with_suffix(".py"), alias.name)
        for source in [MODULE_SCRIPT, *librarySources("Panel")]
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module.startswith("CervicalSpineDetectionLib.")
        for alias in node.names
    ]

    assert imports and [(path.name, name) for path, name in imports if name not in topLevelNames(path)] == []


def test_widgetsTheModuleUsesAreInItsUiFile():
    widgets = {widget.get("name") for widget in ElementTree.parse(MODULE_UI).iter("widget")}
    sources = [MODULE_SCRIPT, *librarySources("Panel")]
    used = {
        node.attr
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and _isNamedUi(node.value)
    }

    assert used and used <= widgets


def _isNamedUi(node):
    return isinstance(node, ast.Attribute) and node.attr == "ui" or isinstance(node, ast.Name) and node.id == "ui"


def test_parametersTheUiFileConnectsAreInTheParameterNode():
    connected = {
        property.findtext("string")
        for property in ElementTree.parse(MODULE_UI).iter("property")
        if property.get("name") == "SlicerParameterName"
    }
    (parameterNode,) = (
        node
        for path in librarySources("Panel")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and node.name == "CervicalSpineDetectionParameterNode"
    )

    # The weights are chosen in a box whose entries depend on the machine.
    assert connected | {"weights"} == {node.target.id for node in parameterNode.body if isinstance(node, ast.AnnAssign)}


def test_selfTestIsRegistered():
    text = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")

    assert "slicer_add_python_unittest(SCRIPT ${MODULE_NAME}.py)" in text


def test_descriptionFileHasWhatTheExtensionIndexDemands():
    """The keys and values of Slicer's schema slicer-extension-catalog-entry-schema-v1.0.1."""
    description = json.loads(EXTENSION_DESCRIPTION.read_text(encoding="utf-8"))

    assert description.keys() <= {"$schema", "build_dependencies", "build_subdirectory", "category", "enabled",
                                  "scm_revision", "scm_type", "scm_url", "tier"}
    assert {"$schema", "category", "scm_url"} <= description.keys()
    assert re.search(r"/Slicer/Slicer/\S+/slicer-extension-catalog-entry-schema-v\d", description["$schema"])
    assert description["category"] in INDEX_CATEGORIES
    assert description["tier"] in range(1, 6)


def test_descriptionFileAndCmakeSayTheSame():
    description = json.loads(EXTENSION_DESCRIPTION.read_text(encoding="utf-8"))

    assert EXTENSION_DESCRIPTION.stem == "CervicalSpineDetection"
    assert description["category"] == extensionVariable("CATEGORY")
    assert description["build_dependencies"] == extensionVariable("DEPENDS").split()
    assert description["scm_url"] == extensionVariable("HOMEPAGE") + ".git"


def test_theAccountIsSetByOneCommand(tmp_path):
    files = ["CMakeLists.txt", "Resources/ExtensionsIndex/CervicalSpineDetection.json"]
    for name in ["Makefile", *files]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)

    subprocess.run(["make", "account", "ACCOUNT=somebody"], cwd=tmp_path, check=True, capture_output=True)

    for name in files:
        before, after = ((folder / name).read_text(encoding="utf-8") for folder in (REPOSITORY, tmp_path))
        assert after == before.replace("OWNER/", "somebody/") and "somebody/SlicerCervical" in after
    assert sorted(path.name for path in tmp_path.iterdir()) == ["CMakeLists.txt", "Makefile", "Resources"]


def test_repositoryNameSuitsTheExtensionIndex():
    """It is to contain "slicer", and to be reached by git or https."""
    url = urlsplit(json.loads(EXTENSION_DESCRIPTION.read_text(encoding="utf-8"))["scm_url"])

    assert url.scheme in ("git", "https")
    assert "slicer" in Path(url.path).stem.lower()


def test_iconAndScreenshotsOfTheExtensionAreImagesOfThisRepository():
    repository = extensionVariable("HOMEPAGE").removeprefix("https://github.com/")
    prefix = f"https://raw.githubusercontent.com/{repository}/main/"
    urls = [extensionVariable("ICONURL"), *extensionVariable("SCREENSHOTURLS").split()]

    assert len(urls) > 1
    for url in urls:
        assert url.startswith(prefix)
        assert (REPOSITORY / url.removeprefix(prefix)).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_descriptionOfTheExtensionIsShortAndCallsItResearch():
    description = extensionVariable("DESCRIPTION")

    assert len(description) < 300 and "research use only" in description


def extensionVariable(name):
    """Value of ``set(EXTENSION_name "...")`` in the root's CMakeLists.txt."""
    text = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
    return re.search(rf'^set\(EXTENSION_{name} "([^"]*)"\)', text, re.MULTILINE).group(1)


@pytest.mark.parametrize("page", sorted(
    path.relative_to(REPOSITORY).as_posix()
    for folder in (".", ".github", "Testing", "model_weights", "Resources/Documentation")
    for path in (REPOSITORY / folder).glob("*.md")))
def test_testsThatPagesNameAreThere(page):
    sources = [path for path in (REPOSITORY / "Testing").rglob("*.py")]
    defined = {name for path in sources for name in topLevelNames(path)} | {path.stem for path in sources}
    named = re.findall(r"\btest_\w+", (REPOSITORY / page).read_text(encoding="utf-8"))

    assert sorted(set(named) - defined) == []


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
