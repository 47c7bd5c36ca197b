"""Random views of slices, made on the training device: what ``Windows`` does for one picture, for a batch at once.

Columns and rows are the two axes 0 and 1 of all arrays of edges here, as in boxes.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional

from CervicalSpineDetectionLib.Training.SlicePool import DrawnSlices
from CervicalSpineDetectionLib.Training.Windows import (
    BACK_CUT,
    BACK_CUT_PART,
    FEWEST_LEVELS,
    FLUSH_PART,
    FRONT_CUT,
    FRONT_CUT_PART,
    MINIMUM_EXTENT,
    MINIMUM_SHARE,
    SHOWN_PLACE,
    WHOLE_HEIGHT_PART,
    between,
    windowHeight,
    windowTop,
)

WINDOW_PART = 0.6  # of the views are windows of their slice
PIXEL_MM = (0.65, 1.15)  # what a pixel of a view is of the patient; the network is used between
STRETCH = 0.08  # of the logarithm: necks are longer or deeper than others
GAIN = (0.75, 1.25)
OFFSET = 0.02  # of the window
NOISY_PART, MOST_NOISE = 0.5, 0.06  # of the window
COARSE_PART = 0.2


def randomViews(drawn: DrawnSlices, size: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """A random view of each slice: a field of view, its place in the picture, scale, brightness, noise.

    :param size: rows and columns of the views, pixels.
    :return: (pictures, float32, shape (n, 3, size, size), 0 to 1; targets as ultralytics' loss takes them:
        "batch_idx" (m,), "cls" (m, 1), "bboxes" (m, 4), centre and size as parts of the picture).
    """
    count = len(drawn.pictures)
    device = drawn.pictures.device
    edges, there = drawn.boxes[..., 1:], drawn.boxes[..., 0] >= 0
    window = _randomWindows(edges, there, drawn.sizes.flip(1))
    pixel = torch.exp(_uniform((count, 1), math.log(PIXEL_MM[0]), math.log(PIXEL_MM[1]), device))
    step = pixel / drawn.pixelSizes[:, None] * torch.exp(STRETCH * torch.randn(count, 2, device=device))
    corner = _corners(edges, there, window, step, size)
    pictures = _sampled(drawn.pictures, window, corner, step, size)
    return _repainted(pictures), _targets(drawn.boxes, window, corner, step, size)


def _uniform(shape: int | tuple[int, ...], low: float, high: float, device: torch.device) -> torch.Tensor:
    return low + (high - low) * torch.rand(shape, device=device)


def _randomWindows(edges: torch.Tensor, there: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    """Fields of view in pixel edges of the slices, shape (n, 2 axes, 2), see ``Windows.randomWindow``."""
    count, device = len(edges), edges.device
    absent = ~there[..., None]
    low = edges[..., :2].masked_fill(absent, torch.inf).amin(dim=1)
    high = edges[..., 2:].masked_fill(absent, -torch.inf).amax(dim=1)
    heights = torch.where(there, edges[..., 3] - edges[..., 1], torch.nan).nanmedian(dim=1).values
    first, last = torch.zeros_like(sizes), sizes.clone()
    chance = torch.rand(count, 4, device=device)
    windowed = there.any(dim=1) & (chance[:, 0] < WINDOW_PART)
    # Rows: two vertebrae to all of them, from anywhere on.
    least = FEWEST_LEVELS * heights
    most = torch.maximum(high[:, 1] - low[:, 1], least) + least / 2
    height = windowHeight(least, most, torch.rand(count, device=device))
    top = windowTop(low[:, 1], high[:, 1], height, torch.rand(count, device=device))
    cut = windowed & (chance[:, 1] >= WHOLE_HEIGHT_PART)
    first[:, 1] = torch.where(cut, top, first[:, 1])
    last[:, 1] = torch.where(cut, top + height, last[:, 1])
    # Columns: without what lies in front, or behind.
    depth = high[:, 0] - low[:, 0]
    front = low[:, 0] + depth * between(FRONT_CUT, torch.rand(count, device=device))
    back = high[:, 0] + depth * between(BACK_CUT, torch.rand(count, device=device))
    first[:, 0] = torch.where(windowed & (chance[:, 2] < FRONT_CUT_PART), front, first[:, 0])
    last[:, 0] = torch.where(windowed & (chance[:, 3] < BACK_CUT_PART), back, last[:, 0])
    first = torch.minimum(first.round().clamp(min=0), sizes)
    last = torch.maximum(torch.minimum(last.round(), sizes), first)
    return torch.stack([first, last], dim=2)


def _corners(edges: torch.Tensor, there: torch.Tensor, window: torch.Tensor, step: torch.Tensor,
             size: int) -> torch.Tensor:
    """Where in its slice the first pixel edge of each view lies, shape (n, 2), see ``Windows.placed``."""
    count, device = len(edges), edges.device
    extent = (window[..., 1] - window[..., 0]) / step
    room = size - extent
    chance, place = torch.rand(count, 1, device=device), torch.rand(count, 2, device=device)
    shift = torch.where(chance < FLUSH_PART, place.round(), place) * room
    # What is too large shows the middle of one of its boxes.
    someBox = torch.multinomial(there.float() + 1e-6, 1)[:, :, None].expand(-1, 1, 4)
    box = edges.gather(1, someBox)[:, 0]
    middle = ((box[:, :2] + box[:, 2:]) / 2 - window[..., 0]) / step
    shown = middle - size * between(SHOWN_PLACE, torch.rand(count, 2, device=device))
    shown = torch.minimum(shown.clamp(min=0), -room)
    return window[..., 0] - torch.where(room >= 0, shift, -shown) * step


def _sampled(pictures: torch.Tensor, window: torch.Tensor, corner: torch.Tensor, step: torch.Tensor,
             size: int) -> torch.Tensor:
    """The views' pixels, 0 to 1; black outside of the fields of view."""
    rows, columns = pictures.shape[-2:]
    pixels = torch.arange(size, device=pictures.device) + 0.5
    places = corner[..., None] + pixels * step[..., None]  # (n, 2, size), pixel edges
    inside = (places >= window[..., :1]) & (places < window[..., 1:])
    across = (places[:, 0] * (2 / columns) - 1)[:, None].expand(-1, size, -1)
    down = (places[:, 1] * (2 / rows) - 1)[:, :, None].expand(-1, -1, size)
    precision = torch.float16 if pictures.is_cuda else torch.float32
    sampled = functional.grid_sample(pictures.to(precision), torch.stack([across, down], dim=-1).to(precision),
                                     mode="bilinear", align_corners=False)
    mask = inside[:, 1, :, None] & inside[:, 0, None, :]
    return sampled.float() * mask[:, None] / 255


