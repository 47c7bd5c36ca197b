"""``cervical-spine``: parse, run a sub command, tell bad input in one line."""

import argparse
import importlib
import sys

from CervicalSpineDetectionLib import __version__
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.ProcessTuning import tuneProcess

# Name of a sub command -> its file in this folder, which has addArguments(parser), run(arguments) -> exit code, and may
# name shared options (PARENTS).
COMMANDS = {
    "detect": "Detect",
    "phantom": "MakePhantom",
    "dataset": "MakeDataset",
    "import": "ImportDataset",
    "train": "TrainDetector",
    "export": "Export",
    "calibrate": "Calibrate",
    "evaluate": "Evaluate",
    "benchmark": "Benchmark",
    "cohort": "Cohort",
    "corrections": "CorrectionsToDataset",
}
BAD_INPUT = 2
INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise InputError(f"{message}; see {self.prog} --help.")


def main(argv=None):
    """Run a sub command.

    :param argv: arguments, those of the process if None.
    :return: exit code: 0 done, 2 bad input (one line on stderr says what), 130 interrupted, or the sub command's own.
    """
    tuneProcess()
    parser = _Parser(
        prog="cervical-spine", description="Detect and name the cervical vertebrae of a CT. Research use only.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        command = importlib.import_module(f"{__package__}.{module}")
        parents = [parent() for parent in getattr(command, "PARENTS", ())]
        command.addArguments(commands.add_parser(name, help=command.__doc__, description=command.__doc__,
                                                 parents=parents))
    try:
        arguments = parser.parse_args(argv)
        return importlib.import_module(f"{__package__}.{COMMANDS[arguments.command]}").run(arguments)
    except InputError as error:
        print("cervical-spine:", " ".join(str(error).split()), file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("cervical-spine: stopped; earlier results are untouched.", file=sys.stderr)
        return INTERRUPTED
