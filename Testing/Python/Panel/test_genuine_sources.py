"""The module's code against Slicer's and CTK's own sources, where they are at hand.

SLICER_SOURCE, CTK_SOURCE and EXTENSIONS_INDEX_SOURCE name checkouts of Slicer/Slicer, commontk/CTK and
Slicer/ExtensionsIndex. They are read; nothing of them is built.
"""

import ast
import json
import os
import re
from pathlib import Path
from types import ModuleType

import pytest
from genuineSources import GenuineSources
from panelCode import PanelCode, Use
from panelFixtures import application

__all__ = ["application"]

REPOSITORY = Path(__file__).resolve().parents[3]
MODULE = REPOSITORY / "CervicalSpineDetection"
LIBRARY = MODULE / "CervicalSpineDetectionLib"
PANEL_FILES = [MODULE / "CervicalSpineDetection.py", *sorted((LIBRARY / "Panel").rglob("*.py"))]
UI_FILE = MODULE / "Resources" / "UI" / "CervicalSpineDetection.ui"


def checkout(variable):
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"needs the environment variable {variable}: a checkout of those sources")
    return Path(folder)


@pytest.fixture(scope="module")
def slicerSource():
    folder = checkout("SLICER_SOURCE")
    if not (folder / "Libs").is_dir():
        pytest.skip("SLICER_SOURCE holds only Slicer's Python files")
    return folder


@pytest.fixture(scope="module")
def genuine(slicerSource):
    return GenuineSources([slicerSource, checkout("CTK_SOURCE")])


def typeOf(genuine):
    return lambda className, member: genuine[className].typeOf(member) if className in genuine else None


@pytest.fixture(scope="module")
def uses(genuine):
    return PanelCode(PANEL_FILES, UI_FILE, typeOf(genuine)).uses


def faultOf(genuine, use):
    """What the genuine class would say to a use; None where it is right."""
    # VTK's and MRML's classes are genuine in the tests, and what functions return by value is no class.
    if use.className.startswith("vtk") or use.className not in genuine:
        return None if not use.className.startswith(("ctk", "qMRML", "qSlicer")) else "no such class"
    cls = genuine[use.className]
    if use.kind == "signal":
        state = cls.signal(use.member)
        return None if state == "emitted" else f"signal {state}"
    if use.kind == "write":
        return None if cls.isWritable(use.member) else "no such property"
    # PythonQt adds these to every object.
    return None if use.member in ("connect", "disconnect") or cls.has(use.member) else "no such member"


def test_everyMemberOfSlicersWidgetsIsThereAndEverySignalIsEmitted(genuine, uses):
    faults = {f"{use.place}: {use.className}.{use.member}": faultOf(genuine, use) for use in uses}

    assert {use: fault for use, fault in faults.items() if fault} == {}


def test_theCodeIsReadAsFarAsItsClassesGo(uses):
    """Or the test above would look at nothing."""
    members = {(use.className, use.member) for use in uses}

    assert members >= {
        ("qSlicerApplication", "startupCompleted()"), ("qSlicerLayoutManager", "layoutChanged(int)"),
        ("qSlicerLayoutManager", "threeDViewCount"), ("qMRMLSliceWidget", "sliceView"),
        ("qMRMLSliceView", "interactor"), ("qMRMLThreeDView", "renderWindow"),
        ("ctkPathLineEdit", "validInputChanged(bool)"), ("ctkPathLineEdit", "Dirs"),
        ("qMRMLNodeComboBox", "nodeTypes"), ("qSlicerScriptedLoadableModule", "title"),
        ("qSlicerScriptedLoadableModuleWidget", "isEntered"), ("qMRMLWidget", "setMRMLScene"),
        ("QTimer", "timeout()"),
    }


@pytest.mark.parametrize(("use", "fault"), [
    (Use("qSlicerLayoutManager", "layoutChanged()", "signal", ""), "signal never emitted"),
    (Use("qSlicerLayoutManager", "viewsChanged(int)", "signal", ""), "signal unknown"),
    (Use("ctkPathLineEdit", "text", "read", ""), "no such member"),
    (Use("ctkPathLineEdit", "text", "write", ""), "no such property"),
    # Public in C++, but neither slot nor Q_INVOKABLE.
    (Use("qMRMLSliceWidget", "sliceViewDirection", "read", ""), "no such member"),
    (Use("ctkFancyWidget", "text", "read", ""), "no such class"),
    (Use("QTimer", "timeOut()", "signal", ""), "signal unknown"),
])
def test_wrongUsesAreFound(genuine, use, fault):
    assert faultOf(genuine, use) == fault


def standIns():
    """Classes of the stand-in for Slicer, and the genuine class of each."""
    from SlicerStandIn import Application, CtkWidgets, MrmlWidgets, Views

    for module in (CtkWidgets, MrmlWidgets):
        yield from ((cls, name) for name, cls in vars(module).items() if name.startswith(("ctk", "qMRML")))
    yield Application.Application, "qSlicerApplication"
    yield Application.ModuleManager, "qSlicerModuleManager"
    yield Application.ModulePanel, "qSlicerScriptedLoadableModuleWidget"
    yield Views.LayoutManager, "qSlicerLayoutManager"
    yield Views.SliceWidget, "qMRMLSliceWidget"
    yield Views.ThreeDWidget, "qMRMLThreeDWidget"


# What the stand-in has for tests and preview, or has from C++.
OWN_MEMBERS = {"close", "views", "staticMetaObject"}


