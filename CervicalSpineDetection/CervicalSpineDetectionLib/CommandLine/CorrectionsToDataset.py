"""Make a YOLO data set of vertebrae that a person confirmed or corrected, split by patient."""

import csv
import hashlib
import re
import secrets
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from CervicalSpineDetectionLib.AtomicFiles import ensureWritable, newFolder
from CervicalSpineDetectionLib.CommandLine.Quiet import quietLibraries
from CervicalSpineDetectionLib.Errors import InputError

SCENE_SUFFIXES = (".mrb", ".mrml")
RESULT_NAME = "vertebrae.json"
SPLITS = ("train", "val")
DIGEST_LENGTH = 12


@dataclass(frozen=True)
class Source:
    """One file of corrections.

    :param path: scene, or result as JSON.
    :param ct: CT of a JSON result, None to look beside it.
    :param patient: whose it is, None where that is to be found out.
    """

    path: Path
    ct: Path | None = None
    patient: str | None = None


def addArguments(parser):
    parser.add_argument("input", nargs="*", metavar="PATH",
                        help=f"scene (.mrb, .mrml), {RESULT_NAME} with its CT beside it, or a folder of such")
    parser.add_argument("--cases", metavar="CSV",
                        help="table of more inputs with the columns path, and where needed ct and patient")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the data set, a new one")
    parser.add_argument("--weights", metavar="FILE_OR_NAME", help="weights whose slice boxes are corrected")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument("--all", action="store_true",
                        help=f"take all vertebrae as confirmed; needed for {RESULT_NAME}, which doesn't tell")
    parser.add_argument("--validation", type=float, default=0.2, metavar="PART",
                        help="part of the patients held out (default 0.2)")
    parser.add_argument("--slices", type=int, default=40, metavar="N", help="pictures of one CT (default 40)")
    parser.add_argument("--keep-names", action="store_true", help="name pictures after the input files")
    parser.epilog = ("Patients are told apart by the table, else by the DICOM patient ID of scene or CT, else each "
                     "file counts as one. Pictures are named by random numbers, and no name, ID or path is written.")


def run(arguments):
    """:return: exit status. :raises InputError: an input can't be used, or the folder is there already."""
    import numpy as np

    from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights

    output = Path(arguments.output).absolute()
    if output.exists():
        raise InputError(f"{output} is there already; give a new folder.")
    if not 0 <= arguments.validation < 1:
        raise InputError("--validation takes a part from 0 to less than 1.")
    sources = findSources(arguments.input, arguments.cases)
    findWeights(arguments.weights)
    ensureWritable(output.parent)
    with quietLibraries():
        from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

        detector = loadDetector(arguments.weights, arguments.device, everySlice=True)
    with newFolder(output) as folder:
        counts = writeDataset(folder, sources, detector, np.random.default_rng(), arguments.all, arguments.validation,
                              arguments.slices, arguments.keep_names)
    for split in SPLITS:
        print(f"{split}: {counts[split, 'patients']} patients, {counts[split, 'pictures']} pictures, "
              f"{counts[split, 'vertebrae']} vertebrae")
    if not counts["val", "patients"]:
        print("Note: with one patient none is held out, so training can't tell whether it helped.")
    print("Data set:", output)
    return 0


def findSources(inputs, table=None):
    """Files of corrections.

    :param inputs: paths of files and folders.
    :param table: path of a CSV file with the columns path, ct and patient; paths may be relative to it.
    :return: list of Source. In a folder with a scene and a JSON result the scene counts: it holds the corrections.
    :raises InputError: there is none, or a path is none.
    """
    sources = [source for text in inputs for source in _sourcesOf(Path(text))]
    if table:
        sources += _sourcesOfTable(Path(table))
    if not sources:
        raise InputError(f"No scene and no {RESULT_NAME} was found; give files or folders with them, or --cases.")
    return sources


def _sourcesOf(path):
    if path.is_file():
        return [Source(path)]
    if not path.is_dir():
        raise InputError(f"{path} is not there; give a scene, a {RESULT_NAME} or a folder.")
    scenes = sorted(file for file in path.rglob("*") if file.suffix.lower() in SCENE_SUFFIXES)
    folders = {file.parent for file in scenes}
    results = sorted(file for file in path.rglob(RESULT_NAME) if file.parent not in folders)
    return [Source(file) for file in scenes + results]


def _sourcesOfTable(path):
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The table {path} can't be read ({error}); save it as CSV in UTF-8.") from error
    if not rows or "path" not in rows[0]:
        raise InputError(f'The table {path} has no column "path"; name its columns path, ct, patient.')
    return [Source(path.parent / row["path"], path.parent / row["ct"] if row.get("ct") else None,
                   row.get("patient") or None) for row in rows]


