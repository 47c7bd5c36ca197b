"""Single files appear whole or not at all; folders are tested with the results in them."""

import pytest

from CervicalSpineDetectionLib.AtomicFiles import atomicFile, removeUnfinished


def test_theFileTakesItsPlaceWhenAllIsWritten(tmp_path):
    path = tmp_path / "figures.csv"
    path.write_text("earlier")
    with atomicFile(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "earlier" and temporary.suffix == ".csv"
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_anErrorLeavesTheEarlierFileAndNothingElse(tmp_path):
    path = tmp_path / "figures.csv"
    path.write_text("earlier")
    with pytest.raises(OSError, match="full"), atomicFile(path) as temporary:
        temporary.write_text("half of")
        raise OSError("full")
    assert path.read_text() == "earlier" and list(tmp_path.iterdir()) == [path]


def test_whatAKilledProcessLeftIsRemoved(tmp_path):
    killed = atomicFile(tmp_path / "figures.csv")
    killed.__enter__().write_text("half of")
    removeUnfinished(tmp_path)
    assert list(tmp_path.iterdir()) == []