def test_theStandInHasNothingThatTheGenuineClassesDoNotHave(application, genuine):
    looked, foreign = 0, []
    for cls, name in standIns():
        signatures = vars(cls).get("_signatures", set())
        signals = {signature.split("(")[0] for signature in signatures}
        members = {member for member in vars(cls) if not member.startswith("_") and not member.endswith("Event")}
        foreign += [f"{name}.{member}" for member in members - OWN_MEMBERS - signals if not genuine[name].has(member)]
        foreign += [f"{name}.{signature}" for signature in signatures if genuine[name].signal(signature) != "emitted"]
        looked += len(members) + len(signatures)

    assert foreign == [] and looked > 40


def functionsOf(path):
    """Parameters of the functions a Python file defines, by name; None for any."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            names = {argument.arg for argument in [*node.args.args, *node.args.kwonlyargs]}
            found[node.name] = None if node.args.kwarg else names
        elif isinstance(node, ast.ClassDef):
            found[node.name] = None
    return found


def callsOf(prefix):
    """Calls of ``prefix.name(...)`` in scene and panel: name, keywords, place."""
    for path in [*PANEL_FILES, *sorted((LIBRARY / "Scene").rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if ast.unparse(node.func.value) == prefix:
                    yield node.func.attr, {keyword.arg for keyword in node.keywords}, f"{path.name}:{node.lineno}"


@pytest.mark.parametrize(("prefix", "file", "fewest"), [
    ("slicer.util", "Base/Python/slicer/util.py", 10),
    ("SampleData.SampleDataLogic", "Modules/Scripted/SampleData/SampleData.py", 1),
    ("ScriptedLoadableModuleWidget", "Base/Python/slicer/ScriptedLoadableModule.py", 3),
])
def test_slicersPythonFunctionsAreThereWithTheirParameters(slicerSource, prefix, file, fewest):
    functions, calls = functionsOf(slicerSource / file), list(callsOf(prefix))

    assert len(calls) >= fewest
    assert [f"{place}: {name}" for name, _, place in calls if name not in functions] == []
    assert [f"{place}: {name}{keywords}" for name, keywords, place in calls
            if functions[name] is not None and not keywords <= functions[name]] == []


def test_namesImportedFromSlicersPythonModulesAreThere(slicerSource):
    base = slicerSource / "Base" / "Python" / "slicer"
    imports = []
    for path in PANEL_FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        # What may be missing is tried.
        tried = {child for node in ast.walk(tree) if isinstance(node, ast.Try) for child in ast.walk(node)}
        imports += [(node.module, alias.name) for node in ast.walk(tree)
                    if isinstance(node, ast.ImportFrom) and node not in tried and node.module.startswith("slicer.")
                    for alias in node.names]

    assert len(imports) > 5
    for module, name in imports:
        path = base / (module.split(".")[1] + ".py")
        text = "".join(file.read_text(encoding="utf-8") for file in ([path] if path.is_file() else
                       (base / module.split(".")[1]).glob("*.py")))
        assert name == "*" or re.search(rf"^(?:def|class) {name}\b|^{name}\s*=", text, re.MULTILINE), (module, name)


def test_slicersCMakeMacrosTakeWhatTheyAreGiven(slicerSource):
    text = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")
    macros = "".join(path.read_text(encoding="utf-8") for path in (slicerSource / "CMake").glob("Slicer*.cmake"))
    for macro, keywords in {"slicerMacroBuildScriptedModule": ["NAME", "SCRIPTS", "RESOURCES", "WITH_GENERIC_TESTS"],
                            "slicer_add_python_unittest": ["SCRIPT"]}.items():
        given = re.search(rf"{macro}\(([^)]*)\)", text).group(1)
        definition = re.search(rf"(?i)(?:macro|function)\({macro}\b.*?end(?:macro|function)", macros, re.DOTALL)
        assert set(keywords) <= set(given.split())
        assert all(re.search(rf"\b{keyword}\b", definition.group()) for keyword in keywords)
    # The name of the self test, to which a property is given.
    assert re.search(r"NAME py_\$\{MY_TESTNAME_PREFIX\}\$\{test_name\}", macros)


def test_extensionPassesTheIndexsOwnChecks(monkeypatch):
    """All but cloning and the topics of the repository, which need it published; its images are taken from here."""
    index = checkout("EXTENSIONS_INDEX_SOURCE")
    source = (index / "scripts" / "check_description_files.py").read_text(encoding="utf-8")
    # A function for printing needs Python 3.12.
    source = re.sub(r"^def print_categories.*?(?=^def )", "", source, flags=re.DOTALL | re.MULTILINE)
    checks = ModuleType("indexChecks")
    exec(compile(source, "check_description_files.py", "exec"), vars(checks))

    class Response:
        def __init__(self, path):
            self._path = path
            self.headers = {"Content-Type": f"image/{path.suffix[1:]}"}

        def raise_for_status(self):
            assert self._path.is_file(), self._path

        def json(self):
            return json.loads(self._path.read_text(encoding="utf-8"))

    def get(url, timeout):
        name = url.split("#")[0]
        if "/Schemas/" in name:
            return Response(index / "schemas" / Path(name).name)
        return Response(REPOSITORY / name.split("/main/")[1])

    class Requests:
        RequestException = OSError

    monkeypatch.setattr(Requests, "get", staticmethod(get), raising=False)
    monkeypatch.setattr(checks, "requests", Requests)
    path = REPOSITORY / "Resources" / "ExtensionsIndex" / "CervicalSpineDetection.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    name = path.stem
    checks.check_json_file_format(name, metadata, path)
    for check in ("check_json_schema", "check_extension_name", "check_category", "check_git_repository_name",
                  "check_scm_url_syntax"):
        getattr(checks, check)(name, metadata)
    checks.check_cmakelists_content(name, metadata, REPOSITORY)
    checks.check_license_file(name, metadata, REPOSITORY)
