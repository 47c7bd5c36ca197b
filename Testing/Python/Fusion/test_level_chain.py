from itertools import combinations, product

import numpy as np
import pytest

from CervicalSpineDetectionLib.Fusion.LevelChain import _bestPath, _marginals, assignLevels
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, levelIndex
from CervicalSpineDetectionLib.Spine.Morphometry import SPACING_MM


def chain(first, last, scale=1.0):
    """Centres of consecutive levels, head down, LPS mm."""
    heights = np.concatenate([[0], np.cumsum(SPACING_MM * scale)])[levelIndex(first) : levelIndex(last) + 1]
    return np.stack([np.zeros_like(heights), np.zeros_like(heights), -heights], axis=1)


def evidence(*levels, strength=0.8, slices=10, blur=0.0):
    """Class scores of each track; ``blur`` leaks to the neighbouring levels."""
    result = []
    for level in levels:
        row = np.full(11, 0.01)
        i = levelIndex(level)
        row[i] = strength
        for j in (i - 1, i + 1):
            if 0 <= j < 11:
                row[j] = max(row[j], blur * strength)
        result.append(np.tile(row, (slices, 1)))
    return result


def names(links):
    return [LEVELS[link.level] for link in links]


def test_clearEvidenceNamesTheWholeNeck():
    links = assignLevels(chain("C1", "T1"), evidence(*LEVELS[:8]))
    assert names(links) == list(LEVELS[:8])
    assert min(link.confidence for link in links) > 0.9


def test_oneWrongLookDoesNotBreakTheOrder():
    seen = ["C1", "C2", "C3", "C3", "C5", "C6", "C7"]
    assert names(assignLevels(chain("C1", "C7"), evidence(*seen, blur=0.4))) == list(LEVELS[:7])


def test_aPartialFieldOfViewKeepsItsLevels():
    assert names(assignLevels(chain("C4", "C6"), evidence("C4", "C5", "C6"))) == ["C4", "C5", "C6"]


def test_aMissedLevelLeavesAGapAndNoShift():
    centres = np.delete(chain("C1", "C7"), 3, axis=0)
    seen = ["C1", "C2", "C3", "C5", "C6", "C7"]
    assert names(assignLevels(centres, evidence(*seen, blur=0.5))) == seen


def test_aGhostBetweenTwoLevelsIsLeftOut():
    centres = np.insert(chain("C1", "C7"), 4, (chain("C4", "C4") - [0, 0, 53 + 9])[0], axis=0)
    scores = evidence(*LEVELS[:7])
    scores.insert(4, np.full((3, 11), 0.1))
    links = assignLevels(centres, scores)
    assert names(links) == list(LEVELS[:7]) and 4 not in [link.candidate for link in links]


def test_anExtraThoracicLevelIsNotCalledCervical():
    assert names(assignLevels(chain("C5", "T4"), evidence("C5", "C6", "C7", "T1", "T2", "T3", "T4")))[3:] == [
        "T1", "T2", "T3", "T4"]


def test_vertebraeBelowTheLastLevelDoNotShiftTheChain():
    # As a network saw a bent neck down to T5: its opinion slips by a level, and the vertebra below T4 is T4 for it.
    slips = [0, 0, 0.02, 0.1, 0.83, 0.74, 0.68, 0.5, 0.45, 0.45, 0.45, 1]
    scores = []
    for index, slip in enumerate(slips):
        row = np.zeros(11)
        row[max(index - 1, 0)] = slip
        row[min(index, 10)] += 1 - slip
        scores.append(np.tile(row, (20, 1)))
    centres = np.concatenate([chain("C1", "T4"), chain("T4", "T4") - [[0, 0, 21]]])
    links = assignLevels(centres, scores, [True] * 12)
    assert names(links) == list(LEVELS) and [link.candidate for link in links] == list(range(11))
    assert min(link.confidence for link in links) > 0.9


@pytest.mark.parametrize("scale", [0.8, 1.2])
def test_smallAndLargePeopleAreMeasuredByTheirOwnScale(scale):
    centres = np.delete(chain("C1", "C7", scale), 3, axis=0)
    seen = ["C1", "C2", "C3", "C5", "C6", "C7"]
    assert names(assignLevels(centres, evidence(*seen, blur=0.5))) == seen


def test_evidenceThatFitsTwoShiftsIsUncertain():
    scores = []
    for upper, lower in (("C3", "C4"), ("C4", "C5"), ("C5", "C6")):
        row = np.full(11, 0.01)
        row[[levelIndex(upper), levelIndex(lower)]] = 0.4
        scores.append(np.tile(row, (10, 1)))
    links = assignLevels(chain("C3", "C5"), scores)
    assert max(link.confidence for link in links) < 0.75


def test_noTracksGiveNoLevels():
    assert assignLevels(np.empty((0, 3)), []) == []


def test_oneLevelTwiceIsNamedOnce():
    centres = np.array([[0, 0, 0], [0, 0, -2.0], [0, 0, -17]])
    links = names(assignLevels(centres, evidence("C4", "C4", "C5")))
    assert sorted(set(links)) == sorted(links)


def test_aSettledLevelAnchorsTheOthers():
    seen = ["C4", "C5", "C6", "C7"]
    settled = [None, levelIndex("C4"), None, None]
    links = assignLevels(chain("C3", "C6"), evidence(*seen, blur=0.4), [True] * 4, settled)
    assert names(links) == ["C3", "C4", "C5", "C6"]


def test_pathAndConfidencesAreThoseOfAllPathsTriedOneByOne():
    random = np.random.default_rng(1)
    count, levels = 4, 3
    emission, outlier = -3 * random.random((count, levels)), random.random(count)
    between = np.array([[outlier[i + 1 : j].sum() for j in range(count)] for i in range(count)])
    score = -random.random((count, count, levels, levels)) - between[..., None, None]
    score[..., np.tri(levels, dtype=bool)] = -np.inf

    paths = [tuple(zip(chosen, named, strict=True)) for length in range(1, count + 1)
             for chosen in combinations(range(count), length) for named in product(range(levels), repeat=length)]
    logs = np.array([
        sum(emission[step] for step in path) - outlier[: path[0][0]].sum() - outlier[path[-1][0] + 1 :].sum()
        + sum(score[i, j, upper, lower] for (i, upper), (j, lower) in zip(path, path[1:], strict=False))
        for path in paths])
    marginals = np.zeros((count, levels))
    for path, log in zip(paths, logs, strict=True):
        for step in path:
            marginals[step] += np.exp(log) / np.exp(logs).sum()

    assert _bestPath(emission, score, outlier) == list(paths[logs.argmax()])
    assert np.allclose(_marginals(emission, score, outlier), marginals)
