"""Turn a public data set of labelled spine CTs into slices and boxes to train and evaluate on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from CervicalSpineDetectionLib.CommandLine.SharedOptions import CUT_FOR_HELP, positive
from CervicalSpineDetectionLib.Errors import InputError

if TYPE_CHECKING:
    from CervicalSpineDetectionLib.Truth.DataSets.DataSetCase import Source

LABEL_MAP = "labelmap"
# As ``Registry.SOURCES``; not imported from there, for SimpleITK takes a while to load.
FORMATS = ("verse", "ctspine1k", "rsna2022", "totalsegmentator", LABEL_MAP)
LISTED_REASONS = 10
MAPPING_HELP = """
The mapping file of --format labelmap is JSON:

    {
      "title": "...", "licence": "...", "citation": "...", "address": "...",
      "ct": "images/{case}.nii.gz", "labels": "masks/{case}_mask.nrrd",
      "numbers": {"1": "C1", "2": "C2", "20": ""},
      "patient": "(P[0-9]+)_"
    }

ct and labels are relative to the folder; {case} stands for any name. numbers gives every number in the
labels its level, or "" for what is none from C1 to T4. patient, a regular expression whose group is the patient
within the case's name, may be left out where each case is another patient.
"""

EXAMPLES = """
cervical-spine import --format verse --input VERSE -o runs/verse
cervical-spine import --format labelmap --mapping mapping.json --input DIR -o runs/mine
"""


def addArguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", required=True, choices=FORMATS, help="the data set")
    parser.add_argument("--input", required=True, metavar="DIR", help="its folder, unpacked as published")
    parser.add_argument("-o", "--output", required=True, metavar="DIR",
                        help="folder of the new data set; CTs done stay done")
    parser.add_argument("--mapping", metavar="FILE", help=f"how the files are laid out, for --format {LABEL_MAP}")
    parser.add_argument("--slices", type=positive, default=26, metavar="N", help="slices of one CT (default 26)")
    parser.add_argument("--weights", metavar="FILE_OR_NAME", help=CUT_FOR_HELP)
    parser.add_argument("--workers", type=positive, default=1, metavar="N",
                        help="processes (default 1; each holds a CT)")
    parser.epilog = MAPPING_HELP


def run(arguments: argparse.Namespace) -> int:
    """:return: exit status. :raises InputError: the data set, or the output folder, can't be used."""
    source = _source(arguments)
    folder, output = Path(arguments.input), Path(arguments.output)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give the one with the unpacked data set.")
    from CervicalSpineDetectionLib.Training.Dataset import geometryOf
    from CervicalSpineDetectionLib.Training.ImportedDataset import (
        CASES,
        HELD_OUT,
        PICTURE,
        SPLITS,
        finish,
        importDataset,
    )

    geometry = geometryOf(arguments.weights)
    cases = source.cases(folder)
    print(f"{source.title}: {len(cases)} CTs\nLicense: {source.licence}\nPlease cite: {source.citation}", flush=True)
    imported = importDataset(source, cases, output, geometry, arguments.slices, arguments.workers)
    for name, reason in list(imported.skipped.items())[:LISTED_REASONS]:
        print(f"Skipped {name}: {reason}")
    if len(imported.skipped) > LISTED_REASONS:
        print(f"Skipped {len(imported.skipped) - LISTED_REASONS} more, see {output / CASES}.")
    finish(source, cases, imported, output, geometry)
    slices = {split: imported.slices(split) for split in SPLITS}
    print(f"{len(imported.used)} CTs, {sum(slices.values())} slices: {slices}; {len(imported.skipped)} skipped.\n"
          f"Look at {output / PICTURE}: are the boxes on the vertebrae, and C1 at the top?\n"
          f"CTs to evaluate on: {output / HELD_OUT}/val and test")
    lacking = [split for split in SPLITS if not imported.patients(split)]
    if lacking:
        print(f"Note: no CT falls to {' and '.join(lacking)}: there are too few patients, or the data set's own split "
              "has none.")
    return 0


def _source(arguments: argparse.Namespace) -> Source:
    from CervicalSpineDetectionLib.Truth.DataSets.LabelMap import LabelMap
    from CervicalSpineDetectionLib.Truth.DataSets.Registry import SOURCES

    if arguments.format != LABEL_MAP:
        return SOURCES[arguments.format]()
    if not arguments.mapping:
        raise InputError(f"--format {LABEL_MAP} needs --mapping FILE, which says how the files are laid out.")
    return LabelMap(arguments.mapping)
