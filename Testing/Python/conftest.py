"""Shared by all tests."""

import contextlib
import importlib.util
import sys
from pathlib import Path

import pytest

# Before VTK: triton, which torch's CUDA build loads by and by, crashes where VTK has loaded another LLVM first.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401

REPOSITORY = Path(__file__).resolve().parents[2]

if importlib.util.find_spec("CervicalSpineDetectionLib") is None:
    sys.path.insert(0, str(REPOSITORY / "CervicalSpineDetection"))


@pytest.fixture(scope="session")
def neckPhantom():
    """``makePhantom(17)``, which nobody may change."""
    from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom

    return makePhantom(17)


@pytest.fixture(scope="session")
def sharedData():
    """Folder of real CTs and their labels, which are not part of the repository."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the real CTs of ../shared/data, and {folder} is not there")
    return folder
