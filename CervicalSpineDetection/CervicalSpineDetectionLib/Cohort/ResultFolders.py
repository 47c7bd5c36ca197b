"""One result folder a scan: there whole or not at all, made once."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from CervicalSpineDetectionLib.AtomicFiles import newFolder
from CervicalSpineDetectionLib.Cohort.Scans import Scan
from CervicalSpineDetectionLib.Errors import InputError, isShortOfMemory
from CervicalSpineDetectionLib.PrintableText import printable
from CervicalSpineDetectionLib.Results.ResultJson import readJson
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

RESULT_FILE = "vertebrae.json"
FAILURE_FILE = "failure.json"
DONE, NOTHING_FOUND, FAILED, LEFT_OUT = "done", "nothing found", "failed", "left out"
# A shorter file name, such as "12" or "CT", is no one's name, and may be a word of the sentence.
SHORTEST_HIDDEN_NAME = 4


@dataclass(frozen=True)
class Outcome:
    """What became of a scan.

    :param name: of the scan and its folder.
    :param status: ``DONE``, ``NOTHING_FOUND``, ``FAILED`` or ``LEFT_OUT``.
    :param reason: one sentence where it failed or was left out.
    :param result: DetectionResult, None where it failed or was left out.
    """

    name: str
    status: str
    reason: str = ""
    result: DetectionResult | None = None


def process(scan: Scan, folder: Path, analyse: Callable[[Scan, Path], None]) -> Outcome:
    """Make the result folder of a scan, unless it is there. Bad scans get one too, with the reason.

    :param scan: Scan.
    :param folder: existing folder; the scan's is ``folder / scan.name``.
    :param analyse: called with (scan, Path of the folder to write to); writes ``RESULT_FILE`` and whatever else.
    :return: Outcome.
    :raises OSError: the results can't be written.
    """
    target = Path(folder) / scan.name
    if not target.exists():
        try:
            with newFolder(target) as temporary:
                analyse(scan, temporary)
        except InputError as error:
            writeFailure(scan, folder, str(error))
        except Exception as error:  # one scan must not cost the others
            if isShortOfMemory(error):
                writeFailure(scan, folder, "The memory is too small for this scan.")
            elif isinstance(error, OSError):
                raise
            else:
                writeFailure(scan, folder, f"Unexpected error, please report it: {type(error).__name__}: {error}")
    return outcomeOf(scan, folder)


def writeFailure(scan: Scan, folder: Path, reason: str) -> None:
    """Make the folder of a scan that can't be used."""
    with newFolder(Path(folder) / scan.name) as temporary:
        text = json.dumps({"reason": _withoutPlaces(reason, scan)}, indent=1, ensure_ascii=False)
        (temporary / FAILURE_FILE).write_text(text + "\n", encoding="utf-8")


def outcomeOf(scan: Scan, folder: Path) -> Outcome | None:
    """Outcome that is on disk, None where the scan was not looked at yet."""
    if scan.leftOut:
        return Outcome(scan.name, LEFT_OUT, scan.leftOut)
    target = Path(folder) / scan.name
    if (target / FAILURE_FILE).is_file():
        return Outcome(scan.name, FAILED, _reasonIn(target / FAILURE_FILE))
    if not target.is_dir():
        return None
    try:
        result = readJson(target / RESULT_FILE)
    except InputError:
        return Outcome(scan.name, FAILED, f"{RESULT_FILE} was changed or removed; run again with --retry-failed.")
    return Outcome(scan.name, DONE if result.vertebrae else NOTHING_FOUND, result=result)


def _reasonIn(path: Path) -> str:
    """What ``writeFailure`` wrote."""
    try:
        reason = json.loads(path.read_text(encoding="utf-8"))["reason"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        reason = None
    # A loss of power leaves such files.
    return reason if isinstance(reason, str) else f"{FAILURE_FILE} is damaged; run again with --retry-failed."


def _withoutPlaces(text: str, scan: Scan) -> str:
    """A sentence without the scan's place on the disk, whose names may be a patient's."""
    text = _asShown(text).replace(_asShown(scan.path), "the scan").replace(_asShown(scan.path.parent), "its folder")
    try:
        beside = sorted(map(_asShown, os.listdir(scan.path.parent)), key=len, reverse=True)
    except OSError:  # it is gone by now
        beside = [_asShown(scan.path.name)]
    for name in (name for name in beside if len(name) >= SHORTEST_HIDDEN_NAME):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "(a file)", text)
    return text[:1].upper() + text[1:]


def _asShown(text: str | Path) -> str:
    """A path or sentence as it stands in a reason: printable, without double spaces and line ends."""
    return " ".join(printable(str(text), kept="\n\t").split())
