"""Turn a public data set of labelled spine CTs into slices and boxes to train and evaluate on."""

import concurrent.futures
import json
import zlib
from functools import partial
from pathlib import Path

from CervicalSpineDetectionLib.AtomicFiles import atomicFile, atomicFolder, ensureWritable
from CervicalSpineDetectionLib.CommandLine.SharedOptions import positive
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SafeChildren import startingSafely
from CervicalSpineDetectionLib.Terminal import ProgressDisplay

LABEL_MAP = "labelmap"
SPLITS = ("train", "val", "test")
HELD_OUT = "heldout"  # folder of the CTs and label maps of val and test
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


def addArguments(parser):
    from CervicalSpineDetectionLib.Truth.DataSets.Registry import SOURCES

    parser.add_argument("--format", required=True, choices=(*SOURCES, LABEL_MAP), help="the data set")
    parser.add_argument("--input", required=True, metavar="DIR", help="its folder, unpacked as published")
    parser.add_argument("-o", "--output", required=True, metavar="DIR",
                        help="folder of the new data set; CTs done stay done")
    parser.add_argument("--mapping", metavar="FILE", help=f"how the files are laid out, for --format {LABEL_MAP}")
    parser.add_argument("--slices", type=positive, default=26, metavar="N", help="slices of one CT (default 26)")
    parser.add_argument("--workers", type=positive, default=1, metavar="N",
                        help="processes (default 1; each holds a CT)")
    parser.epilog = MAPPING_HELP


def run(arguments):
    from CervicalSpineDetectionLib.Training.Dataset import SliceGeometry
    from CervicalSpineDetectionLib.Truth.DataSets.Split import splitByPatient

    source = _source(arguments)
    folder, output = Path(arguments.input), Path(arguments.output)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give the one with the unpacked data set.")
    cases = source.cases(folder)
    print(f"{source.title}: {len(cases)} CTs\nLicense: {source.licence}\nPlease cite: {source.citation}", flush=True)
    for part in ("cases", *(f"{HELD_OUT}/{split}" for split in SPLITS[1:]),
                 *(f"{kind}/{split}" for kind in ("images", "labels") for split in SPLITS)):
        ensureWritable(output / part)
    done = _earlier(output / "cases")
    strange = done.keys() - {_fileName(case) for case in cases}
    if strange:
        raise InputError(f"{output} holds other CTs already (e.g. {min(strange)}); choose another folder.")
    # A data set is one only when it is complete.
    (output / "dataset.json").unlink(missing_ok=True)
    # Patients keep the split they had, whoever comes later.
    splits = splitByPatient(cases) | {outcome["patient"]: outcome["split"] for outcome in done.values()}
    # The same CT may come in two years' releases.
    cases = list({_fileName(case): case for case in reversed(cases)}.values())[::-1]
    jobs = [partial(_import, source, case, splits[case.patient], output, SliceGeometry(), arguments.slices)
            for case in cases if _fileName(case) not in done]
    with concurrent.futures.ProcessPoolExecutor(arguments.workers) as pool:
        with startingSafely():
            outcomes = pool.map(_call, jobs) if arguments.workers > 1 else map(_call, jobs)
        progress = ProgressDisplay("CTs", lines=19)
        for name, outcome in progress.over(outcomes, "Importing", len(jobs)):
            done[name] = outcome
            progress.say(f"{len(done)} of {len(cases)} {name}: " + (
                outcome["reason"] or f"{outcome['slices']} slices, {outcome['split']}, {' '.join(outcome['levels'])}"))
    return _finish(source, cases, done, output, SliceGeometry())


def _earlier(folder):
    """Outcomes of an earlier run; what was skipped gets another chance."""
    outcomes = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    return {name: outcome for name, outcome in outcomes.items() if not outcome["reason"]}


def _source(arguments):
    from CervicalSpineDetectionLib.Truth.DataSets.LabelMap import LabelMap
    from CervicalSpineDetectionLib.Truth.DataSets.Registry import findSource

    if arguments.format != LABEL_MAP:
        return findSource(arguments.format)
    if not arguments.mapping:
        raise InputError(f"--format {LABEL_MAP} needs --mapping FILE, which says how the files are laid out.")
    return LabelMap(arguments.mapping)


