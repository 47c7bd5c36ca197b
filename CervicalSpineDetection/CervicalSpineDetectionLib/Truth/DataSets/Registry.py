"""The data sets that can be imported, by the name used on the command line."""

from __future__ import annotations

from collections.abc import Callable

from CervicalSpineDetectionLib.Truth.DataSets.CtSpine1K import CtSpine1K
from CervicalSpineDetectionLib.Truth.DataSets.DataSetCase import Source
from CervicalSpineDetectionLib.Truth.DataSets.Rsna2022 import Rsna2022
from CervicalSpineDetectionLib.Truth.DataSets.TotalSegmentator import TotalSegmentator
from CervicalSpineDetectionLib.Truth.DataSets.VerSe import VerSe

# Label maps described by a mapping file come beside them (``LabelMap``).
SOURCES: dict[str, Callable[[], Source]] = {
    "verse": VerSe, "ctspine1k": CtSpine1K, "rsna2022": Rsna2022, "totalsegmentator": TotalSegmentator,
}
