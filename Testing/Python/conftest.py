"""Shared by all tests."""

import contextlib
import importlib.util
import os
import pickle
import sys
from pathlib import Path

import pytest

# Of several processes each has a core to itself: threads beside that would wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

# Before VTK: triton, which torch's CUDA build loads by and by, crashes where VTK has loaded another LLVM first.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401

REPOSITORY = Path(__file__).resolve().parents[2]

if importlib.util.find_spec("CervicalSpineDetectionLib") is None:
    sys.path.insert(0, str(REPOSITORY / "CervicalSpineDetection"))

# Each holds a network, a scene and windows in 1 to 2 GB.
MOST_PROCESSES = 4


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Processes of ``pytest -n auto``: as many as there are cores to be had, a container's quota counts."""
    from CervicalSpineDetectionLib.ProcessTuning import coreCount

    return min(coreCount(), MOST_PROCESSES)


@pytest.fixture(scope="session")
def neckPhantom(tmp_path_factory):
    """``makePhantom(17)``, made once for all processes that run tests; nobody may change it."""
    from filelock import FileLock

    from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom

    own = tmp_path_factory.getbasetemp()
    path = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "neckPhantom.pickle"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            path.write_bytes(pickle.dumps(makePhantom(17)))
    return pickle.loads(path.read_bytes())


@pytest.fixture(scope="session")
def sharedData():
    """Folder of real CTs and their labels, which are not part of the repository."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the real CTs of ../shared/data, and {folder} is not there")
    return folder