def _repainted(pictures: torch.Tensor) -> torch.Tensor:
    """Other brightness, noise and sharpness, and half of the patients mirrored: the outer channels change places."""
    count, device = len(pictures), pictures.device
    one = (count, 1, 1, 1)
    tissue = pictures > 0
    coarse = torch.rand(count, device=device) < COARSE_PART
    factor = int(torch.randint(2, 4, ()))
    size = pictures.shape[-1]
    blurred = functional.interpolate(functional.avg_pool2d(pictures, factor, ceil_mode=True), size=(size, size),
                                     mode="bilinear")
    pictures = torch.where(coarse[:, None, None, None], blurred, pictures)
    noise = torch.randn_like(pictures)
    smooth = 2.5 * functional.avg_pool2d(noise, 3, stride=1, padding=1)
    noise = torch.where(torch.rand(one, device=device) < 0.5, noise, smooth)
    strength = MOST_NOISE * torch.rand(one, device=device) * (torch.rand(one, device=device) < NOISY_PART)
    pictures = pictures * _uniform(one, *GAIN, device) + OFFSET * torch.randn(one, device=device) + strength * noise
    pictures = (pictures * tissue).clamp(0, 1)
    mirrored = torch.rand(one, device=device) < 0.5
    return torch.where(mirrored, pictures.flip(1), pictures)


def _targets(boxes: torch.Tensor, window: torch.Tensor, corner: torch.Tensor, step: torch.Tensor,
             size: int) -> dict[str, torch.Tensor]:
    """Boxes of what the views show, see ``Windows.cutBoxes``."""
    edges = boxes[..., 1:].reshape(*boxes.shape[:2], 2, 2)  # (n, boxes, low or high, axis)
    seen = torch.stack([torch.maximum(window[..., 0], corner), torch.minimum(window[..., 1], corner + size * step)], 1)
    cut = torch.minimum(torch.maximum(edges, seen[:, None, :1]), seen[:, None, 1:])
    extent = (cut[:, :, 1] - cut[:, :, 0]) / step[:, None]
    whole = (edges[:, :, 1] - edges[:, :, 0]) / step[:, None]
    kept = ((boxes[..., 0] >= 0) & (extent >= MINIMUM_EXTENT).all(dim=-1)
            & (extent.prod(dim=-1) >= MINIMUM_SHARE * whole.prod(dim=-1)))
    middle = (cut.mean(dim=2) - corner[:, None]) / step[:, None]
    which = kept.nonzero()
    return {
        "batch_idx": which[:, 0],
        "cls": boxes[..., 0][kept][:, None],
        "bboxes": torch.cat([middle[kept], extent[kept]], dim=1) / size,
    }
