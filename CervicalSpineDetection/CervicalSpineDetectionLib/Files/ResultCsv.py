"""``vertebrae.csv``: one row a vertebra, LPS mm."""

import csv
import io

COLUMNS = ("level", "confidence", "inferred", "complete", "centreX", "centreY", "centreZ",
           "minX", "minY", "minZ", "maxX", "maxY", "maxZ")


def toCsv(result):
    """A DetectionResult as CSV text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for vertebra in result.vertebrae:
        numbers = [*vertebra.centre, *vertebra.bounds.minimum, *vertebra.bounds.maximum]
        writer.writerow([vertebra.level, f"{vertebra.confidence:.4f}", int(vertebra.inferred), int(vertebra.complete),
                         *(f"{number:.2f}" for number in numbers)])
    return text.getvalue()
