"""Compressed pictures are decoded in processes that may die or hang; what they say is counted."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicomFolders import EXPECTED, writeJpegSlice
from dicomSeries import SLICES, refusal, storedValues, writeFrames, writeSeries
from pydicom.uid import RLELossless

from CervicalSpineDetectionLib.Imaging import Decoders, DicomPixels
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage

SAYS = "import sys; out = sys.stdout.buffer; "
# What a process does with a picture -> its program.
CHILDREN = {
    "cannot start": "raise SystemExit(1)",
    "crashes": SAYS + "out.write(b'ready'); out.flush(); sys.stdin.readline(); import os; os.abort()",
    "hangs": SAYS + "out.write(b'ready'); out.flush(); import time; time.sleep(600)",
    "ends within the values": SAYS + "out.write(b'ready<u2' + bytes(9))",
    "says something else": SAYS + "out.write(b'ready<O8' + bytes(999))",
    "gives up": SAYS + "out.write(b'ready---'); out.flush(); sys.stdin.read()",
}


def packedSeries(folder):
    return writeSeries(folder, change=lambda _, dataset: dataset.compress(RLELossless))


@pytest.fixture
def children(monkeypatch):
    """The processes that were started; called with a program, that one is started instead of the right one."""
    started, original = [], Decoders.startModule

    def start(module, *arguments, **pipes):
        started.append(original(module, *arguments, **pipes))
        return started[-1]

    def startOther(program):
        def other(module, *arguments, **pipes):
            import subprocess

            started.append(subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL, **pipes))
            return started[-1]

        monkeypatch.setattr(Decoders, "startModule", other)

    monkeypatch.setattr(Decoders, "startModule", start)
    startOther.started = started
    return startOther


@pytest.mark.shows("Hostile", "compressed pixels that crash or hold up GDCM",
                   "decoded in processes of their own, of bounded time and memory; refused")
@pytest.mark.parametrize("case", CHILDREN)
def test_aPictureThatEndsOrHoldsUpItsDecoderCostsItselfOnly(tmp_path, monkeypatch, children, case):
    monkeypatch.setattr(Decoders, "SECONDS", 0.5)
    children(CHILDREN[case])

    assert "compressed in a way that can't be read" in refusal(packedSeries(tmp_path / "ct"))
    assert children.started and all(child.returncode is not None for child in children.started)


@pytest.mark.shows("Hostile", "compressed pixels that crash or hold up GDCM")
@pytest.mark.parametrize("case", ["crashes", "hangs", "gives up"])
@pytest.mark.parametrize("isOneFile", [False, True])
def test_afterThePictureThatFailsNoOtherIsTriedNorWaitedFor(tmp_path, monkeypatch, children, case, isOneFile):
    """Else a file of a thousand frames would hold up the program for as many times the limit of one."""
    monkeypatch.setattr(Decoders, "SECONDS", 1.0)
    path = changedFrames(tmp_path / "frames.dcm") if isOneFile else packedSeries(tmp_path / "ct")
    children(CHILDREN[case])

    began = time.monotonic()
    assert "can't be read" in refusal(path)
    assert time.monotonic() - began < 2.5
    assert len(children.started) <= max(Decoders.PROCESSES, DicomPixels.THREADS)


def test_ofPicturesAtATimeTheOneThatFailsEndsTheOthers(tmp_path, children):
    children(CHILDREN["hangs"])
    with Decoders.Decoders() as decoders, ThreadPoolExecutor(1) as pool:
        other = pool.submit(decoders.decode, b"", 80)
        while not children.started:
            time.sleep(0.01)
        children(CHILDREN["crashes"])
        assert decoders.decode(b"", 80) is None

        assert other.result(5) is None and decoders.decode(b"", 80) is None
        assert len(children.started) == 2


@pytest.mark.shows("Hostile", "compressed pixels that crash or hold up GDCM")
def test_noPictureIsDecodedInThisProcess(tmp_path, monkeypatch, children):
    def refuse(*_):
        raise AssertionError("GDCM was called")

    folder = packedSeries(tmp_path / "ct")
    for name in ("ImageFileReader", "ImageSeriesReader", "ReadImage"):
        monkeypatch.setattr(sitk, name, refuse)

    np.testing.assert_array_equal(sitk.GetArrayFromImage(readImage(folder)), EXPECTED)
    assert 1 <= len(children.started) <= Decoders.PROCESSES
    assert all(child.returncode is not None for child in children.started)


def test_whatIsNotCompressedNeedsNoProcess(tmp_path, children):
    readImage(writeSeries(tmp_path / "ct"))

    assert not children.started


@pytest.mark.parametrize(("file", "pixels"), [(None, 79), (b"no DICOM", 80)])
def test_aPictureOfAnotherSizeOrNoneIsNotTaken(tmp_path, file, pixels):
    path = tmp_path / "slice.dcm"
    writeJpegSlice(path, np.arange(80, dtype=np.uint16).reshape(10, 8), "JPEG2000")
    with Decoders.Decoders() as decoders:
        assert decoders.decode(path.read_bytes(), 80).tolist() == list(range(80))
        assert decoders.decode(file or path.read_bytes(), pixels) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_theMemoryOfADecoderIsBounded():
    import resource
    import subprocess

    from CervicalSpineDetectionLib.Imaging import __main__ as program
    from CervicalSpineDetectionLib.SafeChildren import startModule

    child = startModule(Decoders.PROGRAM, "none", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout.read(len(Decoders.READY)) == Decoders.READY
        assert resource.prlimit(child.pid, resource.RLIMIT_AS)[0] == program.MEMORY_BYTES
    finally:
        child.kill()
        child.communicate()


def inPieces(dataset, table):
    """The data of each frame in two pieces, which only a table tells apart."""
    frames = list(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=SLICES))
    pieces, starts, place = [], [], 0
    for frame in frames:
        starts.append(place)
        for piece in (frame[:64], frame[64:]):
            pieces.append(b"\xfe\xff\x00\xe0" + len(piece).to_bytes(4, "little") + piece)
            place += len(pieces[-1])
    told = b"".join(start.to_bytes(4, "little") for start in starts) if table else b""
    dataset.PixelData = b"\xfe\xff\x00\xe0" + len(told).to_bytes(4, "little") + told + b"".join(pieces)
    return dataset


def changedFrames(path, change=lambda dataset: dataset):
    dataset = pydicom.dcmread(writeFrames(path))
    dataset.compress(RLELossless)
    change(dataset).save_as(path)
    return path


@pytest.mark.parametrize("change", [lambda dataset: dataset, lambda dataset: inPieces(dataset, True)],
                         ids=["a piece each", "two pieces each"])
def test_compressedFramesAreReadEachFromItsPieces(tmp_path, change):
    read = readImage(changedFrames(tmp_path / "frames.dcm", change))

    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), [storedValues(k) - 1024.0 - k for k in range(SLICES)])


def test_framesInPiecesThatNothingTellsApartAreRefused(tmp_path):
    assert "damaged" in refusal(changedFrames(tmp_path / "frames.dcm", lambda dataset: inPieces(dataset, False)))
