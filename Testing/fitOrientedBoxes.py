"""The numbers of ``Spine.OrientedBoxes``, fitted to phantoms.

    python Testing/fitOrientedBoxes.py                         60 phantoms, about 15 minutes

prints how end plates lean against the line through the bodies (``PLATE_LEAN``), how far vertebrae reach along their own
axes (``REACH``), and the margin with which half of them have 98 % of their voxels inside (``MARGIN_MM``).
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "CervicalSpineDetection"))

from CervicalSpineDetectionLib.Evaluation.Cases import phantomCase  # noqa: E402
from CervicalSpineDetectionLib.Evaluation.OrientedBoxMetrics import scoredVertebrae  # noqa: E402
from CervicalSpineDetectionLib.Pipeline import detectVertebrae  # noqa: E402
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector  # noqa: E402
from CervicalSpineDetectionLib.Spine import OrientedBoxes  # noqa: E402
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox  # noqa: E402
from CervicalSpineDetectionLib.Spine.Levels import Level  # noqa: E402
from CervicalSpineDetectionLib.Truth.TightBoxes import TIGHT_SHARE, shareInside, tightestBox  # noqa: E402

STRATA = ("clinical", "routine", None)  # of the phantoms, in turn
MOST_EDGE_ERROR_MM = 8.0  # a box that is off by more shows another fault than this one
MARGINS_MM = np.arange(0, 2.05, 0.1)  # the first that will do is taken


@dataclass(frozen=True)
class Example:
    """A vertebra as it was found, and as it is.

    :param bounds: found. :param axes: found, as in ``OrientedBox``.
    :param points: shape (n, 3), LPS mm, its voxels.
    :param tightest: the smallest box along the axes that holds 98 % of them.
    :param plateLean: degrees that its end plates lean further forward than the axes; nan where it has not two.
    """

    level: Level
    bounds: Bounds
    axes: np.ndarray
    points: np.ndarray
    tightest: OrientedBox
    plateLean: float

    @property
    def regressors(self):
        """(own length, other length times the lean's sine) of the front, back, bottom and top face."""
        _, depth, height = self.bounds.size
        sine = -self.axes[2, 1]
        return [(depth, height * sine)] * 2 + [(height, depth * sine)] * 2

    @property
    def beyond(self):
        """How far each of the faces stands beyond half the length times the lean's cosine, mm."""
        middle = (self.tightest.centre - self.bounds.centre) @ self.axes.T
        halves = self.bounds.size / 2 * self.axes[2, 2]
        faces = [middle[axis] + side * self.tightest.size[axis] / 2 for axis in (1, 2) for side in (-1, 1)]
        return [face - side * halves[axis] for face, (axis, side) in zip(
            faces, ((1, -1), (1, 1), (2, -1), (2, 1)), strict=True)]


def examplesOf(seed, detector):
    """The cervical vertebrae of a phantom that are wholly in view and were found in their place."""
    case = phantomCase(seed, stratum=STRATA[seed % len(STRATA)])
    vertebrae = detectVertebrae(case.image, detector).vertebrae
    for vertebra, reference, points, plates in scoredVertebrae(vertebrae, case.references, case.labels):
        found, true = vertebra.bounds, reference.bounds
        if np.abs([found.minimum - true.minimum, found.maximum - true.maximum]).max() <= MOST_EDGE_ERROR_MM:
            axes = vertebra.orientedBox.axes
            yield Example(vertebra.level, found, axes, points, tightestBox(points, axes), plates)


def fitted(examples):
    """Group -> (share of the other length, share of the own length) of the four faces."""
    reach = {}
    for group in OrientedBoxes.REACH:
        own = [example for example in examples if OrientedBoxes.reachGroup(example.level) == group]
        reach[group] = tuple(
            tuple(np.linalg.lstsq(np.array([example.regressors[face][::-1] for example in own]),
                                  np.array([example.beyond[face] for example in own]), rcond=None)[0].round(2).tolist())
            for face in range(4))
    return reach


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--phantoms", type=int, default=60)
    parser.add_argument("--first-seed", type=int, default=9200)
    arguments = parser.parse_args()
    detector = loadDetector(None, "cpu")
    examples = []
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.phantoms):
        examples += examplesOf(seed, detector)
        print(f"phantom {seed}: {len(examples)} vertebrae", flush=True)
    leans = np.array([example.plateLean for example in examples])
    print(f"End plates lean further forward than the axes by {np.nanmedian(leans):.1f} degrees (median; middle half "
          f"{' to '.join(f'{limit:.1f}' for limit in np.nanquantile(leans, [0.25, 0.75]))})")
    OrientedBoxes.REACH.update(fitted(examples))
    for group, faces in OrientedBoxes.REACH.items():
        print(f"{group}: {faces}")
    for group in OrientedBoxes.REACH:
        own = [example for example in examples if OrientedBoxes.reachGroup(example.level) == group]
        for margin in MARGINS_MM:
            OrientedBoxes.MARGIN_MM[group] = margin
            boxes = [OrientedBoxes.tightBox(example.level, example.bounds, example.axes) for example in own]
            held = [shareInside(example.points, box) for example, box in zip(own, boxes, strict=True)]
            if np.median(held) >= TIGHT_SHARE:
                break
        ratios = [np.prod(box.size / example.tightest.size) for example, box in zip(own, boxes, strict=True)]
        print(f"{group}, margin {margin:.1f} mm: {np.mean(held):.3f} of the voxels inside (median "
              f"{np.median(held):.3f}), {np.median(ratios):.2f} times the tightest box")


if __name__ == "__main__":
    main()
