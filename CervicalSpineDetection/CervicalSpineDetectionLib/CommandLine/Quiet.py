"""Libraries that print what a user can't use."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout


@contextmanager
def quietLibraries():
    """Drop what is printed within the block, by Python and by C++ libraries (ITK, VTK) alike. Errors still raise."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [(descriptor, os.dup(descriptor)) for descriptor in (1, 2)]
    try:
        with open(os.devnull, "w") as null, redirect_stdout(null), redirect_stderr(null):
            for descriptor, _ in saved:
                os.dup2(null.fileno(), descriptor)
            yield
    finally:
        for descriptor, copy in saved:
            os.dup2(copy, descriptor)
            os.close(copy)
