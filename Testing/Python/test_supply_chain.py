"""Every dependency is justified, and what names a version names the same one."""

import re
from pathlib import Path

from CervicalSpineDetectionLib import __version__

try:
    import tomllib
except ImportError:  # Python 3.10, where pytest brings tomli
    import tomli as tomllib

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = [
    re.fullmatch(r"([\w-]+)(.*)", requirement).groups()
    for requirement in sum(PROJECT["optional-dependencies"].values(), PROJECT["dependencies"])
    if not requirement.startswith(PROJECT["name"])
]


def github(name):
    return (REPOSITORY / ".github" / name).read_text(encoding="utf-8")


def test_dependenciesHaveNoUpperBound():
    assert not [package for package, versions in REQUIREMENTS if re.search(r"==|<|~=", versions)]


def test_citationAndChangesNameTheVersion():
    assert f"version: {__version__}\n" in (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(__version__)}\b", github("CHANGELOG.md"), re.MULTILINE)
