"""How often the threads of an application wake up beside an idle worker: ``python measureIdle.py``. Linux only.

As in Slicer the main thread keeps the interpreter lock while it waits for events, and lets go of it only while a poll
runs Python. No test; it prints a figure.
"""

import argparse
import ctypes
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "CervicalSpineDetection"))

from CervicalSpineDetectionLib.Worker.WorkerClient import Ready, WorkerClient

# As ModuleLogic.IDLE_POLL_MILLISECONDS.
IDLE_POLL_SECONDS = 1.0


def wakeUps():
    """Of this process's threads so far, without the main thread."""
    total = 0
    for folder in Path("/proc/self/task").iterdir():
        if int(folder.name) != threading.main_thread().native_id:
            lines = (folder / "status").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--poll", type=float, default=IDLE_POLL_SECONDS, help="seconds between polls; 0 for none")
    arguments = parser.parse_args()
    client = WorkerClient([sys.executable, str(Path(__file__).with_name("dummyWorker.py"))])
    client.start()
    while not any([isinstance(event, Ready) for event in client.poll()]):
        time.sleep(0.05)
    # Unlike time.sleep it keeps the interpreter lock.
    hold = ctypes.PyDLL(None).usleep
    before, started = wakeUps(), time.monotonic()
    while time.monotonic() - started < arguments.seconds:
        hold(int(1e6 * min(arguments.poll or arguments.seconds, 50)))
        client.poll()
    print(f"{(wakeUps() - before) / (time.monotonic() - started):.1f} wake-ups a second")
    client.stop()


if __name__ == "__main__":
    main()
