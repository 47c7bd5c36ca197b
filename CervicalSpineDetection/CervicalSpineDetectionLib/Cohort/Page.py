"""One HTML page of a cohort's pictures, the most doubtful first."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

from CervicalSpineDetectionLib.AtomicFiles import atomicFile
from CervicalSpineDetectionLib.Cohort.Doubt import doubtOf, lowestConfidence, reasonsOf
from CervicalSpineDetectionLib.Cohort.ResultFolders import FAILED, LEFT_OUT

THUMBNAIL_FILE = "thumbnail.jpg"
THUMBNAIL_SIZE = (600, 360)
# A file of the result -> what its link is called.
LINKS = {"scene.mrb": "scene", "vertebrae.mrk.json": "markups", "preview.png": "large picture",
         "vertebrae.json": "numbers"}
SURE_DOUBT = 0.5

# No script, and nothing from elsewhere: the pictures are in the page itself.
HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Cervical spine cohort</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<style>
body { margin: 1.5rem; background: #14171c; color: #dfe3e8; font: 15px/1.45 system-ui, sans-serif }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(21rem, 1fr)); gap: 1rem; margin-top: 1.2rem }
article { background: #1e232a; border: 1px solid #333a44; border-top: 4px solid #009e73; border-radius: 6px;
  overflow: hidden; content-visibility: auto; contain-intrinsic-size: auto 22rem }
article.doubtful { border-top-color: #e69f00 }
article img { width: 100%; aspect-ratio: 5 / 3; object-fit: contain; display: block; background: #0f1217 }
article .none { aspect-ratio: 5 / 3; display: grid; place-items: center; color: #9aa3ae }
article div.text { padding: .5rem .8rem .8rem }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere }
ul { margin: .3rem 0; padding-left: 1.2rem } p { margin: .3rem 0 } .levels, .note { color: #9aa3ae }
a { color: #8cc8ff; margin-right: .9rem } td { padding: .15rem 1rem .15rem 0; vertical-align: top }
td:first-child { white-space: nowrap }
</style></head><body>
"""


def writePage(path, outcomes, scans):
    """Write the page, whole or not at all.

    :param path: of the HTML file.
    :param outcomes: list of ResultFolders.Outcome.
    :param scans: Path of the folder of the scans' folders, in or below the page's own.
    """
    path = Path(path)
    seen = sorted((outcome for outcome in outcomes if outcome.result), key=lambda o: (-doubtOf(o.result), o.name))
    prefix = scans.relative_to(path.parent).as_posix()
    parts = [
        HEAD, f"<h1>Cervical spine cohort: {len(seen)} scans</h1>\n",
        '<p class="note">Sorted by doubt: conflicts, levels that were not seen, then the lowest confidence. '
        "Research use only, not a medical device.</p>\n",
        "<main>\n", *(_card(outcome, scans, prefix) for outcome in seen), "</main>\n",
        _table("Could not be used", [o for o in outcomes if o.status == FAILED]),
        _table("No CT volumes, left out", [o for o in outcomes if o.status == LEFT_OUT]),
        "</body></html>\n",
    ]
    with atomicFile(path) as temporary:
        temporary.write_text("".join(parts), encoding="utf-8")


def writeThumbnail(folder):
    """A small picture for the page beside ``preview.png``, where that is."""
    from PIL import Image

    if (folder / "preview.png").is_file():
        picture = Image.open(folder / "preview.png").convert("RGB")
        picture.thumbnail(THUMBNAIL_SIZE)
        picture.save(folder / THUMBNAIL_FILE, quality=82)


def _card(outcome, scans, prefix):
    result, folder = outcome.result, scans / outcome.name
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in reasonsOf(result))
    links = "".join(f'<a href="{escape(f"{prefix}/{outcome.name}/{file}")}">{name}</a>'
                    for file, name in LINKS.items() if (folder / file).is_file())
    doubtful = ' class="doubtful"' if doubtOf(result) >= SURE_DOUBT else ""
    levels = " ".join(vertebra.level for vertebra in result.vertebrae)
    return (
        f'<article{doubtful} id="{escape(outcome.name)}">{_picture(folder)}<div class="text">'
        f"<h3>{escape(outcome.name)}</h3>"
        f'<p class="levels">{escape(levels)}; lowest confidence {lowestConfidence(result):.2f}</p>'
        f"<ul>{reasons}</ul>{links}</div></article>\n"
    )


def _picture(folder):
    if not (folder / THUMBNAIL_FILE).is_file():
        return '<div class="none">no picture</div>'
    data = base64.b64encode((folder / THUMBNAIL_FILE).read_bytes()).decode()
    return f'<img alt="preview" src="data:image/jpeg;base64,{data}">'


def _table(title, outcomes):
    if not outcomes:
        return ""
    rows = "".join(f"<tr><td>{escape(o.name)}</td><td>{escape(o.reason)}</td></tr>\n" for o in outcomes)
    return f"<h2>{title}: {len(outcomes)}</h2><table>\n{rows}</table>\n"
