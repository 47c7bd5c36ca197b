"""Windows of training pictures: any part of the spine anywhere in the picture, the boxes with it."""

import numpy as np
import pytest

from CervicalSpineDetectionLib.Training.Windows import cutBoxes, placed, randomView, randomWindow

SIZE = 256


def spinePicture(levels=10, rows=400, columns=300):
    """One block of its own brightness a level, 20 rows each with 4 between, and its box."""
    picture = np.full((rows, columns, 3), 10, np.uint8)
    boxes = []
    for level in range(levels):
        top = 60 + 24 * level
        picture[top : top + 20, 100:160] = 100 + 10 * level
        boxes.append((level, 100, top, 160, top + 20))
    return picture, boxes


def test_aBoxStaysOnItsVertebra():
    picture, boxes = spinePicture()
    random = np.random.default_rng(0)
    seen = 0
    for _ in range(200):
        view, kept = randomView(picture, boxes, SIZE, random)
        assert view.shape == (SIZE, SIZE, 3)
        for kind, *edges in kept:
            left, top, right, bottom = (round(edge) for edge in edges)
            assert 0 <= left < right <= SIZE and 0 <= top < bottom <= SIZE
            own = view[..., 0] == 100 + 10 * kind
            assert own[top:bottom, left:right].all() and own.sum() == (bottom - top) * (right - left)
            seen += 1
    assert seen > 500


def test_whatIsOutsideOfTheWindowIsBlack():
    picture, boxes = spinePicture()
    view, kept = placed(picture, boxes, (90, 100, 200, 170), SIZE, np.random.default_rng(1))
    assert (view > 0).any(axis=2).sum() == 110 * 70
    assert {box[0] for box in kept} == {2, 3, 4} or {box[0] for box in kept} == {1, 2, 3, 4}


def test_aVertebraOfWhichLittleIsLeftHasNoBox():
    box = [(3, 10, 10, 30, 30)]
    assert cutBoxes(box, (0, 0, 100, 16)) == []
    assert cutBoxes(box, (0, 0, 100, 20)) == [(3, 10, 10, 30, 20)]
    assert cutBoxes(box, (0, 0, 100, 20), corner=(5, -2)) == [(3, 5, 12, 25, 22)]


def test_thePlaceOfAVertebraSaysNothingAboutItsName():
    picture, boxes = spinePicture()
    random = np.random.default_rng(2)
    places = {level: [] for level in range(10)}
    topmost = []
    for _ in range(1500):
        _, kept = randomView(picture, boxes, SIZE, random)
        for kind, _, top, _, bottom in kept:
            places[kind].append((top + bottom) / 2)
        if kept:
            topmost.append(min(kept, key=lambda box: box[2])[0])
    middles = {level: (np.mean(rows), np.std(rows)) for level, rows in places.items()}
    # Each stands all over the picture (its ten levels are 216 rows long), and each is often the topmost.
    assert all(deviation > 45 for _, deviation in middles.values())
    assert max(mean for mean, _ in middles.values()) - min(mean for mean, _ in middles.values()) < 110
    shares = np.bincount(topmost, minlength=10) / len(topmost)
    assert shares[0] < 0.5 and (shares[:8] > 0.04).all()


def test_windowsHoldTwoVertebraeToAll():
    picture, boxes = spinePicture()
    random = np.random.default_rng(3)
    heights = [window[3] - window[1] for window in (randomWindow(picture.shape[:2], boxes, random) for _ in range(400))]
    assert min(heights) >= 20 and max(heights) == 400 and np.quantile(heights, 0.2) < 90


@pytest.mark.parametrize("side", [0, 2])
def test_someWindowsCutTheFrontOrTheBack(side):
    picture, boxes = spinePicture()
    random = np.random.default_rng(4)
    edges = np.array([randomWindow(picture.shape[:2], boxes, random)[side] for _ in range(300)])
    inside = (edges > 100) & (edges < 160)
    assert 0.05 < inside.mean() < 0.5


def test_aPictureWithoutBoxesIsShownToo():
    view, kept = randomView(np.full((300, 200, 3), 9, np.uint8), [], SIZE, np.random.default_rng(5))
    assert kept == [] and (view == 9).sum() == 256 * 200 * 3
