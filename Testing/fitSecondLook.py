"""The numbers of ``Fusion.Settings`` that belong to the second looks, fitted to phantoms.

    python Testing/fitSecondLook.py                            60 phantoms, about 15 minutes

prints how well boxes fit for each distance that their faces are put outside of the edges (``FACE_INSIDE_MM``), how
exact their sides are for each area below which a slice counts as beside the vertebra (``VANISHING_AREA_MM2``), and for
each distance beyond what coronal slices show (``BEYOND_SIDE_SLICES_MM``), and how much boxes along the vertebrae's own
axes hold, and how large they are, for each part that they leave out and each margin (``SPECKS``, ``SOLID_MARGIN_MM``).
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CervicalSpineDetection"))

from CervicalSpineDetectionLib.Evaluation.Cases import phantomCase  # noqa: E402
from CervicalSpineDetectionLib.Evaluation.Metrics import boxIou  # noqa: E402
from CervicalSpineDetectionLib.Evaluation.OrientedBoxMetrics import scoredVertebrae  # noqa: E402
from CervicalSpineDetectionLib.Fusion import Settings  # noqa: E402
from CervicalSpineDetectionLib.Fusion.Edges import secondSightings, withEdges  # noqa: E402
from CervicalSpineDetectionLib.Fusion.Fuse import fuse  # noqa: E402
from CervicalSpineDetectionLib.Fusion.LevelModel import LevelModel  # noqa: E402
from CervicalSpineDetectionLib.Fusion.Solid import boxAround  # noqa: E402
from CervicalSpineDetectionLib.Imaging.HounsfieldUnits import correctHuOffset  # noqa: E402
from CervicalSpineDetectionLib.Looks import coronalLookOf, sharpenerOf, slicesOf  # noqa: E402
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector  # noqa: E402
from CervicalSpineDetectionLib.Spine.Boxes import Bounds  # noqa: E402
from CervicalSpineDetectionLib.Truth.TightBoxes import shareInside, tightestBox  # noqa: E402

STRATA = ("clinical", "routine", "coarse")  # of the phantoms, in turn
AREAS_MM2 = (1, 2, 4, 6, 8, 10, 12, 15, 20, 25, 30)
SPECKS = (0.001, 0.002, 0.003, 0.005, 0.007)
MARGINS_MM = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
BEYOND_MM = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
OUTWARD_MM = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
HELD = 0.98


def sightingsIn(seed, detector):
    """(stratum, sighting, volume, vertebra, true bounds, voxels) of those that are wholly in view."""
    stratum = STRATA[seed % len(STRATA)]
    case = phantomCase(seed, stratum=stratum)
    image = correctHuOffset(case.image)[0]
    volume, slices = slicesOf(image, detector)
    look = sharpenerOf(image, volume, detector)
    fused = fuse(detector.detect(slices), volume, levelModel=LevelModel.fromCard(detector.model))
    sightings = {one.link.level: one for one in secondSightings(fused, look)}
    for vertebra, reference, points, _ in scoredVertebrae(
            withEdges(fused, volume, look, coronal=coronalLookOf(image, volume, detector)).vertebrae, case.references,
            case.labels):
        if vertebra.level in sightings:
            yield stratum, sightings[vertebra.level], volume, vertebra, reference.bounds, points


def tellSides(seen):
    """Found minus true, of both sides."""
    for area in AREAS_MM2:
        Settings.VANISHING_AREA_MM2 = area
        errors = []
        for stratum, sighting, volume, _, true, _ in seen:
            xs = volume.origin[0] + np.array([edge[0] for edge in sighting.track.extent()])
            outward = np.array([true.minimum[0] - xs[0], xs[1] - true.maximum[0]])
            errors.append((STRATA.index(stratum), *outward))
        errors = np.array(errors)
        each = [np.abs(errors[errors[:, 0] == number, 1:]).mean() for number in range(len(STRATA))]
        told = ", ".join(f"{one:.2f}" for one in each)
        print(f"{area:3d} mm2: sides off by {np.mean(each):.2f} mm ({told}), too far outside by "
              f"{errors[:, 1:].mean():+.2f}", flush=True)


def tellCoronalSides(seen):
    """How far off the sides of the boxes are, which coronal slices told, for each distance beyond these."""
    outward = np.array([(true.minimum[0] - one.bounds.minimum[0], one.bounds.maximum[0] - true.maximum[0])
                        for *_, one, true, _ in seen])
    strata = np.array([one[0] for one in seen])
    for distance in BEYOND_MM:
        errors = outward + distance - Settings.BEYOND_SIDE_SLICES_MM
        each = [np.abs(errors[strata == stratum]).mean() for stratum in STRATA]
        told = ", ".join(f"{one:.2f}" for one in each)
        right, left = np.median(errors, axis=0)
        print(f"{distance:.1f} mm beyond coronal slices: sides off by {np.mean(each):.2f} mm ({told}), in the median "
              f"{np.median(np.abs(errors)):.2f}, too far outside by {right:+.2f} and {left:+.2f}", flush=True)


def tellFaces(seen):
    """Mean IoU for each distance that faces are put further out than the edges."""
    for distance in OUTWARD_MM:
        further = distance - Settings.FACE_INSIDE_MM
        found = [Bounds(one[3].bounds.minimum - further, one[3].bounds.maximum + further) for one in seen]
        outward = np.mean([np.concatenate([true.minimum - own.minimum, own.maximum - true.maximum])
                           for own, (*_, true, _) in zip(found, seen, strict=True)], axis=0)
        iou = [np.mean([boxIou(own, one[4]) for own, one in zip(found, seen, strict=True) if one[0] == stratum])
               for stratum in STRATA]
        told = ", ".join(f"{one:.4f}" for one in iou)
        print(f"faces {distance:.1f} mm out: IoU {np.mean(iou):.4f} ({told}), too far outside by "
              f"{' '.join(f'{one:+.2f}' for one in outward)}", flush=True)


def tellBoxes(seen):
    """What boxes along the axes hold, and their volume over that of the tightest."""
    tightest = [np.prod(tightestBox(points, vertebra.orientedBox.axes).size) for *_, vertebra, _, points in seen]
    solids = [sighting.solid(volume) for _, sighting, volume, *_ in seen]
    for specks in SPECKS:
        for margin in MARGINS_MM:
            boxes = [boxAround(solid, one[3].orientedBox, specks, margin)
                     for solid, one in zip(solids, seen, strict=True)]
            held = [shareInside(one[5], box) for one, box in zip(seen, boxes, strict=True)]
            ratios = [np.prod(box.size) / size for box, size in zip(boxes, tightest, strict=True)]
            print(f"specks {specks:.3f}, margin {margin:.1f} mm: held {np.median(held):.4f} (mean {np.mean(held):.4f}, "
                  f"{np.mean(np.array(held) >= HELD):.2f} of them {HELD} and more), volume {np.median(ratios):.3f}",
                  flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--phantoms", type=int, default=60)
    parser.add_argument("--first-seed", type=int, default=9200)
    parser.add_argument("--weights", metavar="FILE_OR_NAME")
    arguments = parser.parse_args()
    detector = loadDetector(arguments.weights, "cpu", precision="single")
    seen = []
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.phantoms):
        seen += sightingsIn(seed, detector)
        print(f"phantom {seed}: {len(seen)} vertebrae", flush=True)
    tellFaces(seen)
    tellSides(seen)
    if detector.coronalLook is not None:
        tellCoronalSides(seen)
    tellBoxes(seen)


if __name__ == "__main__":
    main()
