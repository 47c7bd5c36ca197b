"""One HTML page of a cohort's pictures, the most doubtful first."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from CervicalSpineDetectionLib.AtomicFiles import atomicFile
from CervicalSpineDetectionLib.Cohort.Doubt import doubtOf, isDoubtful, lowestConfidence, reasonsOf
from CervicalSpineDetectionLib.Cohort.ResultFolders import FAILED, LEFT_OUT, Outcome

THUMBNAIL_FILE = "thumbnail.jpg"
# A file of the result -> what its link is called.
LINKS = {"scene.mrb": "open in Slicer", "vertebrae.mrk.json": "markups", "vertebrae.json": "numbers"}
PICTURE = "preview.png"

# The digest that scans' folders end with, which no person needs to read.
DIGEST = re.compile(r"-[0-9a-f]{8,}$")
# The page's own script, the only one that the page allows: by its hash. Texts of scans never get into it.
SCRIPT = (Path(__file__).with_name("page.js")).read_text(encoding="utf-8")
TEMPLATE = (Path(__file__).with_name("page.html")).read_text(encoding="utf-8")


def writePage(path: str | Path, outcomes: Sequence[Outcome], scans: Path) -> None:
    """Write the page, whole or not at all.

    :param path: of the HTML file.
    :param outcomes: list of ResultFolders.Outcome.
    :param scans: Path of the folder of the scans' folders, in or below the page's own.
    """
    path = Path(path)
    seen = sorted((outcome for outcome in outcomes if outcome.result), key=lambda o: (-doubtOf(o.result), o.name))
    prefix = scans.relative_to(path.parent).as_posix()
    tables = [(title, [outcome for outcome in outcomes if outcome.status == status])
              for title, status in (("Could not be used", FAILED), ("No CT volumes, left out", LEFT_OUT))]
    template = jinja2.Environment(autoescape=True).from_string(TEMPLATE)
    titles = _titles([outcome.name for outcome in seen])
    cards = [_card(outcome, scans / outcome.name, f"{prefix}/{outcome.name}", titles[outcome.name]) for outcome in seen]
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    text = template.render(seen=cards, tables=tables, script=SCRIPT, scriptDigest=digest)
    with atomicFile(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _titles(names: Sequence[str]) -> dict[str, str]:
    """What a person reads in place of a folder's name: without the digest where that leaves it unique."""
    short = {name: DIGEST.sub("", name) for name in names}
    counts = Counter(short.values())
    numbers: Counter[str] = Counter()
    titles = {}
    for name in sorted(names):
        own = short[name]
        if counts[own] > 1 or own == "dicom":
            numbers[own] += 1
            own = f"{'DICOM series' if own == 'dicom' else own} {numbers[own]}"
        titles[name] = own
    return titles


def _card(outcome: Outcome, folder: Path, address: str, title: str) -> dict[str, Any]:
    """What the template asks of a scan. :param address: of its folder in links."""
    result, thumbnail = outcome.result, folder / THUMBNAIL_FILE
    doubt = doubtOf(result)
    return {
        "name": outcome.name, "title": title, "doubt": f"{doubt:.3f}",
        "doubtful": isDoubtful(result),
        "reasons": reasonsOf(result), "levels": " ".join(vertebra.level for vertebra in result.vertebrae),
        "confidence": f"{lowestConfidence(result):.2f}",
        "thumbnail": base64.b64encode(thumbnail.read_bytes()).decode() if thumbnail.is_file() else None,
        "picture": f"{address}/{PICTURE}" if (folder / PICTURE).is_file() else None,
        "links": [(f"{address}/{file}", name) for file, name in LINKS.items() if (folder / file).is_file()],
    }
