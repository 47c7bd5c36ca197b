"""The page of what is read and refused states the limits of the code."""

import importlib
from pathlib import Path

import pytest

from CervicalSpineDetectionLib.Imaging.ImageFile import IMAGE_SUFFIXES

PAGE = Path(__file__).resolve().parents[3] / "Resources" / "Documentation" / "Reading.md"


@pytest.mark.parametrize(("module", "name", "written"), [
    ("ImageHeader", "MAXIMUM_VOXELS", (1 << 30, "2^30 voxels")),
    ("ImageHeader", "MAXIMUM_BYTES", (1 << 32, "4 GB of them")),
    ("ImageChecks", "SPACING_RANGE_MM", ((0.05, 15.0), "0.05 to 15 mm")),
    ("ImageChecks", "DIRECTION_TOLERANCE", (1e-3, "1e-3 off right angles")),
    ("ImageChecks", "MAXIMUM_HU", (1e5, "any beyond 100,000 HU")),
    ("OpenFile", "MAXIMUM_HEADER_BYTES", (1 << 20, "headers above 1 MB")),
    ("Decoders", "SECONDS", (8.0, "512 x 512, 8 s")),
    ("__main__", "MEMORY_BYTES", (4 << 30, "4 GB of memory")),
    ("DicomSeries", "MAXIMUM_FILES", (20_000, "20,000 files")),
    ("DicomSeries", "MAXIMUM_DEPTH", (6, "6 folders deep")),
    ("DicomPixels", "MAXIMUM_SIDE", (8192, "8192 pixels along a side")),
    ("DicomHeader", "MAXIMUM_SLICE_BYTES", (1 << 22, "4 MB of header")),
    ("DicomHeader", "MAXIMUM_FRAMES_BYTES", (1 << 24, "16 MB for all frames")),
    ("HeaderText", "MAXIMUM_FILES", (10_000, "10,000 data files")),
    ("VoxelData", "MAXIMUM_REST_BYTES", (1 << 24, "plus 16 MB")),
])
def test_pageStatesTheLimitsOfTheCode(module, name, written):
    value, words = written

    assert getattr(importlib.import_module(f"CervicalSpineDetectionLib.Imaging.{module}"), name) == value
    assert words in " ".join(PAGE.read_text(encoding="utf-8").split())


def test_pageNamesEveryEnding():
    text = PAGE.read_text(encoding="utf-8")

    assert all(f"`{suffix}`" in text for suffix in IMAGE_SUFFIXES)
