"""The module as Slicer builds and loads it: CMake files, ui file, parameters, what it may import."""

import ast
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from repositoryFiles import (
    LIBRARY,
    MODULE,
    MODULE_SCRIPT,
    MODULE_UI,
    PYPROJECT,
    REPOSITORY,
    cmakeList,
    importedModules,
    librarySources,
    packages,
    topLevelNames,
)


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


def test_cmakeScriptsAreTheModulesPythonFiles():
    scripts = cmakeList("MODULE_PYTHON_SCRIPTS")

    assert len(scripts) == len(set(scripts))
    assert set(scripts) == {name for name in moduleFiles() if name.endswith(".py")}


def test_cmakeResourcesAreTheModulesOtherFiles():
    resources = cmakeList("MODULE_PYTHON_RESOURCES")

    assert len(resources) == len(set(resources))
    assert set(resources) == {name for name in moduleFiles() if not name.endswith(".py")}


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
