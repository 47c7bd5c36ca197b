"""Compare detections with reference boxes: levels, centres, boxes."""

import json
from pathlib import Path

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Files.AtomicFolder import ensureWritable


def addArguments(parser):
    parser.add_argument("--cases", metavar="DIR", help="folder of JSON files with reference boxes")
    parser.add_argument("--phantoms", type=int, default=0, metavar="N", help="evaluate on N fresh phantoms")
    parser.add_argument("--first-seed", type=int, default=500, metavar="N", help="seed of the first phantom")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for evaluation.json")
    parser.add_argument("--weights", help="a .safetensors file, or the name of shipped weights")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")


def run(arguments):
    if not arguments.cases and not arguments.phantoms:
        raise InputError("Nothing to evaluate on; give --cases DIR or --phantoms N.")
    output = Path(arguments.output)
    ensureWritable(output)
    from CervicalSpineDetectionLib.Detection.Pipeline import detectVertebrae
    from CervicalSpineDetectionLib.Detection.YoloDetector import loadDetector
    from CervicalSpineDetectionLib.Evaluation.Cases import labelledCases, phantomCases
    from CervicalSpineDetectionLib.Evaluation.Metrics import scoreCase, summary
    from CervicalSpineDetectionLib.Files.ReadImage import readImage

    detector = loadDetector(arguments.weights, arguments.device)
    cases = ([(name, readImage(path), references) for name, path, references in labelledCases(arguments.cases)]
             if arguments.cases else phantomCases(arguments.phantoms, arguments.first_seed))
    scores, falseLevels = [], 0
    for name, image, references in cases:
        caseScores, extra = scoreCase(name, detectVertebrae(image, detector).vertebrae, references)
        scores += caseScores
        falseLevels += len(extra)
        print(f"{name:<16} {'  '.join(_levelText(score) for score in caseScores)}"
              f"{'  false: ' + ' '.join(extra) if extra else ''}", flush=True)
    figures = {"weights": detector.model, **summary(scores, falseLevels)}
    (output / "evaluation.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    for key, value in figures.items():
        print(f"{key:<24} {value if not isinstance(value, float) else round(value, 3)}")
    return 0


def _levelText(score):
    """e.g. "C3 1.2mm 0.81", with the level it took it for where that is another."""
    if not score.found:
        return f"{score.level} missed"
    taken = "" if score.nearest in (score.level, None) else f" (at {score.nearest})"
    return f"{score.level} {score.centreError:.1f}mm {score.iou:.2f}{taken}"
