"""What Slicer's extension index demands of the repository and of the description file."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from repositoryFiles import EXTENSION_DESCRIPTION, REPOSITORY, trackedFiles

# Those of the index that could suit (ACCEPTED_EXTENSION_CATEGORIES in its scripts/check_description_files.py).
INDEX_CATEGORIES = {"Analysis", "Informatics", "Pipelines", "Quantification", "Radiotherapy", "Segmentation"}


def test_cmakeProjectNameIsTheExtensionsName():
    text = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")

    assert re.findall(r"^project\((\w+)\)", text, re.MULTILINE) == ["CervicalSpineDetection"]
    assert re.findall(r"^add_subdirectory\((\w+)\)", text, re.MULTILINE) == ["CervicalSpineDetection"]


def test_licenceLiesAtTheRoot():
    text = (REPOSITORY / "LICENSE.txt").read_text(encoding="utf-8")

    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text


def test_repositoryIsSmallEnoughForTheExtensionIndex():
    megabytes = {path: path.stat().st_size / 1e6 for path in trackedFiles()}

    assert [str(path) for path, size in megabytes.items() if size > 20] == []
    assert sum(megabytes.values()) < 100


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
