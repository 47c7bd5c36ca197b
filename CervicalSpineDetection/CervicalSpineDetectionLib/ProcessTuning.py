"""Settings of a process of our own that runs the network; each measured in ``Testing/Performance.md``."""

import ctypes
import os
import sys

# glibc's names of what mallopt sets (malloc.h).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 2**29
MAPPED_BYTES = 2**25  # the most that mallopt takes


def tuneProcess() -> None:
    """Make threads wait asleep and freed memory stay at hand. To be called before torch is imported; else half of it
    is lost. Not for an application of other people.
    """
    # Linux. By default threads spin long while they wait for each other, which makes the network ten times slower where
    # another program keeps one of the cores busy.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    # By default glibc gives the layers' memory back after each picture, and the system clears it again for the next.
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt:
            mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
            mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
