"""Results of the shipped weights on two stored phantoms, to notice when they change.

    python Testing/Python/goldenResults.py

shows what differs from the stored results and stores the new ones; look at the difference before it is committed.
``Testing/Golden`` holds the CTs (made by this project, seeds 3 and 14, cut to the spine, steps of 20 HU) and the
results.
"""

import json
import sys
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).resolve().parents[1] / "Golden"
CASES = ("straight", "oblique")
# Processors round differently. The boxes end at pixels of 1 to 2 mm, but are means of many slices.
TOLERANCE_MM = 0.5
TOLERANCE_CONFIDENCE = 0.02


def detected(case, detector):
    """Result on a case as JSON, without what differs from run to run."""
    from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
    from CervicalSpineDetectionLib.Pipeline import detectVertebrae
    from CervicalSpineDetectionLib.Results.ResultJson import toJson

    document = toJson(detectVertebrae(readImage(GOLDEN / f"{case}.nrrd"), detector))
    weights = {key: document["model"][key] for key in ("name", "sha256")}
    return {"image": document["image"], "model": weights, "vertebrae": document["vertebrae"],
            "warnings": document["warnings"]}


def stored(case):
    return json.loads((GOLDEN / f"{case}.json").read_text(encoding="utf-8"))


def sameGrid(one, other):
    """The same but for the last digits, which readers of a file's header round differently."""
    return one.keys() == other.keys() and all(
        len(one[key]) == len(other[key]) and np.allclose(one[key], other[key], rtol=1e-12, atol=1e-12) for key in one)


def differences(before, after):
    """What differs by more than the tolerance, as lines for people."""
    lines = [f"{key}: {before.get(key)} -> {after[key]}" for key in ("model", "warnings")
             if before.get(key) != after[key]]
    if not sameGrid(before.get("image", {}), after["image"]):
        lines.append(f"image: {before.get('image')} -> {after['image']}")
    old, new = ({vertebra["level"]: vertebra for vertebra in result.get("vertebrae", [])} for result in (before, after))
    lines += [f"{level}: {'no more' if level in old else 'new'}" for level in sorted(old.keys() ^ new.keys())]
    for level in [level for level in old if level in new]:
        one, other = old[level], new[level]
        lines += [f"{level} {flag}: {one[flag]} -> {other[flag]}" for flag in ("inferred", "complete")
                  if one[flag] != other[flag]]
        if abs(one["confidence"] - other["confidence"]) > TOLERANCE_CONFIDENCE:
            lines.append(f"{level} confidence: {one['confidence']} -> {other['confidence']}")
        for name, value in (("centre", lambda v: v["centre"]), ("minimum", lambda v: v["bounds"]["min"]),
                            ("maximum", lambda v: v["bounds"]["max"]), ("size", lambda v: v["orientedBox"]["size"])):
            moved = np.subtract(value(other), value(one))
            if np.abs(moved).max() > TOLERANCE_MM:
                lines.append(f"{level} {name}: moved by {', '.join(f'{step:+.2f}' for step in moved)} mm")
    return lines


def renew():
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

    detector = loadDetector(device="cpu", precision="single")
    for case in CASES:
        path = GOLDEN / f"{case}.json"
        after = detected(case, detector)
        lines = differences(stored(case) if path.exists() else {}, after)
        print(f"{case}:", *lines or ["nothing beyond the tolerance"], sep="\n  ")
        path.write_text(json.dumps(after, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(GOLDEN.parents[1] / "CervicalSpineDetection"))
    renew()
