"""Every dependency is justified, and what names a version names the same one."""

import re
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(("package", "versions"), sorted(set(REQUIREMENTS)))
def test_dependencyIsJustifiedWithItsRange(package, versions):
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in github("CONTRIBUTING.md").splitlines()
            if row.startswith(f"| {package} ")]

    assert len(rows) == 1 and all(rows[0])
    assert rows[0][4].split(" ")[0] == versions


def test_dependenciesHaveNoUpperBound():
    assert not [package for package, versions in REQUIREMENTS if re.search(r"==|<|~=", versions)]


def test_citationAndChangesNameTheVersion():
    assert f"version: {__version__}\n" in (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(__version__)}\b", github("CHANGELOG.md"), re.MULTILINE)