def _read(source, case):
    """:return: (CT in HU, labels on its grid, notes). :raises InputError: the case can't be used."""
    from CervicalSpineDetectionLib.Imaging.ReadImage import readImageWithWarnings
    from CervicalSpineDetectionLib.Truth.Masks import checkLevels, placedOn

    # The labels first: most CTs of the spine show no neck.
    labels = source.labels(case)
    checkLevels(labels)
    read = readImageWithWarnings(case.ct)
    labels, notes = placedOn(read.image, labels, source.headersAgree)
    return read.image, labels, notes + read.warnings


def _import(source, case, split, output, geometry, count):
    """Write one case's slices, its CT and labels if it is held out, then its outcome; the same case gives the same.

    :return: (file name, outcome).
    """
    import numpy as np
    import SimpleITK as sitk

    from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS
    from CervicalSpineDetectionLib.Training.Dataset import writeSlices

    name = _fileName(case)
    outcome = {"patient": case.patient, "split": split, "slices": 0, "levels": [], "notes": [], "reason": ""}
    try:
        ct, labels, outcome["notes"] = _read(source, case)
        random = np.random.default_rng(zlib.crc32(name.encode()))
        outcome["slices"] = writeSlices(output, split, name, ct, labels, geometry, random, count)
        if split != "train":
            # As ``evaluate --cases`` reads them.
            whole = sitk.Cast(sitk.Round(sitk.Cast(ct, sitk.sitkFloat32)), sitk.sitkInt16)
            for image, suffix in ((whole, ""), (labels, "_labels")):
                sitk.WriteImage(image, str(output / HELD_OUT / split / f"{name}{suffix}.nii.gz"), useCompression=True)
        outcome["levels"] = [SPINE_LEVELS[code - 1] for code in np.unique(sitk.GetArrayViewFromImage(labels)) if code]
    except InputError as error:
        outcome["reason"] = str(error)
    with atomicFile(output / "cases" / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(outcome, indent=1), encoding="utf-8")
    return name, outcome


def _finish(source, cases, done, output, geometry):
    """The card and the picture, or word that nothing came of it."""
    from CervicalSpineDetectionLib.Training.Dataset import writeDescription
    from CervicalSpineDetectionLib.Truth.DataSets.FirstCase import drawCase

    used = {name: outcome for name, outcome in done.items() if not outcome["reason"]}
    skipped = {name: outcome["reason"] for name, outcome in done.items() if outcome["reason"]}
    for name, reason in list(skipped.items())[:LISTED_REASONS]:
        print(f"Skipped {name}: {reason}")
    if len(skipped) > LISTED_REASONS:
        print(f"Skipped {len(skipped) - LISTED_REASONS} more, see {output / 'cases'}.")
    if not used:
        raise InputError(f"None of {len(done)} CTs could be used; the first was skipped because: "
                         f"{next(iter(skipped.values()))}")
    first = next(case for case in cases if _fileName(case) in used)
    ct, labels, _ = _read(source, first)
    note = {
        "sources": [{"name": source.title, "licence": source.licence, "source": source.address,
                     "citation": source.citation}],
        "patients": {split: len({o["patient"] for o in used.values() if o["split"] == split}) for split in SPLITS},
        "slices": {split: sum(o["slices"] for o in used.values() if o["split"] == split) for split in SPLITS},
        "cases": {name: {key: outcome[key] for key in ("split", "slices", "levels", "notes")}
                  for name, outcome in used.items()},
        "skipped": skipped,
    }
    with atomicFolder(output, ("first_case.png", "dataset.json")) as folder:
        drawCase(ct, labels, geometry, _fileName(first)).save(folder / "first_case.png")
        writeDescription(folder, geometry, note)
    print(f"{len(used)} CTs, {sum(note['slices'].values())} slices: {note['slices']}; {len(skipped)} skipped.\n"
          f"Look at {output / 'first_case.png'}: are the boxes on the vertebrae, and C1 at the top?\n"
          f"CTs to evaluate on: {output / HELD_OUT}/val and test")
    lacking = [split for split in SPLITS if not note["patients"][split]]
    if lacking:
        print(f"Note: no CT falls to {' and '.join(lacking)}: there are too few patients, or the data set's own split "
              "has none.")
    return 0


def _fileName(case):
    return case.name.replace("/", "_")


def _call(job):
    return job()