def writeDataset(folder, sources, detector, random, takeAll=False, validation=0.2, slices=40, keepNames=False):
    """Pictures, boxes and ``dataset.json``.

    :param folder: existing, empty.
    :param sources: list of Source.
    :param detector: SliceDetector.
    :param random: numpy random generator.
    :return: Counter of (split, "patients", "pictures" or "vertebrae").
    """
    from CervicalSpineDetectionLib.Training.Dataset import SliceGeometry, writeDescription

    cases = _casesOf(sources, takeAll)
    # Whoever knows a patient's ID can't tell by hashing it whether the patient is in the set: the salt is forgotten.
    salt = secrets.token_bytes(32)
    digests = [hashlib.sha256(salt + case[1].encode()).hexdigest()[:DIGEST_LENGTH] for case in cases]
    splitOf = _split(sorted(set(digests)), validation)
    for kind in ("images", "labels"):
        for split in SPLITS:
            (folder / kind / split).mkdir(parents=True)
    geometry = SliceGeometry(detector.pixelSize, detector.sliceSpacing, tuple(detector.window))
    counts, levels, ofPatient = Counter(), Counter(), defaultdict(int)
    for (source, _, image, settled, others), digest in zip(cases, digests, strict=True):
        ofPatient[digest] += 1
        name = f"{_safe(source.path) + '-' if keepNames else ''}{digest}-{ofPatient[digest]}"
        split = splitOf[digest]
        with quietLibraries():
            counts[split, "pictures"] += _writeCase(folder, split, name, image, settled, others, detector, geometry,
                                                    random, slices)
        counts[split, "vertebrae"] += len(settled)
        levels.update(vertebra.level for vertebra in settled)
        print(f"{sum(ofPatient.values())} of {len(cases)} CTs", flush=True)
    for split in splitOf.values():
        counts[split, "patients"] += 1
    writeDescription(folder, geometry, {
        "sources": [{"name": f"vertebrae confirmed or corrected by a person in {len(cases)} CTs",
                     "licence": "that of the CTs", "source": "cervical-spine corrections"}],
        "split": "by patient", "patients": {split: counts[split, "patients"] for split in SPLITS},
        "pictures": {split: counts[split, "pictures"] for split in SPLITS},
        "vertebrae": {level: levels[level] for level in sorted(levels)},
        "boxes": "the detector's own, moved to the corrected 3D box; where it saw none, those of a usual vertebra",
        "detector": dict(detector.model),
        "identifiers": "pictures are named after the input files" if keepNames else "none",
    })
    return counts


def _casesOf(sources, takeAll):
    """List of (Source, patient, image, settled vertebrae, other vertebrae). What can't be used is printed.

    :raises InputError: nothing can be used.
    """
    from CervicalSpineDetectionLib.Training.Corrections import checkGaps

    cases, reasons = [], []
    for source in sources:
        try:
            found = _casesOfScene(source) if source.path.suffix.lower() in SCENE_SUFFIXES else [_caseOfJson(source)]
            if takeAll:
                found = [(*case[:3], case[3] + case[4], []) for case in found]
            found = [case for case in found if case[3]]
            if not found:
                raise InputError(f"No vertebra in {source.path} is confirmed or corrected; confirm them in 3D Slicer, "
                                 "or take all of them with --all.")
            for case in found:
                checkGaps(case[3] + case[4])
            cases += found
        except InputError as error:
            reasons.append(str(error))
    if not cases:
        raise InputError(reasons[0])
    for reason in reasons:
        print("Left out:", reason)
    return cases


def _casesOfScene(source):
    try:
        from CervicalSpineDetectionLib.Scene.SceneCases import casesOfScene
    except ImportError as error:
        raise InputError(f"Scenes need slicer-core ({error}): pip install slicer-core vtk") from error
    with quietLibraries():
        cases = casesOfScene(source.path)
    return [(source, source.patient or case.patient or str(source.path.resolve()), case.image, case.settled,
             case.others) for case in cases]


def _caseOfJson(source):
    """Its vertebrae are others, but those that it says a person confirmed or corrected."""
    from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
    from CervicalSpineDetectionLib.Results.ResultJson import readJson

    result = readJson(source.path)
    ct = source.ct or _ctBeside(source.path)
    with quietLibraries():
        image = readImage(ct)
    _checkBelongs(source.path, result, image)
    isSettled = {vertebra.level: bool(vertebra.review and vertebra.review.settled) for vertebra in result.vertebrae}
    settled = [vertebra for vertebra in result.vertebrae if isSettled[vertebra.level]]
    others = [vertebra for vertebra in result.vertebrae if not isSettled[vertebra.level]]
    return source, source.patient or _patientOf(ct) or str(source.path.resolve()), image, settled, others


def _ctBeside(path):
    from CervicalSpineDetectionLib.Imaging.ReadImage import IMAGE_SUFFIXES

    images = [file for file in path.parent.iterdir() if file.name.lower().endswith(IMAGE_SUFFIXES)]
    if len(images) != 1:
        raise InputError(f"Beside {path} lie {len(images)} images instead of its CT alone; name the CT in a table "
                         "(--cases).")
    return images[0]


def _checkBelongs(path, result, image):
    import numpy as np

    from CervicalSpineDetectionLib.Pipeline import imageGeometry

    for name, value in imageGeometry(image).items():
        if not np.allclose(value, result.image.get(name, np.nan), rtol=0, atol=1e-3):
            raise InputError(f"{path} was made from another CT ({name} differs); name the right one in a table "
                             "(--cases).")


def _patientOf(ct):
    """DICOM patient ID of a CT, None for other files."""
    import pydicom

    from CervicalSpineDetectionLib.Imaging.DicomSeries import dicomFiles, isDicom

    path = next(iter(dicomFiles(ct)), None) if ct.is_dir() else ct if isDicom(ct) else None
    return str(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["PatientID"]).get("PatientID") or "") \
        if path else None


def _split(digests, validation):
    """Digest -> split. Digests are random, so their order is."""
    held = round(validation * len(digests))
    if validation and len(digests) > 1:
        held = min(max(held, 1), len(digests) - 1)
    return {digest: SPLITS[index < held] for index, digest in enumerate(digests)}


def _writeCase(folder, split, name, image, settled, others, detector, geometry, random, slices):
    from CervicalSpineDetectionLib.Training.Corrections import correctedSlices
    from CervicalSpineDetectionLib.Training.Dataset import writePictures

    pictures, boxes = correctedSlices(image, settled, others, detector)
    return writePictures(folder, split, name, pictures, boxes, geometry.pictureSize, random, slices)


def _safe(path):
    return re.sub(r"[^A-Za-z0-9_-]+", "_", path.stem if path.name != RESULT_NAME else path.parent.name)
