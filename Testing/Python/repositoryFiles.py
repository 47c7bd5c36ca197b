"""The repository's files, and what they import and define."""

import ast
import re
import subprocess
from pathlib import Path

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
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


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


def trackedFiles():
    """Files under version control."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("needs a git checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    return [path for path in map(REPOSITORY.joinpath, names.strip("\0").split("\0")) if path.is_file()]
