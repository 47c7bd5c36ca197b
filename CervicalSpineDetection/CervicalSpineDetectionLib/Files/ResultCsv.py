"""The result as a table for spreadsheets: one row a vertebra, LPS mm.

The axes of the oriented box are in the JSON only.
"""

from __future__ import annotations

import csv

from CervicalSpineDetectionLib.Files.ResultJson import toJson

VECTORS = {
    "centre": lambda vertebra: vertebra["centre"],
    "min": lambda vertebra: vertebra["bounds"]["min"],
    "max": lambda vertebra: vertebra["bounds"]["max"],
    "orientedBoxCentre": lambda vertebra: vertebra["orientedBox"]["centre"],
}
COLUMNS = (
    ["level", "confidence", "inferred", "complete"]
    + [f"{name}{axis}_mm" for name in VECTORS for axis in "LPS"]
    + ["orientedBoxWidth_mm", "orientedBoxDepth_mm", "orientedBoxHeight_mm"]
)


def rowsOf(result):
    """Values in the order of ``COLUMNS``, one list a vertebra.

    :param result: DetectionResult.
    """
    return [
        [vertebra["level"], vertebra["confidence"], vertebra["inferred"], vertebra["complete"],
         *(number for vector in VECTORS.values() for number in vector(vertebra)), *vertebra["orientedBox"]["size"]]
        for vertebra in toJson(result)["vertebrae"]
    ]


def writeCsv(path, result):
    """:param result: DetectionResult. Columns: ``COLUMNS``."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rowsOf(result):
            writer.writerow([str(value).lower() if isinstance(value, bool) else value for value in row])
