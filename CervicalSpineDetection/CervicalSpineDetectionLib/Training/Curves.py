"""The course of a training as a picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from CervicalSpineDetectionLib.AtomicFiles import atomicFile

# Column of ultralytics' results.csv -> (label, colour). Colours: Okabe and Ito.
LOSSES = {"box_loss": ("box", "#0072b2"), "cls_loss": ("class", "#d55e00"), "dfl_loss": ("edges", "#009e73")}
FIGURES = {"metrics/mAP50(B)": ("mAP50", "#0072b2"), "metrics/mAP50-95(B)": ("mAP50-95", "#d55e00")}


def writeCurves(path: Path, results: Path, heldOut: bool = True) -> None:
    """Draw losses, and average precision on held-out patients where it was measured, over the epochs.

    :param path: PNG, whole or not at all.
    :param results: Path of ultralytics' ``results.csv``.
    :param heldOut: False where its figures are not of pictures that were held out: they are left out then.
    """
    rows = _rows(results)
    figure = Figure((9, 3.6), dpi=110, layout="constrained")
    losses, figures = figure.subplots(1, 2)
    epochs = sorted(rows)
    for name, (label, colour) in LOSSES.items():
        for prefix, style in (("train", "-"), ("val", "--"))[: 1 + heldOut]:
            _draw(losses, epochs, [rows[epoch].get(f"{prefix}/{name}") for epoch in epochs], style, colour,
                  label if prefix == "train" else None)
    for name, (label, colour) in FIGURES.items() if heldOut else ():
        _draw(figures, epochs, [rows[epoch].get(name) for epoch in epochs], "-", colour, label)
    losses.set(xlabel="epoch", ylabel="loss", title="loss: training solid, held-out dashed")
    figures.set(xlabel="epoch", title="held-out patients", ylim=(0, 1))
    for axes in (losses, figures):
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
            axes.xaxis.get_major_locator().set_params(integer=True)
    with atomicFile(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))


def _rows(results: Path) -> dict[int, dict[str, float]]:
    """Epoch -> column -> number. A killed run may have written an epoch twice: the later one counts."""
    with open(results, newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file, skipinitialspace=True)
        return {int(row["epoch"]): {name: float(value) for name, value in row.items() if name and value}
                for row in rows}


def _draw(axes: Axes, epochs: Sequence[int], values: Sequence[float | None], style: str, colour: str,
          label: str | None) -> None:
    if any(values):
        axes.plot(epochs, values, style, marker="o", markersize=2.5, color=colour, label=label)
