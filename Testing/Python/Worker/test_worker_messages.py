"""What goes through the pipes of the worker."""

import dataclasses
import io

import numpy as np
import pytest
from sceneFixtures import assertSameVertebrae, madeResult

from CervicalSpineDetectionLib.Worker.Messages import (
    MAXIMUM_LINE_BYTES,
    encode,
    readMessages,
    resultFromMessage,
    resultToMessage,
    vertebraeFromMessage,
    vertebraeToMessage,
)


def throughThePipe(message):
    (back,) = readMessages(io.BytesIO(encode(message)))
    return back


def test_aResultPassesWithoutRounding():
    result = madeResult(confidence=np.float64(1 / 3), inferred=np.bool_(True), centre=np.array([1 / 3, -1e-9, 7e5]))
    result = dataclasses.replace(result, warnings=["ä"], image={"size": [1, 2, 3]}, timings={"network": 1 / 7})

    back = resultFromMessage(throughThePipe(resultToMessage(result)))

    assertSameVertebrae(back.vertebrae, result.vertebrae, millimetres=0)
    for name in ("warnings", "image", "model", "timings"):
        assert getattr(back, name) == getattr(result, name)


def test_confirmedVertebraePassWithoutRounding():
    vertebrae = madeResult(confidence=2 / 3).vertebrae

    assertSameVertebrae(vertebraeFromMessage(throughThePipe({"v": vertebraeToMessage(vertebrae)})["v"]), vertebrae, 0)


def test_notANumberIsNeverSent():
    with pytest.raises(ValueError, match="JSON"):
        encode({"centre": np.array([0.0, np.nan])})


def test_aLineThatIsTooLongIsNeitherSentNorRead():
    with pytest.raises(ValueError, match="bytes"):
        encode({"text": "x" * MAXIMUM_LINE_BYTES})
    with pytest.raises(ValueError, match="too long"):
        list(readMessages(io.BytesIO(b'"' + b"x" * MAXIMUM_LINE_BYTES + b'"\n')))


@pytest.mark.parametrize("line", [b"rubbish\n", b"[]\n", b'{"event": "hel'])
def test_whatIsNoMessageIsRefused(line):
    with pytest.raises(ValueError):
        list(readMessages(io.BytesIO(line)))
