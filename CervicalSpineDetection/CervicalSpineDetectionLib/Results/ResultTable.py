"""The result as a pandas table."""

from __future__ import annotations

from typing import Any

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Results.ResultCsv import COLUMNS, rowsOf
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult


def toDataFrame(result: DetectionResult) -> Any:
    """One row a vertebra, with the columns of ``vertebrae.csv``: LPS, mm rounded to 0.01.

    :param result: DetectionResult.
    :return: pandas.DataFrame, empty where nothing was found.
    :raises InputError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise InputError("A table needs the package pandas: pip install pandas") from None
    return pandas.DataFrame(rowsOf(result), columns=COLUMNS)
