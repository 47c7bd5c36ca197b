"""The page of a cohort: order, links, nothing from elsewhere; seen in a real browser where there is one."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from cohortFixtures import madeResult, madeVertebra
from PIL import Image

from CervicalSpineDetectionLib.Cohort.Page import SCRIPT, THUMBNAIL_FILE, writePage
from CervicalSpineDetectionLib.Cohort.ResultFolders import DONE, FAILED, LEFT_OUT, NOTHING_FOUND, Outcome

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
RED, BLUE = (220, 20, 20), (20, 20, 220)
INJECTED = "<script>document.title = 'taken over'</script>"


class Tags(HTMLParser):
    """All tags with their attributes, and the text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def values(self, attribute):
        return [attributes[attribute] for _, attributes in self.tags if attribute in attributes]


@pytest.fixture
def page(tmp_path):
    """Three scans with pictures, the sure one blue and first by name, one failed and one left out."""
    outcomes = [
        Outcome("a-sure", DONE, result=madeResult(madeVertebra())),
        Outcome("b-doubtful", DONE, result=madeResult(madeVertebra(inferred=True), warnings=[INJECTED])),
        Outcome("c-empty", NOTHING_FOUND, result=madeResult()),
        Outcome("d-bad", FAILED, f"Damaged {INJECTED}."),
        Outcome("e-plan", LEFT_OUT, "DICOM of modality RTPLAN, not CT."),
    ]
    for outcome, colour in zip(outcomes[:2], (BLUE, RED), strict=True):
        folder = tmp_path / "scans" / outcome.name
        folder.mkdir(parents=True)
        Image.new("RGB", (1500, 900), colour).save(folder / "preview.png")
        Image.new("RGB", (600, 360), colour).save(folder / THUMBNAIL_FILE)
        for name in ("scene.mrb", "vertebrae.json"):
            (folder / name).touch()
    writePage(tmp_path / "index.html", outcomes, tmp_path / "scans")
    return tmp_path / "index.html"


def test_theMostDoubtfulComesFirst(page):
    tags = Tags(page.read_text(encoding="utf-8"))

    articles = [attributes["id"] for tag, attributes in tags.tags if tag == "article"]
    assert articles == ["c-empty", "b-doubtful", "a-sure"]
    assert [attributes.get("class") for tag, attributes in tags.tags if tag == "article"] == [
        "doubtful", "doubtful", None]


def test_allScansAreOnThePageWithTheirReasons(page):
    text = Tags(page.read_text(encoding="utf-8")).text

    for expected in ("No cervical vertebra was found.", "C4: interpolated (not detected)", f"Damaged {INJECTED}.",
                     "RTPLAN"):
        assert expected in text


def test_linksLeadToFilesThatAreThere(page):
    links = Tags(page.read_text(encoding="utf-8")).values("href")

    # The picture itself leads to the large one.
    assert "scans/a-sure/scene.mrb" in links and "scans/b-doubtful/preview.png" in links
    assert len(links) == 6 and all((page.parent / link).is_file() for link in links)


def test_thePageIsComplete(page):
    """It can be passed on by itself, and asks nothing of any network."""
    content = page.read_text(encoding="utf-8")
    tags = Tags(content)

    assert {source.split(",")[0] for source in tags.values("src")} == {"data:image/jpeg;base64"}
    assert not re.search(r"https?:|//|url\(|@import", re.sub(r"base64,[^\"]*|sha256-[^']*", "", content))
    assert {tag for tag, _ in tags.tags} & {"link", "iframe", "object"} == set()
    # One script, its own, which knows no scan.
    (script,) = re.findall(r"<script>(.*?)</script>", content, re.DOTALL)
    assert script == SCRIPT
    assert str(page.parent) not in content


def test_titlesHaveNoDigestsAndStayApart(tmp_path):
    names = ["neck-0a1b2c3d4e", "neck-ffffffff00", "spine.v2-12345678ab", "dicom-aaaaaaaaaa", "head-ache"]
    writePage(tmp_path / "index.html", [Outcome(name, DONE, result=madeResult(madeVertebra())) for name in names],
              tmp_path / "scans")

    titles = Tags((tmp_path / "index.html").read_text(encoding="utf-8")).values("data-title")

    assert sorted(titles) == ["DICOM series 1", "head-ache", "neck 1", "neck 2", "spine.v2"]


def test_whereNothingWasFoundNoConfidenceIsTold(page):
    content = page.read_text(encoding="utf-8")

    assert content.count("lowest confidence") == 3  # the sentence on top, and the two scans with vertebrae


def test_aBrowserSortsFiltersAndRemembersWhatWasReviewed(page, browser):
    """What the page's script does, by a script beside it: the page itself would allow none."""
    content = re.sub(r"<meta http-equiv=[^>]*>", "", page.read_text(encoding="utf-8"))
    page.write_text(content.replace("</body>", """<script>
    const said = [];
    const seen = () => [...document.querySelectorAll("article:not([hidden])")].map(card => card.id).join(" ");
    document.querySelector("#b-doubtful input").click();
    said.push(seen(), document.getElementById("count").textContent);
    const choose = (id, value) => {
      document.getElementById(id).value = value; document.getElementById(id).dispatchEvent(new Event("change")); };
    choose("show", "open"); said.push(seen());
    choose("show", "all"); choose("sort", "title"); said.push(seen());
    said.push(Object.keys(JSON.parse(localStorage.getItem("reviewed:" + location.pathname))).join());
    document.title = said.join("|");
    </script></body>"""), encoding="utf-8")

    title = re.search("<title>(.*)</title>", browser("--dump-dom", page.as_uri())).group(1)

    assert title.split("|") == ["c-empty b-doubtful a-sure", "1 of 3 reviewed", "c-empty a-sure",
                                "a-sure b-doubtful c-empty", "b-doubtful"]


def test_aPageOfNothingIsAPage(tmp_path):
    writePage(tmp_path / "index.html", [], tmp_path / "scans")

    assert "0 scans" in (tmp_path / "index.html").read_text(encoding="utf-8")


@pytest.fixture
def browser(tmp_path):
    """Runs a Chromium without a window on a page; gives what it prints."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"needs a browser: none of {', '.join(BROWSERS)} is installed")

    def run(*options):
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,900",
                   f"--user-data-dir={tmp_path / 'profile'}", *options]
        return subprocess.run(command, check=True, capture_output=True, encoding="utf-8", timeout=60).stdout

    return run


def test_aBrowserShowsTheDoubtfulPictureBeforeTheSureOne(page, browser):
    picture = page.with_name("screen.png")
    browser(f"--screenshot={picture}", page.as_uri())

    screen = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    columns = [np.nonzero(abs(screen - colour).max(axis=2) < 25)[1] for colour in (RED, BLUE)]
    assert min(len(found) for found in columns) > 50_000
    assert columns[0].max() < columns[1].min()


def test_aBrowserRunsNoTextOfAScanAsScript(page, browser):
    document = browser("--dump-dom", page.as_uri())

    assert "0 of 3 reviewed" in document  # the page's own script did run
    assert "<title>Cervical spine cohort</title>" in document
    # Were the text not escaped, the page itself would still forbid scripts.
    page.write_text(page.read_text(encoding="utf-8").replace("</h1>", f"</h1>{INJECTED}"), encoding="utf-8")
    assert "<title>Cervical spine cohort</title>" in browser("--dump-dom", page.as_uri())
