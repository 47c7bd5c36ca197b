"""Pictures of an evaluation: contact sheets of boxes found and reference boxes, and the reliability plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from CervicalSpineDetectionLib.Evaluation.Cases import Case
from CervicalSpineDetectionLib.Evaluation.Metrics import Reference
from CervicalSpineDetectionLib.Imaging.Resampling import resampleSagittal
from CervicalSpineDetectionLib.Imaging.SagittalVolume import windowed
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Boxes import Bounds
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra

WINDOW = (-250.0, 1100.0)
MARGIN_MM = 25
LABEL_MM = 15
COLUMNS, ROWS = 3, 3
# matplotlib's 0 to 1.
COLOURS: dict[str, tuple[float, ...]] = {level: tuple(part / 255 for part in level.colour) for level in CERVICAL_LEVELS}
BACKGROUND = "#101010"


# uint8 picture, extent in mm as matplotlib wants it, index of the horizontal LPS axis.
PictureView: TypeAlias = tuple[Array, tuple[float, float, float, float], int]


@dataclass(frozen=True)
class CasePicture:
    """A case as the contact sheet shows it.

    :param views: sagittal and coronal, both along the curve of the spine.
    :param vertebrae: those that were found.
    :param references: by level.
    :param remark: what is wrong, empty where nothing is.
    """

    name: str
    views: Sequence[PictureView]
    vertebrae: Sequence[Vertebra]
    references: Mapping[str, Reference]
    remark: str


def picture(case: Case, vertebrae: Sequence[Vertebra], remark: str) -> CasePicture:
    """Views of a case, cut to the vertebrae that were found."""
    volume = resampleSagittal(case.image, 1.0, 2.0)
    grey = windowed(volume, WINDOW)
    slices, rows, columns = grey.shape
    curve = [reference.centre for reference in case.references.values() if reference.centre is not None]
    curve = curve or [vertebra.centre for vertebra in vertebrae] or [volume.toLps(np.array(grey.shape) / 2)]
    path = volume.fromLps(np.array(sorted(curve, key=lambda centre: -centre[2])))
    x = np.rint(np.interp(np.arange(rows), path[:, 1], path[:, 0])).astype(int)
    y = np.rint(np.interp(np.arange(rows), path[:, 1], path[:, 2])).astype(int)
    every = np.arange(rows)
    # Transverse processes lie behind the bodies: the brightest of a slab shows them.
    sagittal = grey[np.clip(x, 0, slices - 1), every]
    coronal = np.max([grey[:, every, np.clip(y + shift, 0, columns - 1)] for shift in range(-4, 13, 2)], axis=0).T
    first, last = volume.toLps(np.array([[-0.5, -0.5, -0.5], [slices - 0.5, rows - 0.5, columns - 0.5]]))
    views = [(image, (first[axis], last[axis], last[2], first[2]), axis)
             for image, axis in ((sagittal, 1), (coronal, 0))]
    return CasePicture(case.name, views, vertebrae, case.references, remark)


def pageCount(pictures: int) -> int:
    """How many contact sheets so many pictures fill."""
    return -(-pictures // (COLUMNS * ROWS))


def contactSheet(path: Path, pictures: Sequence[CasePicture]) -> None:
    """One page: found boxes solid with level, confidence and centre (dot), reference boxes dashed (centre: plus).

    :param path: PNG.
    :param pictures: list of at most ``COLUMNS * ROWS`` CasePicture.
    """
    rows = max(1, -(-len(pictures) // COLUMNS))
    figure = Figure((18, 4.6 * rows), dpi=100, facecolor=BACKGROUND, layout="constrained")
    pages = figure.subfigures(rows, COLUMNS, squeeze=False)
    for page in pages.flat:
        page.set_facecolor(BACKGROUND)
    for page, shown in zip(pages.flat, pictures, strict=False):
        page.suptitle(f"{shown.name}  {shown.remark}", color="#ff7070" if shown.remark else "#d0d0d0", fontsize=9)
        for axes, view in zip(page.subplots(1, 2), shown.views, strict=True):
            _draw(axes, view, shown)
    figure.text(0.995, 0.003, "found: solid, dot    reference: dashed, plus", color="#d0d0d0", fontsize=8, ha="right")
    FigureCanvasAgg(figure).print_png(str(path))


def _draw(axes: Axes, view: PictureView, shown: CasePicture) -> None:
    image, extent, axis = view
    axes.imshow(image, cmap="gray", extent=extent, vmin=0, vmax=255, interpolation="bilinear")
    axes.set_facecolor("black")
    axes.set_axis_off()
    corners = []
    for level, reference in shown.references.items():
        colour = COLOURS.get(level, "#909090")
        edges = _box(axes, reference.bounds, axis, colour, "--") if reference.bounds else []
        corners += edges if level in COLOURS else []
        if reference.centre is not None:
            axes.plot(reference.centre[axis], reference.centre[2], "+", color=colour, markersize=6)
    for vertebra in shown.vertebrae:
        colour = COLOURS[vertebra.level]
        corners += _box(axes, vertebra.bounds, axis, colour, "-")
        axes.plot(vertebra.centre[axis], vertebra.centre[2], "o", color=colour, markersize=3)
        axes.text(vertebra.bounds.minimum[axis] - 2, vertebra.centre[2], f"{vertebra.level} {vertebra.confidence:.2f}",
                  color=colour, fontsize=7, ha="right", va="center", clip_on=True)
    if corners:
        lower, upper = np.min(corners, axis=0) - MARGIN_MM, np.max(corners, axis=0) + MARGIN_MM
        lower[0] -= LABEL_MM
        axes.set_xlim(lower[0], upper[0])
        axes.set_ylim(lower[1], upper[1])


def _box(axes: Axes, bounds: Bounds, axis: int, colour: str | tuple[float, ...], style: str) -> list[Array]:
    first, size = bounds.minimum[[axis, 2]], bounds.size[[axis, 2]]
    axes.add_patch(Rectangle(tuple(first), *size, fill=False, edgecolor=colour, linestyle=style, linewidth=1.1))
    return [first, first + size]


def reliabilityPlot(path: Path, reliability: Mapping[str, Any]) -> None:
    """Share of right levels over confidence, and how many levels each bin holds.

    :param path: PNG.
    :param reliability: what ``Reliability.reliability`` gives.
    """
    figure = Figure((6, 6.5), dpi=100, layout="constrained")
    top, bottom = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    bins = [entry for entry in reliability["bins"] if entry["levels"]]
    top.plot([0, 1], [0, 1], color="#a0a0a0", linestyle=":", label="as confident as right")
    top.plot([b["meanConfidence"] for b in bins], [b["right"] for b in bins], "o-", color="#4363d8")
    for entry in bins:
        top.annotate(str(entry["levels"]), (entry["meanConfidence"], entry["right"]), (0, -14),
                     textcoords="offset points", ha="center", fontsize=8)
    top.axvline(0.5, color="#e6194b", linewidth=0.8, label="flagged below 0.5")
    top.set(ylabel=f"share right (nearest, {reliability['radius']:g} mm)", ylim=(-0.05, 1.05), xlim=(0, 1.02))
    top.legend(loc="upper left", fontsize=8)
    bottom.bar([b["from"] for b in reliability["bins"]], [b["levels"] for b in reliability["bins"]],
               [b["to"] - b["from"] for b in reliability["bins"]], align="edge", color="#b0c0f0", edgecolor="#4363d8")
    bottom.set(xlabel="confidence", ylabel="levels")
    bottom.set_yscale("symlog")
    FigureCanvasAgg(figure).print_png(str(path))
