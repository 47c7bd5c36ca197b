"""The result as a table, for spreadsheets and pandas: one row a vertebra, LPS mm.

The axes of the oriented box are in the JSON only.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.PrintableText import printable
from CervicalSpineDetectionLib.Results.ResultJson import toJson
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
VECTORS = {
    "centre": lambda vertebra: vertebra["centre"],
    "min": lambda vertebra: vertebra["bounds"]["min"],
    "max": lambda vertebra: vertebra["bounds"]["max"],
    "orientedBoxCentre": lambda vertebra: vertebra["orientedBox"]["centre"],
}
# What a person made of it.
REVIEW = ["confirmed", "edited", "inserted", "locked"]
COLUMNS = (
    ["level", "confidence", "uncertain", "doubt", "inferred", "complete"]
    + [f"{name}{axis}_mm" for name in VECTORS for axis in "LPS"]
    + ["orientedBoxWidth_mm", "orientedBoxDepth_mm", "orientedBoxHeight_mm"]
    + REVIEW
)


def rowsOf(result: DetectionResult) -> list[list[object]]:
    """Values in the order of ``COLUMNS``, one list a vertebra.

    :param result: DetectionResult.
    """
    return [
        [*(vertebra[name] for name in ("level", "confidence", "uncertain", "doubt", "inferred", "complete")),
         *(number for vector in VECTORS.values() for number in vector(vertebra)), *vertebra["orientedBox"]["size"],
         *(vertebra.get("review", {}).get(name, False) for name in REVIEW)]
        for vertebra in toJson(result)["vertebrae"]
    ]


def csvCell(value: Any) -> Any:
    """A value as it may stand in a table. Spreadsheets run text that starts like a formula; an apostrophe stops that
    (OWASP, CSV injection). Control characters become escapes. Numbers stay as they are, truth values are "true" and
    "false"."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{printable(value)}" if value.startswith(FORMULA_STARTS) else printable(value)
    return value


def writeCsv(path: str | Path, result: DetectionResult) -> None:
    """:param result: DetectionResult. Columns: ``COLUMNS``."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rowsOf(result):
            writer.writerow(map(csvCell, row))


def toDataFrame(result: DetectionResult) -> Any:
    """One row a vertebra, with the columns of ``vertebrae.csv``: LPS, mm rounded to 0.01.

    :return: pandas.DataFrame, empty where nothing was found.
    :raises InputError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise InputError("A table needs the package pandas: pip install pandas") from None
    return pandas.DataFrame(rowsOf(result), columns=COLUMNS)
