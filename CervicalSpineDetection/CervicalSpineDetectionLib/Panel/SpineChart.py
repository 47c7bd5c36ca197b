"""The small chart below the table: confidence of each level as a bar, distance to the next one in mm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import qt
from slicer.i18n import tr as _

if TYPE_CHECKING:
    from CervicalSpineDetectionLib.Scene.SpineChart import ChartLevel

NARROWEST, WIDEST = 240, 700
HEIGHT = 72
BAR_TOP, BAR_BOTTOM = 4, 40
BAR_WIDTH = 22
NAME_Y, DISTANCE_Y = 54, 69
GRAY, DARK, WARNING = "#8a8f98", "#30343a", "#c22f00"


class SpineChart:
    """:param label: QLabel that shows the chart."""

    def __init__(self, label: qt.QLabel) -> None:
        self._label = label

    def show(self, chart: Sequence[ChartLevel]) -> None:
        """:param chart: list of ``Scene.SpineChart.ChartLevel``; hidden where it is empty."""
        self._label.setVisible(bool(chart))
        if chart:
            self._label.setPixmap(_draw(chart, min(max(self._label.width, NARROWEST), WIDEST)))
            self._label.toolTip = _toolTip(chart)


def _draw(chart: Sequence[ChartLevel], width: int) -> qt.QPixmap:
    pixmap = qt.QPixmap(width, HEIGHT)
    pixmap.fill(qt.QColor("#f4f5f7"))
    painter = qt.QPainter(pixmap)
    font = painter.font()
    font.setPixelSize(11)
    painter.setFont(font)
    step = width / len(chart)
    for index, entry in enumerate(chart):
        middle = round((index + 0.5) * step)
        _drawBar(painter, middle, entry)
        painter.setPen(qt.QColor(WARNING if entry.doubtful else DARK))
        _drawText(painter, middle, NAME_Y, f"{entry.level}{' ?' if entry.doubtful else ''}")
        if entry.distance is not None:
            painter.setPen(qt.QColor(WARNING if entry.unusual else GRAY))
            text = f"{entry.distance:.0f}{' !' if entry.unusual else ''}"
            _drawText(painter, round((index + 1) * step), DISTANCE_Y, text)
    painter.end()
    return pixmap


def _drawBar(painter: qt.QPainter, middle: int, entry: ChartLevel) -> None:
    """A frame for certainty, filled as far as the confidence goes; empty for a vertebra inserted by hand."""
    left, full = middle - BAR_WIDTH // 2, BAR_BOTTOM - BAR_TOP
    height = round(full * (entry.confidence or 0))
    painter.fillRect(left, BAR_BOTTOM - height, BAR_WIDTH, height, qt.QColor(*entry.level.colour))
    painter.setPen(qt.QColor(WARNING if entry.doubtful else GRAY))
    painter.drawRect(left, BAR_TOP, BAR_WIDTH, full)


def _drawText(painter: qt.QPainter, middle: int, y: int, text: str) -> None:
    painter.drawText(middle - painter.fontMetrics().boundingRect(text).width() // 2, y, text)


def _toolTip(chart: Sequence[ChartLevel]) -> str:
    lines = [_("Confidence of each level, and the distance between centers in mm.")]
    for entry, below in zip(chart, chart[1:], strict=False):
        if entry.unusual:
            lines.append(_("{upper} to {lower}: {distance:.0f} mm is unusual for this spine.").format(
                upper=entry.level, lower=below.level, distance=entry.distance))
    return "\n".join(lines)
