"""Throws damaged files at every reader, guided by what of its code they reach (atheris, libFuzzer's Python).

    pip install atheris
    python Testing/fuzzReaders.py --minutes 60 --output FOLDER

Each kind of file gets the same share of the time, in a process of its own that may die. What is read or refused is
right. Faults: any other error, a crash, a file that takes more than 10 s or more than 4 GB. Files that cause one are
kept in FOLDER, and so is what reached new code, for the next run. Without atheris the files are changed at random.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SECONDS_PER_FILE, MEMORY_MB, LONGEST_FILE = 10, 4096, 1 << 14
MEBIBYTE = 1 << 20


def seeds() -> dict[str, list[bytes]]:
    """Valid files by kind, which is the name they are read under."""
    sys.path.insert(0, str(HERE / "Python" / "Imaging"))
    import dicomFolders as dicom
    import pydicom
    import SimpleITK as sitk
    import test_files_images as images
    from dicomSeries import writeFrames, writeSeries
    from test_image_headers import READ
    from test_refused_headers import REFUSED

    made: dict[str, list[bytes]] = {"ct.nii": [], "ct.nii.gz": [], "ct.nrrd": [], "ct.mha": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for suffix in made:
            for isPacked in (False, True):
                sitk.WriteImage(images.madeImage(images.DIRECTIONS["oblique"]), str(folder / suffix), isPacked)
                made[suffix].append((folder / suffix).read_bytes())
        for number, make in enumerate([make for make, _ in REFUSED.values()] + list(READ.values())):
            (folder / f"{number}").mkdir()
            path = make(folder / f"{number}")
            if path.name in made and path.stat().st_size < LONGEST_FILE:
                made[path.name].append(path.read_bytes())
        plain = writeSeries(folder / "plain")
        made["slice.dcm"] = [(plain / "001.dcm").read_bytes()]
        for syntax in (pydicom.uid.ImplicitVRLittleEndian, pydicom.uid.ExplicitVRBigEndian,
                       pydicom.uid.DeflatedExplicitVRLittleEndian):
            made["slice.dcm"].append((dicom.inSyntax(writeSeries(folder / syntax), syntax) / "001.dcm").read_bytes())
        packed = writeSeries(folder / "rle", change=lambda _, dataset: dataset.compress(pydicom.uid.RLELossless))
        made["packed.dcm"] = [(packed / "001.dcm").read_bytes(), *_jpegs(folder)]
        frames = writeFrames(folder / "frames" / "frames.dcm")
        made["frames.dcm"] = [frames.read_bytes()]
        dataset = pydicom.dcmread(frames)
        dataset.compress(pydicom.uid.RLELossless)
        dataset.save_as(frames)
        made["frames.dcm"].append(frames.read_bytes())
    return made


def _jpegs(folder: Path) -> list[bytes]:
    """JPEG and JPEG 2000 of the same slice, by GDCM."""
    import dicomFolders as dicom
    import numpy as np

    paths = [folder / f"{compressor}.dcm" for compressor in ("JPEG", "JPEG2000")]
    for path in paths:
        dicom.writeJpegSlice(path, np.arange(80, dtype=np.uint16).reshape(10, 8), path.stem)
    return [path.read_bytes() for path in paths]


class Target:
    """One file, read again and again."""

    def __init__(self, kind: str, folder: Path) -> None:
        from CervicalSpineDetectionLib.Errors import InputError
        from CervicalSpineDetectionLib.Imaging import DicomFrames, DicomPixels
        from CervicalSpineDetectionLib.Imaging.Decoders import PROCESSES, Decoders
        from CervicalSpineDetectionLib.Imaging.DicomHeader import readDicomHeader
        from CervicalSpineDetectionLib.Imaging.ReadImage import readImageWithWarnings

        self.refusal, self.path = InputError, folder / kind
        self.isSlice, self.isFrames = kind in ("slice.dcm", "packed.dcm"), kind == "frames.dcm"
        self.readHeader, self.readSlices, self.read = readDicomHeader, DicomPixels.readSlices, readImageWithWarnings
        class Lasting(Decoders):
            """To start processes for every file would take most of the time."""

            def __exit__(self, *_: object) -> None:
                self._hasFailed = False

        decoders = Lasting()
        # Begun before the clock of the first file; on a busy computer they take seconds.
        decoders._idle = [decoders._another() for _ in range(PROCESSES)]
        for decoder in decoders._idle:
            decoder.decode(b"", 1)
        DicomFrames.Decoders = DicomPixels.Decoders = lambda: decoders

    def __call__(self, data: bytes) -> None:
        """:raises Exception: a fault."""
        self.path.write_bytes(data)
        try:
            if self.isSlice:
                self._readSlice()
            else:
                self.read(self.path)
        except self.refusal as refused:
            assert str(refused).endswith("."), refused
            assert "\n" not in str(refused), refused

    def _readSlice(self) -> None:
        """As one of a series, whose other slices would only take time."""
        header = self.readHeader(self.path)
        if header.holdsImage and header.statesGeometry and header.pixelOffset and header.frames == 1:
            self.readSlices([header])


def child(kind: str, corpus: Path, options: list[str]) -> None:
    """Fuzz one kind until time is up or a fault is found."""
    with tempfile.TemporaryDirectory(dir=shared if os.path.isdir(shared := "/dev/shm") else None) as name:
        try:
            import atheris
        except ImportError:
            _changeAtRandom(Target(kind, Path(name)), corpus, float(options[0].partition("=")[2]))
            return
        with atheris.instrument_imports(include=["CervicalSpineDetectionLib.Imaging"]):
            target = Target(kind, Path(name))
        atheris.Setup([sys.argv[0], str(corpus), *options], target)
        atheris.Fuzz()


def _changeAtRandom(target: Target, corpus: Path, seconds: float) -> None:
    import faulthandler

    files, count, end = [path.read_bytes() for path in corpus.iterdir()], 0, time.monotonic() + seconds
    while time.monotonic() < end:
        data = bytearray(random.choice(files))
        for _ in range(random.randint(1, 6)):
            begin, length = random.randrange(len(data) or 1), random.randint(0, 8)
            data[begin : begin + length] = random.randbytes(random.randint(0, 8))
        (corpus.parent / "last").write_bytes(data)
        faulthandler.dump_traceback_later(SECONDS_PER_FILE, exit=True)
        target(bytes(data))
        faulthandler.cancel_dump_traceback_later()
        count += 1
    print(f"stat::number_of_executed_units: {count}", file=sys.stderr)


def fuzz(kind: str, corpus: Path, faults: Path, seconds: float) -> tuple[int, int, int]:
    """:return: (files tried, faults found, highest memory in MB)."""
    tried, found, memory, end = 0, 0, 0, time.monotonic() + seconds
    while (left := int(end - time.monotonic())) > 1:
        options = [f"-max_total_time={left}", f"-timeout={SECONDS_PER_FILE}", f"-rss_limit_mb={MEMORY_MB}",
                   f"-max_len={LONGEST_FILE}", f"-artifact_prefix={faults}/{kind}-", "-print_final_stats=1"]
        run = subprocess.run([sys.executable, __file__, "--kind", kind, "--corpus", str(corpus), "--", *options],
                             capture_output=True, text=True, errors="replace")
        counts = re.findall(r"stat::number_of_executed_units:\s*(\d+)", run.stderr)
        tried += int(counts[-1]) if counts else 0
        memory = max([memory, *map(int, re.findall(r"stat::peak_rss_mb:\s*(\d+)", run.stderr))])
        if run.returncode:
            found += 1
            (faults / f"{kind}-{found}.txt").write_text(run.stderr[-20_000:])
            # Without atheris nobody else keeps it.
            with contextlib.suppress(OSError):
                (corpus.parent / "last").rename(faults / f"{kind}-{found}")
    return tried, found, memory


def main() -> int:
    """:return: 1 where a fault was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--output", type=Path, default=Path("output/fuzz"))
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("options", nargs="*", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.corpus:
        child(arguments.kind, arguments.corpus, arguments.options)
        return 0
    faults, made, total = arguments.output / "faults", seeds(), 0
    faults.mkdir(parents=True, exist_ok=True)
    for kind, files in made.items():
        corpus = arguments.output / kind / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(files):
            (corpus / f"seed{number}").write_bytes(content)
        tried, found, memory = fuzz(kind, corpus, faults, 60 * arguments.minutes / len(made))
        total += found
        print(f"{kind}: {tried} files, {found} faults, at most {memory} MB", flush=True)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
