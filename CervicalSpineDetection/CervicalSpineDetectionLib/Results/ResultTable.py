"""The result as a pandas table."""

from __future__ import annotations

from typing import Any

from CervicalSpineDetectionLib.Results.ResultCsv import COLUMNS, rowsOf
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult


def toDataFrame(result: DetectionResult) -> Any:
    """One row a vertebra, with the columns of ``vertebrae.csv``: LPS, mm rounded to 0.01.

    :param result: DetectionResult.
    :return: pandas.DataFrame, empty where nothing was found.
    """
    import pandas

    return pandas.DataFrame(rowsOf(result), columns=COLUMNS)
