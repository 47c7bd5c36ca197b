"""Pictures of a terminal for the pages: each command is run as a user runs it, and what the terminal shows at its end
is drawn. ``python Testing/terminalPictures.py --ct CT --cts FOLDER --folder EMPTY_FOLDER`` (POSIX).

The CTs are linked into the folder, so that the pictures show short names. Nothing in them is written by hand.
"""

import argparse
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

COLUMNS = 100
SCREENSHOTS = Path(__file__).resolve().parents[1] / "Resources" / "Screenshots"
COMMANDS = {
    "terminal-detect.svg": "cervical-spine detect neck.nii.gz -o output/neck",
    "terminal-cohort.svg": "cervical-spine cohort cts -o results",
    "terminal-train.svg": "cervical-spine train --dataset runs/set --initial cervical-yolov5n -o runs/mine --epochs 2",
}
BEFORE = "cervical-spine dataset --phantoms 6 --first-seed 400000 -o runs/set"  # what train needs
FONT_FACE = re.compile(r"@font-face \{.*?\}", re.DOTALL)


def shown(output: str) -> list[str]:
    """The lines that a terminal shows after it was sent a text: carriage returns overwrite, as bars do."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.", output, re.DOTALL):
        if part == "\r":
            column = 0
        elif part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[A":
            row = max(row - 1, 0)
        elif part == "\x1b[K":
            lines[row] = lines[row][:column]
        elif part.isprintable():
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


def runOnTerminal(command: str, folder: Path) -> str:
    """All that a command sends to a terminal of ``COLUMNS`` columns.

    :raises RuntimeError: it failed.
    """
    own, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (40, COLUMNS))
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm",
                   "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    process = subprocess.Popen(command.split(), cwd=folder, env=environment, stdin=terminal, stdout=terminal,
                               stderr=terminal)
    os.close(terminal)
    parts = []
    while True:
        try:
            part = os.read(own, 65536)
        except OSError:  # Linux says so where the other end is closed
            break
        if not part:
            break
        parts.append(part)
    text = b"".join(parts).decode()
    if process.wait():
        raise RuntimeError(f"{command} failed:\n{text}")
    return text


def draw(path: Path, command: str, lines: list[str]) -> None:
    """The lines below their command, as SVG; nothing in it is loaded from elsewhere."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"), legacy_windows=False)
    console.print(Text("$ ", style="bold green") + Text(command, style="bold"))
    for line in lines:
        console.print(Text(line), soft_wrap=False)
    drawn = FONT_FACE.sub("", console.export_svg(title=" ".join(command.split()[:2]), theme=MONOKAI,
                                                 unique_id=path.stem))
    drawn = drawn.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace")
    path.write_text(re.sub(r"[ \t]+$", "", drawn, flags=re.MULTILINE), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ct", required=True, type=Path)
    parser.add_argument("--cts", required=True, type=Path)
    parser.add_argument("--folder", required=True, type=Path, help="empty folder to run in, named in the pictures")
    parser.add_argument("--only", choices=COMMANDS, help="one picture alone")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, target in (("neck.nii.gz", arguments.ct), ("cts", arguments.cts)):
        if not (arguments.folder / name).exists():
            (arguments.folder / name).symlink_to(target.resolve())
    if not (arguments.folder / "runs" / "set").exists():
        runOnTerminal(BEFORE, arguments.folder)
    for name, command in COMMANDS.items():
        if arguments.only in (None, name):
            draw(SCREENSHOTS / name, command, shown(runOnTerminal(command, arguments.folder)))


if __name__ == "__main__":
    main()
