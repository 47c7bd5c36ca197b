"""The pages: every link leads somewhere, every command in them exists, the site builds without a warning."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = (".", ".github", "Resources/Documentation", "Testing", "model_weights")
PAGES = sorted(path for folder in FOLDERS for path in (REPOSITORY / folder).glob("*.md"))
NAMES = [page.relative_to(REPOSITORY).as_posix() for page in PAGES]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Languages of blocks, and what is done with them: "sh" is looked up below, "python" is run where it is on the page "In
# Python", "text" is nothing to run.
LANGUAGES = {"sh", "python", "json", "text"}


def anchorsOf(text):
    """As GitHub and MkDocs make them of headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_everyLinkLeadsToAFileAndAHeadingOfTheRepository(page):
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        address, _, anchor = link.partition("#")
        target = (page.parent / address).resolve() if address else page
        if "://" in link:
            continue
        if not target.is_file() or (anchor and anchor not in anchorsOf(target.read_text(encoding="utf-8"))):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_everyCodeBlockSaysWhatItIs(page):
    assert {language for language, _ in FENCE.findall(page.read_text(encoding="utf-8"))} <= LANGUAGES


def test_readmeIsShort():
    """A screen and a half, so that people read it."""
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 100


def test_theSiteBuildsWithoutAWarning(tmp_path):
    if not importlib.util.find_spec("mkdocs"):
        pytest.skip('needs MkDocs: pip install ".[docs]"')
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True,
                         env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})

    assert run.returncode == 0, run.stdout + run.stderr
    for name in ("index.html", "InSlicer.html", "ModelCard.html", "Reference.html", "Screenshots/preview.png"):
        assert (tmp_path / name).is_file()
    # Nothing is loaded from elsewhere: the site works offline.
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="https?://[^"]*\.(?:css|js|woff2?)"', text)
