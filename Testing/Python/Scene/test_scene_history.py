"""Undo and redo."""

from CervicalSpineDetectionLib.Scene.EditHistory import EditHistory


def test_stepsAreUndoneAndRedoneInOrder():
    history = EditHistory()
    history.record("a")
    history.record("b")

    assert history.undo("c") == "b"
    assert history.undo("b") == "a"
    assert (history.canUndo, history.canRedo) == (False, True)
    assert history.redo("a") == "b"
    assert history.redo("b") == "c"
    assert (history.canUndo, history.canRedo) == (True, False)


def test_newStepForgetsWhatWasUndone():
    history = EditHistory()
    history.record("a")
    history.undo("b")

    history.record("a")

    assert not history.canRedo


def test_oldestStepsAreForgotten():
    history = EditHistory(depth=2)
    for value in "abc":
        history.record(value)

    assert (history.undo("d"), history.undo("c"), history.canUndo) == ("c", "b", False)


def test_clearedHistoryIsEmpty():
    history = EditHistory()
    history.record("a")
    history.record("b")
    history.undo("c")

    history.clear()

    assert not history.canUndo and not history.canRedo
