"""``python -m CervicalSpineDetectionLib.Imaging FILE``: a process behind ``Decoders``.

Each line of its input is a number of pixels: it decodes the DICOM file that has them, and writes the kind of the values
and the values.
"""

import contextlib
import faulthandler
import os
import sys

import SimpleITK as sitk

from CervicalSpineDetectionLib.Imaging.Decoders import KINDS, READY, UNUSABLE

# More than any slice needs. The seconds are for a process whose parent was killed, and ends it no more.
MEMORY_BYTES, SECONDS = 4 << 30, 120


def decoded(path: str, pixels: int) -> bytes:
    """:return: bytes, kind and values; ``UNUSABLE`` where it can't be decoded or has another number of pixels."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(path)
    try:
        values = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError:
        return UNUSABLE
    isUsable = values.size == pixels and values.dtype.str in KINDS
    return bytes(values.dtype.str.encode() + values.tobytes()) if isUsable else UNUSABLE


def main() -> None:
    # What libraries print must not get among the values.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has none; a lower limit may be set.
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    output.write(READY)
    output.flush()
    for line in sys.stdin.buffer:
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        output.write(decoded(sys.argv[1], int(line)))
        output.flush()
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main()
