"""The pages: every link leads somewhere, every command in them exists, the site builds without a warning."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk
from oracleDetector import OracleDetector

from CervicalSpineDetectionLib import Api
from CervicalSpineDetectionLib.CommandLine.Main import COMMANDS, makeParser

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = (".", ".github", "Resources/Documentation", "Testing", "model_weights")
PAGES = sorted(path for folder in FOLDERS for path in (REPOSITORY / folder).glob("*.md"))
NAMES = [page.relative_to(REPOSITORY).as_posix() for page in PAGES]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Languages of blocks, and what is done with them: our commands and make targets in "sh" are looked up, not run;
# "python" is run; "text" is nothing to run.
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


COMMAND = re.compile(r"^\s*(?:\.venv/bin/)?cervical-spine (.*)$", re.MULTILINE)


def commandsOf(page):
    """Arguments of every ``cervical-spine`` in the page's blocks, without what the shell takes."""
    text = page.read_text(encoding="utf-8")
    blocks = [block for language, block in FENCE.findall(text) if language == "sh"]
    blocks += re.findall(r"(?:^    .*\n)+", FENCE.sub("", text), re.MULTILINE)  # indented ones
    for block in blocks:
        for line in COMMAND.findall(block.replace("\\\n", " ")):
            yield shlex.split(re.split(r" [>|] ", line)[0].replace("...", ""), comments=True)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_everyCommandOfThePagesIsOneOfOurs(page, capsys):
    """Parsed by the real parser, not run: most need a CT or hours."""
    for command in commandsOf(page):
        if command[0] == "--print-completion" or "--help" in command:
            continue
        assert makeParser().parse_args(command).command == command[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_everyExampleOfTheHelpIsOneOfOurs(name, capsys):
    examples = importlib.import_module(f"CervicalSpineDetectionLib.CommandLine.{COMMANDS[name]}").EXAMPLES
    commands = [shlex.split(line.split(" > ")[0]) for line in COMMAND.findall(examples)]

    assert commands
    for command in commands:
        assert makeParser().parse_args(command).command == name == command[0]
    with pytest.raises(SystemExit):
        makeParser().parse_args([name, "--help"])
    assert examples.strip().splitlines()[0] in capsys.readouterr().out


def test_everyMakeTargetOfThePagesIsThere():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = {target for line in re.findall(r"^(\w[\w -]*):", makefile, re.MULTILINE) for target in line.split()}
    blocks = [block for page in PAGES for language, block in FENCE.findall(page.read_text("utf-8")) if language == "sh"]
    named = {word for line in re.findall(r"^make (.*)$", "\n".join(blocks), re.MULTILINE) for word in line.split()
             if "=" not in word}

    assert {"detect", "test"} <= named <= targets


def test_everyCommandOfThePagesIsRunByATestOrSaidNotToBe():
    text = (REPOSITORY / "Testing" / "README.md").read_text(encoding="utf-8")
    runBy = dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", text, re.MULTILINE))
    named = {command[0] for page in PAGES for command in commandsOf(page) if not command[0].startswith("-")}

    assert named <= runBy.keys()
    for command, by in runBy.items():
        if not by.startswith("not run"):
            source = (REPOSITORY / "Testing" / "Python" / by.strip("`")).read_text(encoding="utf-8")
            assert re.search(rf'main\(\[\s*"{command}"|= \["{command}"', source), f"{by} does not run {command}"


def test_thePythonOfThePageRuns(tmp_path, monkeypatch, capsys, neckPhantom):
    monkeypatch.setattr(Api, "_detector", lambda weights, device: OracleDetector(neckPhantom.ct, neckPhantom.labels))
    sitk.WriteImage(neckPhantom.ct, str(tmp_path / "neck.nii.gz"))
    monkeypatch.chdir(tmp_path)
    text = (REPOSITORY / "Resources" / "Documentation" / "Python.md").read_text(encoding="utf-8")
    names = {}

    for language, block in FENCE.findall(text):
        assert language == "python"
        exec(compile(block, "Python.md", "exec"), names)

    assert names["table"].level.tolist() == [vertebra.level for vertebra in names["again"].vertebrae]
    assert "C4" in capsys.readouterr().out


def test_readmeIsShort():
    """A screen and a half, so that people read it."""
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 100


def test_theTestsThatPagesNameAreThere():
    sources = {path.name: path.read_text(encoding="utf-8") for path in (REPOSITORY / "Testing").rglob("*.py")}
    defined = set(re.findall(r"^def (test_\w+)", "\n".join(sources.values()), re.MULTILINE))
    for page in (REPOSITORY / "Testing").glob("*.md"):
        named = re.findall(r"`(test_\w+)(\.py)?`", page.read_text(encoding="utf-8"))
        assert {f"{name}.py" for name, isFile in named if isFile} <= sources.keys(), page.name
        assert {name for name, isFile in named if not isFile} <= defined, page.name


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
