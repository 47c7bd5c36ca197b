"""The data sets that can be imported, by the name used on the command line."""

from __future__ import annotations

import importlib
from typing import Any

# Name -> its file in this folder and the class in it, a DataSetCase.Source; label maps described by a mapping file come
# beside them (``LabelMap``).
SOURCES = {"verse": "VerSe", "ctspine1k": "CtSpine1K", "rsna2022": "Rsna2022", "totalsegmentator": "TotalSegmentator"}


def findSource(name: str) -> Any:
    """The DataSetCase.Source of a name in ``SOURCES``."""
    return getattr(importlib.import_module(f"{__package__}.{SOURCES[name]}"), SOURCES[name])()
