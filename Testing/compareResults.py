"""Whether a change of the code leaves the results as they were, bit for bit.

    python Testing/compareResults.py --store FOLDER            the first time: store CTs, detections and results
    python Testing/compareResults.py --store FOLDER            later, or from another checkout: compare with them

The cases are the development CTs beside the repository (``../shared/data``, where it is there) and phantoms. The
network runs once, in single precision: what it saw is stored under a checksum of the slices it was shown (a neck that
stands turned is shown twice), so that a later run notices changed slices, and takes seconds. The phantoms themselves
are stored too, for their recipe may change. Every result is compared twice: as detected, and with C4 moved and
confirmed.
"""

import argparse
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "CervicalSpineDetection"))

from CervicalSpineDetectionLib.Imaging.ReadImage import readImage  # noqa: E402
from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom  # noqa: E402
from CervicalSpineDetectionLib.Pipeline import detectVertebrae  # noqa: E402
from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS, SliceDetections  # noqa: E402
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector  # noqa: E402

PHANTOM_SEEDS = range(1000, 1060)
SHIFT_MM = np.array([1.0, -2.0, 3.0])  # of the confirmed vertebra
FIELDS = ("boxes", "scores", "bodyBoxes", "bodyScores")


class SlicesDiffer(Exception):
    """The network would see other slices than before."""


class StoredDetector:
    """A detector that answers from files what the network said once, and writes them the first time.

    :param stem: path of the files, to which the checksum of the slices is added.
    :param network: called without arguments, gives the network; None where nothing new may be asked.
    """

    def __init__(self, stem, network):
        self._stem, self._network = stem, network
        self.pixelSize, self.sliceSpacing, self.window = 1.0, 2.0, (-200.0, 1000.0)
        self.model = {"name": "stored", "sha256": ""}

    def detect(self, slices, progress=None):
        shown = hashlib.sha256(repr(slices.shape).encode() + np.ascontiguousarray(slices).tobytes()).hexdigest()
        path = self._stem.with_name(f"{self._stem.name}.{shown[:16]}.npz")
        if not path.exists():
            if self._network is None:
                raise SlicesDiffer
            found = self._network().detect(slices)
            counts = {f"{field}Counts": [len(getattr(one, field)) for one in found] for field in FIELDS}
            np.savez(path, **counts,
                     **{field: np.concatenate([getattr(one, field) for one in found]) for field in FIELDS})
        stored = np.load(path)
        # In double precision sums of boxes are exact, so that the order of additions does not matter.
        parts = [np.split(stored[field].astype(float), np.cumsum(stored[f"{field}Counts"])[:-1]) for field in FIELDS]
        # What was stored before the class of vertebrae below the levels came is without it.
        parts[1] = [np.pad(scores, ((0, 0), (0, BODY_CLASS - scores.shape[1]))) for scores in parts[1]]
        return [SliceDetections(*arrays) for arrays in zip(*parts, strict=True)]


def casesOf(store):
    """(name, image) of every case, phantoms made and stored where they are not."""
    shared = REPOSITORY.parent / "shared" / "data"
    for path in sorted((shared / "labels").glob("*.json")):
        yield path.stem, readImage(shared / json.loads(path.read_text(encoding="utf-8"))["image"])
    for seed in PHANTOM_SEEDS:
        path = store / f"phantom{seed}.nrrd"
        if not path.exists():
            sitk.WriteImage(makePhantom(seed).ct, str(path), True)
        yield path.stem, sitk.ReadImage(str(path))


def exact(vertebra):
    """All numbers of a Vertebra as text that tells any two apart."""
    box = vertebra.orientedBox
    numbers = (vertebra.confidence, vertebra.centre, vertebra.bounds.minimum, vertebra.bounds.maximum, box.centre,
               box.size, box.axes)
    return [str(vertebra.level), bool(vertebra.inferred), bool(vertebra.complete),
            *(float(number).hex() for part in numbers for number in np.ravel(part))]


def resultsOf(name, image, store, network):
    """What is compared of a case, as JSON."""
    detector = StoredDetector(store / name, network)
    result = detectVertebrae(image, detector)
    anchored = result
    for vertebra in result.vertebrae:
        if vertebra.level == "C4":
            moved = replace(vertebra, centre=vertebra.centre + SHIFT_MM)
            anchored = detectVertebrae(image, detector, confirmed=[moved])
    return {"warnings": list(result.warnings), "vertebrae": [exact(vertebra) for vertebra in result.vertebrae],
            "confirmed": [exact(vertebra) for vertebra in anchored.vertebrae]}


def differences(before, after):
    """What differs between the results of a case, as lines for people."""
    lines = [f"warnings: {before['warnings']} -> {after['warnings']}"] * (before["warnings"] != after["warnings"])
    for run in ("vertebrae", "confirmed"):
        old, new = ({vertebra[0]: vertebra for vertebra in result[run]} for result in (before, after))
        lines += [f"{run} {level}: {'no more' if level in old else 'new'}" for level in sorted(old.keys() ^ new.keys())]
        for level in [level for level in old if level in new and old[level] != new[level]]:
            one, other = ([float.fromhex(number) for number in vertebra[level][3:]] for vertebra in (old, new))
            moved = np.abs(np.subtract(one, other))
            lines.append(f"{run} {level}: confidence by {moved[0]:.2g}, centre by {moved[1:4].max():.2g} mm, box by "
                         f"{moved[4:].max():.2g} mm, flags {old[level][1:3]} -> {new[level][1:3]}")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, help="folder of the stored CTs, detections and results")
    store = parser.parse_args().store
    store.mkdir(parents=True, exist_ok=True)
    loaded = []

    def network():
        if not loaded:
            loaded.append(loadDetector(device="cpu", precision="single"))
        return loaded[0]

    same = changed = 0
    for name, image in casesOf(store):
        path = store / f"{name}.result.json"
        if not path.exists():
            stored = resultsOf(name, image, store, network)
            path.write_text(json.dumps(stored), encoding="utf-8")
            print(f"{name}: stored {len(stored['vertebrae'])} vertebrae", flush=True)
            continue
        try:
            after = resultsOf(name, image, store, None)
        except SlicesDiffer:
            print(f"{name}: the network would see other slices", flush=True)
            changed += 1
            continue
        lines = differences(json.loads(path.read_text(encoding="utf-8")), after)
        same, changed = same + (not lines), changed + bool(lines)
        print(*([f"{name}: differs", *lines] if lines else []), sep="\n  ", end="\n" if lines else "", flush=True)
    print(f"{same} cases are the same, {changed} differ")
    return changed > 0


if __name__ == "__main__":
    sys.exit(main())
