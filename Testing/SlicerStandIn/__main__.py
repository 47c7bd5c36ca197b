"""Preview window: ``python -m SlicerStandIn [CT] [--screenshots FOLDER [--review RESULTS]]``."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

OPEN_A_WINDOW = "from PySide6.QtGui import QGuiApplication; QGuiApplication([])"
NO_DISPLAY = ("The preview window needs a desktop, and this session has none (DISPLAY is not set): start it from a "
              "desktop, through ssh -X, or with xvfb-run; --screenshots FOLDER writes pictures without one.")
NO_WINDOW = "The preview window can't be opened here ({reason}): start it from a desktop on which other windows open."


def whyNoWindow():
    """Qt ends the process where it finds no desktop, and then talks of reinstalling.

    :return: a sentence for the user, or None.
    """
    if sys.platform == "linux" and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))):
        return NO_DISPLAY
    run = subprocess.run([sys.executable, "-c", OPEN_A_WINDOW], capture_output=True, text=True)
    if run.returncode == 0:
        return None
    # What follows the first line are guesses.
    return NO_WINDOW.format(reason=(run.stderr.strip().splitlines() or ["Qt does not say why"])[0])


def main():
    parser = argparse.ArgumentParser(prog="SlicerStandIn", description="The module's panel in a window without Slicer.")
    parser.add_argument("ct", nargs="?", help="DICOM folder or file, NRRD, NIfTI or MHA; the made sample if not given")
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER",
                        help="detect, drag, shift, write a picture of the window after each, and end")
    parser.add_argument("--review", type=Path, metavar="RESULTS",
                        help="with --screenshots: instead, review the first CT of a cohort's results (it is marked as "
                             "reviewed there), and write a picture of the next")
    arguments = parser.parse_args()
    if arguments.review and not arguments.screenshots:
        parser.error("--review goes with --screenshots FOLDER.")
    if arguments.screenshots:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    reason = whyNoWindow()
    if reason:
        sys.exit(reason)
    from SlicerStandIn.Application import start

    application = start()
    from SlicerStandIn.PreviewWindow import LARGEST_SIZE, PreviewWindow

    application._testing = bool(arguments.screenshots)
    window = PreviewWindow()
    if arguments.screenshots:
        # Not bounded by the screen, which is none.
        window.resizeTo(LARGEST_SIZE)
    window.show()
    if arguments.review:
        from SlicerStandIn.Screenshots import takeReview

        takeReview(window, arguments.review, arguments.screenshots)
        window.close()
        return
    if arguments.ct:
        window.openCt(arguments.ct)
    else:
        window.openSample()
    if arguments.screenshots:
        from SlicerStandIn.PreviewWindow import waitFor
        from SlicerStandIn.Screenshots import takeScreenshots

        waitFor(lambda: not window.sample.isBeingMade, 600)
        takeScreenshots(window, arguments.screenshots)
        window.close()
    else:
        application.exec()


if __name__ == "__main__":
    main()
