"""Preview window: ``python -m SlicerStandIn [CT] [--screenshots FOLDER]``."""

import argparse
import os
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(prog="SlicerStandIn", description="The module's panel in a window without Slicer.")
    parser.add_argument("ct", nargs="?", help="DICOM folder or file, NRRD, NIfTI or MHA; the made sample if not given")
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER",
                        help="detect, drag, shift, write a picture of the window after each, and end")
    arguments = parser.parse_args()
    if arguments.screenshots:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from SlicerStandIn.Application import start

    application = start()
    from SlicerStandIn.PreviewWindow import PreviewWindow

    application._testing = bool(arguments.screenshots)
    window = PreviewWindow()
    window.show()
    if arguments.ct:
        window.openCt(arguments.ct)
    else:
        window.openSample()
    if arguments.screenshots:
        from SlicerStandIn.Screenshots import takeScreenshots

        takeScreenshots(window, arguments.screenshots)
        window.close()
    else:
        application.exec()


if __name__ == "__main__":
    main()
