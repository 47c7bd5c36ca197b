"""One HTML page of a cohort's pictures, the most doubtful first."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from CervicalSpineDetectionLib.AtomicFiles import atomicFile
from CervicalSpineDetectionLib.Cohort.Doubt import doubtOf, lowestConfidence, reasonsOf
from CervicalSpineDetectionLib.Cohort.ResultFolders import FAILED, LEFT_OUT, Outcome

THUMBNAIL_FILE = "thumbnail.jpg"
THUMBNAIL_SIZE = (600, 360)
# A file of the result -> what its link is called.
LINKS = {"scene.mrb": "scene", "vertebrae.mrk.json": "markups", "preview.png": "large picture",
         "vertebrae.json": "numbers"}
SURE_DOUBT = 0.5

# No script, and nothing from elsewhere: the pictures are in the page itself.
TEMPLATE = """<!DOCTYPE html>
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
<h1>Cervical spine cohort: {{ seen|length }} scans</h1>
<p class="note">Sorted by doubt: conflicts, levels that were not seen, then the lowest confidence. Research use only, \
not a medical device.</p>
<main>
{% for scan in seen %}
<article{% if scan.doubtful %} class="doubtful"{% endif %} id="{{ scan.name }}">
{%- if scan.picture %}<img alt="preview" src="data:image/jpeg;base64,{{ scan.picture }}">
{%- else %}<div class="none">no picture</div>{% endif -%}
<div class="text"><h3>{{ scan.name }}</h3>
<p class="levels">{{ scan.levels }}; lowest confidence {{ scan.confidence }}</p>
<ul>{% for reason in scan.reasons %}<li>{{ reason }}</li>{% endfor %}</ul>
{%- for address, name in scan.links %}<a href="{{ address }}">{{ name }}</a>{% endfor %}</div></article>
{% endfor %}
</main>
{% for title, others in tables if others %}
<h2>{{ title }}: {{ others|length }}</h2><table>
{% for other in others %}<tr><td>{{ other.name }}</td><td>{{ other.reason }}</td></tr>
{% endfor %}</table>
{% endfor %}
</body></html>
"""


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
    with atomicFile(path) as temporary:
        temporary.write_text(template.render(seen=[_card(o, scans / o.name, f"{prefix}/{o.name}") for o in seen],
                                             tables=tables), encoding="utf-8")


def writeThumbnail(folder: Path) -> None:
    """A small picture for the page beside ``preview.png``, where that is."""
    from PIL import Image

    if (folder / "preview.png").is_file():
        picture = Image.open(folder / "preview.png").convert("RGB")
        picture.thumbnail(THUMBNAIL_SIZE)
        picture.save(folder / THUMBNAIL_FILE, quality=82)


def _card(outcome: Outcome, folder: Path, address: str) -> dict[str, Any]:
    """What the template asks of a scan. :param address: of its folder in links."""
    result, thumbnail = outcome.result, folder / THUMBNAIL_FILE
    return {
        "name": outcome.name, "doubtful": doubtOf(result) >= SURE_DOUBT, "reasons": reasonsOf(result),
        "levels": " ".join(vertebra.level for vertebra in result.vertebrae),
        "confidence": f"{lowestConfidence(result):.2f}",
        "picture": base64.b64encode(thumbnail.read_bytes()).decode() if thumbnail.is_file() else None,
        "links": [(f"{address}/{file}", name) for file, name in LINKS.items() if (folder / file).is_file()],
    }
