"""``cervical-spine``: parse, run a sub command, tell bad input in one line."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from CervicalSpineDetectionLib import Terminal, __version__
from CervicalSpineDetectionLib.CommandLine.MemoryLimit import (
    LEAST_BYTES,
    SINGLE_THREAD_VARIABLES,
    inChild,
    smallLimit,
    told,
    tooLittle,
)
from CervicalSpineDetectionLib.CommandLine.SharedOptions import outputOptions
from CervicalSpineDetectionLib.Errors import InputError, isShortOfMemory
from CervicalSpineDetectionLib.ProcessTuning import tuneProcess
from CervicalSpineDetectionLib.StandardStreams import lastingStreams

# Name of a sub command -> its file in this folder, which has EXAMPLES, addArguments(parser), run(arguments) -> exit
# code, and may name shared options (PARENTS), the file that --json prints (jsonFile(arguments)) and without how much
# memory nothing can be done (LEAST_MEMORY, bytes).
COMMANDS = {
    "detect": "Detect",
    "phantom": "MakePhantom",
    "dataset": "MakeDataset",
    "import": "ImportDataset",
    "train": "TrainDetector",
    "pretrain": "Pretrain",
    "train-edges": "TrainEdges",
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
    def error(self, message: str) -> None:
        raise InputError(f"{message}; see {self.prog} --help.")


class _HelpFormatter(argparse.HelpFormatter):
    """Fills paragraphs, and leaves those whose first line is indented as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = [paragraph for paragraph in text.split("\n\n") if paragraph.strip()]
        return "\n\n".join(paragraph.rstrip() if paragraph.lstrip("\n").startswith(" ")
                           else super(_HelpFormatter, self)._fill_text(paragraph, width, indent)
                           for paragraph in paragraphs)


class _PrintCompletion(argparse.Action):
    """Print what a shell needs to complete the command with the Tab key."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, shell: Any,
                 option_string: str | None = None) -> None:
        try:
            import shtab
        except ImportError:
            raise InputError("Shell completion needs the package shtab: pip install shtab") from None
        print(shtab.complete(parser, shell))
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sub command.

    :param argv: arguments, those of the process if None.
    :return: exit code: 0 done, 2 bad input (one line on stderr says what), 130 interrupted, or the sub command's own.
    """
    limit = smallLimit() if argv is None else None
    if limit is None:
        return _main(argv)
    for name in SINGLE_THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    if limit < LEAST_BYTES:
        sentence = tooLittle(LEAST_BYTES, limit)
    else:
        status = inChild(lambda: _main(argv, limit))
        if status is not None:
            return status
        sentence = (f"This program ended before it was done, most likely because it may use only {told(limit)}; raise "
                    "that limit.")
    with lastingStreams():
        _tell(sentence)
    return BAD_INPUT


def _main(argv: Sequence[str] | None, limit: int | None = None) -> int:
    """:param limit: bytes of memory that may be used, None where much is allowed."""
    tuneProcess()
    with lastingStreams():
        try:
            arguments = makeParser().parse_args(argv)
            command = importlib.import_module(f"{__package__}.{COMMANDS[arguments.command]}")
            least = getattr(command, "LEAST_MEMORY", 0)
            if limit is not None and limit < least:
                raise InputError(tooLittle(least, limit))
            return _run(command, arguments)
        except InputError as error:
            _tell(error)
            return BAD_INPUT
        except KeyboardInterrupt:
            _tell("stopped; earlier results are untouched.")
            return INTERRUPTED
        except Exception as error:
            if not isShortOfMemory(error):
                if limit is None or Terminal.showLibraries:
                    raise
                _tell(f"Unexpected error ({type(error).__name__}: {error}), most likely because this program may use "
                      f"only {told(limit)}; raise that limit.")
                return BAD_INPUT
        # Told out here, where what failed holds no memory any more.
        _tell("The memory that this program may use is too small; close other programs, or raise its limit.")
        return BAD_INPUT


def _tell(sentence: object) -> None:
    print("cervical-spine:", " ".join(str(sentence).split()), file=sys.stderr)


def makeParser() -> argparse.ArgumentParser:
    """Parser of all sub commands."""
    parser = _Parser(
        prog="cervical-spine", description="Detect and name the cervical vertebrae of a CT. Research use only.",
        epilog="cervical-spine COMMAND --help tells the options of a command, with examples.")
    parser.add_argument("--version", action="version", version=f"cervical-spine {__version__}")
    parser.add_argument("--print-completion", action=_PrintCompletion, choices=("bash", "zsh", "tcsh"),
                        help="print a completion script for a shell")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        command = importlib.import_module(f"{__package__}.{module}")
        parents = [parent() for parent in (*getattr(command, "PARENTS", ()), outputOptions)]
        # In the list of commands one line each.
        first = command.__doc__.split(".")[0].split(";")[0] + "."
        sub = commands.add_parser(name, help=first, description=command.__doc__, parents=parents,
                                  formatter_class=_HelpFormatter)
        command.addArguments(sub)
        examples = f"Examples:\n\n{textwrap.indent(command.EXAMPLES.strip(), '    ')}"
        sub.epilog = f"{sub.epilog}\n\n{examples}" if sub.epilog else examples
    return parser


def _run(command: ModuleType, arguments: argparse.Namespace) -> int:
    """Run with as much output as was asked for; with --json the result goes to standard output, all else elsewhere."""
    wantsJson = getattr(arguments, "json", False)
    Terminal.showLibraries = arguments.verbose
    with contextlib.ExitStack() as stack:
        if arguments.quiet:
            stack.enter_context(contextlib.redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        elif wantsJson:
            stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        status = command.run(arguments)
    if wantsJson:
        print(Path(command.jsonFile(arguments)).read_text(encoding="utf-8"), end="")
    return status
