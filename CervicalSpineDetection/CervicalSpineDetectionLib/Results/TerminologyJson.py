"""A terminology for Slicer that lists the vertebral levels, with codes and colours.

Slicer reads such a file in its Terminologies module; segments named by it keep their codes into DICOM.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from CervicalSpineDetectionLib.Spine.Levels import LEVELS

SCHEMA = "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/schemas/segment-context-schema.json#"
NAME = "Cervical spine detection"
# As in Slicer's own terminologies.
CATEGORY_CODE = "123037004"


def terminology() -> dict[str, Any]:
    """The document, plain dicts and lists."""
    types = [
        {"CodingSchemeDesignator": "SCT", "CodeValue": level.snomedCode, "CodeMeaning": level.meaning, "cid": "7603",
         "recommendedDisplayRGBValue": list(level.colour), "3dSlicerLabel": level, "3dSlicerIntegerLabel": level.code}
        for level in LEVELS
    ]
    category = {"CodingSchemeDesignator": "SCT", "CodeValue": CATEGORY_CODE, "CodeMeaning": "Anatomical Structure",
                "showAnatomy": False, "Type": types}
    return {"SegmentationCategoryTypeContextName": NAME, "@schema": SCHEMA,
            "SegmentationCodes": {"Category": [category]}}


def writeTerminology(path: str | Path) -> None:
    Path(path).write_text(json.dumps(terminology(), indent=1) + "\n", encoding="utf-8")
