"""One picture of a result: a sagittal and a coronal cut that follow the bodies, and the levels with their doubts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageDraw, ImageFont

from CervicalSpineDetectionLib.Results.CurvedCuts import Cut, curvedCuts, pixelSizeFor, shownBounds
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Boxes import OrientedBox
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra

WIDTH, HEIGHT = 1500, 900
VIEW_SIZE = (540, 844)
GAP = 4
LIST_LEFT = 2 * (VIEW_SIZE[0] + GAP) + 16
# Lines and letters are drawn so many times larger and then averaged, for smooth edges.
FINER = 2
BACKGROUND, TEXT, DIM = (16, 18, 23), (235, 237, 240), (160, 168, 178)
WARNING = (255, 196, 92)
SCALE_BAR_MM = 50
LINE_HEIGHT = 24
# Letters of the remarks that fit beside the views.
WRAP_AT = 43
PNG_LEVEL = 3
THUMBNAIL_SIZE, THUMBNAIL_QUALITY = (600, 360), 82
DASH_PIXELS = 9  # outline of a vertebra whose name is uncertain


def writePreview(path: Path, image: sitk.Image, result: DetectionResult, thumbnail: Path | None = None) -> None:
    """Write a PNG of 1500 x 900 pixels.

    Anterior is left in the sagittal view, the patient's right is left in the coronal view.

    :param image: CT in HU, in any orientation.
    :param thumbnail: of a JPEG of 600 x 360 pixels to be written too; None for none.
    :raises OSError: a file can't be written.
    """
    picture = Image.fromarray(previewPicture(image, result))
    # Packed harder it takes as long as drawing it.
    picture.save(path, compress_level=PNG_LEVEL)
    if thumbnail:
        # Averaged by whole numbers as far as that goes: a third of the time.
        picture.thumbnail(THUMBNAIL_SIZE, reducing_gap=1.0)
        picture.save(thumbnail, quality=THUMBNAIL_QUALITY)


def previewPicture(image: sitk.Image, result: DetectionResult) -> np.ndarray:
    """As ``writePreview``.

    :return: uint8 RGB, shape (900, 1500, 3).
    """
    shown = shownBounds(image, result.vertebrae)
    pixel = pixelSizeFor(shown, VIEW_SIZE)
    canvas = Image.new("RGB", (WIDTH * FINER, HEIGHT * FINER), BACKGROUND)
    pen = _Pen(canvas)
    sides = (("A", "P"), ("R", "L"))
    for index, cut in enumerate(curvedCuts(image, result.vertebrae, shown, VIEW_SIZE, pixel)):
        left = index * (VIEW_SIZE[0] + GAP)
        grey = Image.fromarray(cut.grey).resize(VIEW_SIZE, Image.Resampling.BICUBIC)
        # Averaged in the end, each of its pixels is itself again.
        size = (VIEW_SIZE[0] * FINER, VIEW_SIZE[1] * FINER)
        canvas.paste(grey.resize(size, Image.Resampling.NEAREST), (left * FINER, 0))
        for vertebra in result.vertebrae:
            _drawVertebra(pen, cut, vertebra, left, named=index == 0)
        _drawLegend(pen, cut.title, sides[index], left)
    _drawScaleBar(pen, pixel)
    _drawList(pen, result)
    _drawFooter(pen, result)
    return np.asarray(canvas.reduce(FINER))


_Place = Sequence[float] | Array


class _Pen:
    """Draws in pixels of the final picture on the finer canvas."""

    def __init__(self, canvas: Image.Image) -> None:
        self._draw = ImageDraw.Draw(canvas)

    def text(self, place: tuple[float, float], text: str, colour: tuple[int, int, int], size: int = 18,
             anchor: str = "la", outline: int = 0) -> None:
        self._draw.text(_finer(place), text, colour, _font(size), anchor, stroke_width=outline * FINER,
                        stroke_fill="black")

    def line(self, start: _Place, end: _Place, colour: Any, width: float = 2) -> None:
        self._draw.line([*_finer(start), *_finer(end)], colour, round(width * FINER))

    def dashes(self, start: _Place, end: _Place, colour: Any, width: float = 2) -> None:
        first, last = np.array(start, float), np.array(end, float)
        count = max(1, round(float(np.linalg.norm(last - first)) / DASH_PIXELS / 2))
        for part in range(count):
            self.line(first + (last - first) * part / count, first + (last - first) * (part + 0.55) / count, colour,
                      width)

    def box(self, corner: _Place, size: _Place, colour: Any) -> None:
        end = (corner[0] + size[0], corner[1] + size[1])
        self._draw.rectangle([*_finer(corner), *_finer(end)], fill=colour)

    def dot(self, place: _Place, radius: float, colour: Any) -> None:
        x, y = _finer(place)
        r = radius * FINER
        self._draw.ellipse([x - r, y - r, x + r, y + r], fill=colour, outline="black")


@lru_cache
def _font(size: int) -> Any:
    """:param size: pixels of the final picture."""
    return ImageFont.load_default(size * FINER)


def _finer(place: _Place) -> tuple[float, float]:
    return float(place[0]) * FINER, float(place[1]) * FINER


def _drawVertebra(pen: _Pen, cut: Cut, vertebra: Vertebra, left: int, named: bool) -> None:
    """Outline of the oriented box in the cut's plane, the body's centre, and where ``named`` level and confidence."""
    colour = vertebra.level.colour
    corners = [cut.toPixels(corner) + [left, 0] for corner in _outline(vertebra.orientedBox, cut.axis)]
    right = left + VIEW_SIZE[0] - 1
    corners = [np.array([min(max(x, left + 1), right), min(max(y, 1), VIEW_SIZE[1] - 1)]) for x, y in corners]
    draw = pen.dashes if vertebra.uncertain else pen.line
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        draw(start, end, colour)
    centre = cut.toPixels(vertebra.centre) + [left, 0]
    pen.dot(centre, 4, colour)
    text = f"{vertebra.level}{'?' if vertebra.uncertain else ''}"
    if named:
        edge = max(min(x for x, _ in corners) - 8, left + 92)
        pen.text((edge, centre[1]), f"{text} {vertebra.confidence:.2f}", colour, 19, "rm", outline=2)
    else:
        pen.text((centre[0], centre[1] - 5), text, colour, 19, "mb", outline=2)


def _outline(box: OrientedBox, axis: int) -> list[Array]:
    """Four corners, LPS mm, of the box's middle plane across the cut's horizontal axis (0: left, 1: posterior)."""
    across, up = box.axes[axis] * box.size[axis] / 2, box.axes[2] * box.size[2] / 2
    return [box.centre + x * across + z * up for x, z in ((-1, 1), (1, 1), (1, -1), (-1, -1))]


def _drawLegend(pen: _Pen, title: str, sides: tuple[str, str], left: int) -> None:
    width, height = VIEW_SIZE
    pen.text((left + width / 2, 10), title, TEXT, 18, "ma", outline=2)
    pen.text((left + 10, height / 2), sides[0], TEXT, 22, "lm", outline=2)
    pen.text((left + width - 10, height / 2), sides[1], TEXT, 22, "rm", outline=2)


def _drawScaleBar(pen: _Pen, pixel: float) -> None:
    """Valid in both views, which have one scale."""
    length, y = SCALE_BAR_MM / pixel, VIEW_SIZE[1] - 18
    right = VIEW_SIZE[0] - 16
    pen.line((right - length, y), (right, y), "black", 6)
    pen.line((right - length, y), (right, y), TEXT, 3)
    pen.text((right - length / 2, y - 6), f"{SCALE_BAR_MM} mm", TEXT, 16, "mb", outline=2)


def _drawList(pen: _Pen, result: DetectionResult) -> None:
    """Levels, confidence as bar and number, and why one is in doubt."""
    y, width = 16.0, WIDTH - LIST_LEFT - 16
    pen.text((LIST_LEFT, y), "Level", DIM, 16)
    pen.text((LIST_LEFT + 70, y), "Confidence", DIM, 16)
    y += 30
    if not result.vertebrae:
        pen.text((LIST_LEFT, y), "No vertebra found", WARNING, 20)
        y += LINE_HEIGHT + 6
    for vertebra in result.vertebrae:
        pen.box((LIST_LEFT, y + 2), (16, 16), vertebra.level.colour)
        pen.text((LIST_LEFT + 26, y), str(vertebra.level), TEXT, 18)
        pen.box((LIST_LEFT + 70, y + 5), (width - 140, 10), (48, 52, 60))
        pen.box((LIST_LEFT + 70, y + 5), (max(1.0, (width - 140) * vertebra.confidence), 10), vertebra.level.colour)
        pen.text((LIST_LEFT + width, y), f"{vertebra.confidence:.2f}", TEXT, 18, "ra")
        y = _drawLines(pen, y + LINE_HEIGHT + 3, [vertebra.remark] if vertebra.remark else [])
    _drawLines(pen, y + 14, result.warnings)


def _drawLines(pen: _Pen, y: float, sentences: Sequence[str]) -> float:
    """:return: where the next line begins; what doesn't fit is left out, and an ellipsis says so."""
    for sentence in sentences:
        for line in textwrap.wrap(sentence, WRAP_AT):
            if y + 2 * LINE_HEIGHT > VIEW_SIZE[1]:
                pen.text((LIST_LEFT, y), "…", WARNING, 15)
                return VIEW_SIZE[1]
            pen.text((LIST_LEFT, y), line, WARNING, 15)
            y += LINE_HEIGHT - 4
        y += 5
    return y


def _drawFooter(pen: _Pen, result: DetectionResult) -> None:
    y = (VIEW_SIZE[1] + HEIGHT) / 2
    doubtful = [str(vertebra.level) for vertebra in result.vertebrae if vertebra.uncertain]
    if doubtful:
        pen.text((14, y), f"Uncertain, please check: {', '.join(doubtful)}", WARNING, 20, "lm")
    elif result.vertebrae:
        basis = ", ".join(result.basis.anchors) if result.basis else ""
        pen.text((14, y), "No name is in doubt" + (f"; they rest on {basis}" if basis else ""), TEXT, 20, "lm")
    pen.text((WIDTH - 14, y), "Research use only, not a medical device", DIM, 16, "rm")
