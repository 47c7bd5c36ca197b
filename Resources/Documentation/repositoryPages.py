"""MkDocs hook: pages and pictures of the repository that lie outside of this folder are part of the site, under these
names. Links to them are written as they work in the repository, and are turned to the site's here.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES_FOLDER = "Resources/Documentation"
# File of the repository -> its name on the site.
PAGES = {
    "README.md": "index.md",
    "model_weights/README.md": "ModelCard.md",
    "Testing/Evaluation.md": "Evaluation.md",
    "Testing/Performance.md": "Performance.md",
    "Testing/Robustness.md": "Robustness.md",
    "Testing/README.md": "Tests.md",
    ".github/CONTRIBUTING.md": "Contributing.md",
    ".github/CHANGELOG.md": "Changes.md",
    "LICENSE.txt": "LICENSE.txt",
    "CITATION.cff": "CITATION.cff",
}
PICTURE_FOLDERS = ("Resources/Screenshots", "Resources/Icons")
LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")


def on_files(files, config):
    for source, name in _siteNames().items():
        files.append(File.generated(config, name, abs_src_path=str(REPOSITORY / source)))
    return files


def on_page_markdown(markdown, page, **_):
    names = _siteNames()
    sources = {name: source for source, name in names.items()}
    folder = posixpath.dirname(sources.get(page.file.src_uri, f"{PAGES_FOLDER}/{page.file.src_uri}"))

    def toSite(link):
        if "://" in link[2]:
            return link[0]
        target = posixpath.normpath(posixpath.join(folder, link[2]))
        name = names.get(target, posixpath.relpath(target, PAGES_FOLDER))
        return link[1] + posixpath.relpath(name, posixpath.dirname(page.file.src_uri) or ".") + link[3]

    return LINK.sub(toSite, markdown)


def _siteNames():
    pictures = (path for folder in PICTURE_FOLDERS for path in sorted((REPOSITORY / folder).iterdir()))
    return PAGES | {path.relative_to(REPOSITORY).as_posix(): f"{path.parent.name}/{path.name}" for path in pictures}
