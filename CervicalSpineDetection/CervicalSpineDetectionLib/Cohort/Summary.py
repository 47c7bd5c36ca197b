"""Tables of a cohort: one of its scans, one of all vertebrae."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from CervicalSpineDetectionLib.AtomicFiles import atomicFile
from CervicalSpineDetectionLib.Cohort.Doubt import conflictsOf, doubtOf, lowestConfidence, reasonsOf
from CervicalSpineDetectionLib.Cohort.ResultFolders import Outcome
from CervicalSpineDetectionLib.Results.ResultTable import COLUMNS, csvCell, rowsOf
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra

SCAN_COLUMNS = (
    "scan", "status", "doubt", "lowestConfidence", "levels", "inferred", "incomplete", "conflicts", "remarks", "model",
    "seconds",
)
VERTEBRA_COLUMNS = ("scan", *COLUMNS)


def writeSummary(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """Write ``scans.csv`` and ``vertebrae.csv``, and the same as Parquet where pyarrow is installed; each file whole or
    not at all.

    :param folder: existing folder.
    :param outcomes: list of ResultFolders.Outcome.
    """
    found = [outcome for outcome in outcomes if outcome.result]
    _write(Path(folder) / "scans", SCAN_COLUMNS, [_scanRow(outcome) for outcome in outcomes])
    _write(Path(folder) / "vertebrae", VERTEBRA_COLUMNS,
           [[outcome.name, *row] for outcome in found for row in rowsOf(outcome.result)])


def _scanRow(outcome: Outcome) -> list[object]:
    result = outcome.result
    if result is None:
        return [outcome.name, outcome.status, None, None, "", "", "", None, outcome.reason, "", None]
    return [
        outcome.name, outcome.status, round(doubtOf(result), 3), round(lowestConfidence(result), 3),
        _levels(result.vertebrae),
        _levels(vertebra for vertebra in result.vertebrae if vertebra.inferred),
        _levels(vertebra for vertebra in result.vertebrae if not vertebra.complete),
        len(conflictsOf(result)), " ".join(reasonsOf(result)), result.model.get("name", ""),
        round(sum(result.timings.values()), 2),
    ]


def _levels(vertebrae: Iterable[Vertebra]) -> str:
    return " ".join(vertebra.level for vertebra in vertebrae)


def _write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with atomicFile(path.with_suffix(".csv")) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([csvCell(value) for value in row] for row in rows)
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        path.with_suffix(".parquet").unlink(missing_ok=True)
        return
    # Without rows pyarrow would know no columns.
    table = pyarrow.table({column: [row[i] for row in rows] for i, column in enumerate(columns)})
    with atomicFile(path.with_suffix(".parquet")) as temporary:
        pyarrow.parquet.write_table(table, temporary)
