from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from CervicalSpineDetectionLib.Fusion import LevelChain, Settings
from CervicalSpineDetectionLib.Fusion.LevelChain import LevelPosterior, Sighting, levelPosterior
from CervicalSpineDetectionLib.Fusion.LevelModel import LevelModel
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, SPINE_LEVELS, Level, levelIndex
from CervicalSpineDetectionLib.Spine.Morphometry import DEPTH_MM, SPACING_MM

MODEL = LevelModel()
CLEAR = 20.0  # mm of evidence


def chain(first, last, scale=1.0):
    """Sightings of consecutive levels without an opinion, head down, LPS mm."""
    heights = np.concatenate([[0], np.cumsum(SPACING_MM * scale)])
    orders = range(Level(first).order, Level(last).order + 1)
    return [Sighting(np.array([0.0, 0, -heights[order]]), np.ones(12), CLEAR, CLEAR, DEPTH_MM[order] * scale, False)
            for order in orders]


def seenAs(sightings, levels, blur=0.0):
    """The same with an opinion; ``blur`` leaks to the neighbouring levels."""
    result = []
    for sighting, level in zip(sightings, levels, strict=True):
        scores = np.full(12, 0.01)
        i = min(Level(level).order, 11)
        for j in (i - 1, i + 1):
            if 0 <= j < 12:
                scores[j] = max(scores[j], blur)
        scores[i] = 1.0
        result.append(replace(sighting, classScores=10 * scores))
    return result


def namesOf(sightings, model=MODEL):
    return [SPINE_LEVELS[order] for _, order in levelPosterior(sightings, model).names()]


def confidences(sightings, model=MODEL):
    posterior = levelPosterior(sightings, model)
    return [posterior.marginals[index, order] for index, order in posterior.names()]


def test_clearEvidenceNamesTheWholeNeck():
    neck = seenAs(chain("C1", "T1"), LEVELS[:8])
    assert namesOf(neck) == list(LEVELS[:8]) and min(confidences(neck)) > 0.95


def test_oneWrongLookDoesNotBreakTheOrder():
    assert namesOf(seenAs(chain("C1", "C7"), ["C1", "C2", "C3", "C3", "C5", "C6", "C7"], blur=0.4)) == list(LEVELS[:7])


def test_aPartialFieldOfViewKeepsItsLevels():
    assert namesOf(seenAs(chain("C4", "C6"), ["C4", "C5", "C6"])) == ["C4", "C5", "C6"]


def test_aMissedLevelLeavesAGapAndNoShift():
    seen = ["C1", "C2", "C3", "C5", "C6", "C7"]
    sightings = chain("C1", "C7")
    assert namesOf(seenAs([*sightings[:3], *sightings[4:]], seen, blur=0.5)) == seen


def test_whatIsHardlySeenBetweenTwoLevelsGetsNoName():
    sightings = seenAs(chain("C1", "C7"), LEVELS[:7])
    ghost = replace(sightings[4], centre=sightings[3].centre - [0, 0, 9], evidence=2.0, bodyEvidence=0.0,
                    classScores=np.full(12, 0.2))
    posterior = levelPosterior([*sightings[:4], ghost, *sightings[4:]], MODEL)
    assert [index for index, _ in posterior.names()] == [0, 1, 2, 3, 5, 6, 7]
    assert [order for _, order in posterior.names()] == list(range(7))


def test_thoracicLevelsAreNotCalledCervical():
    names = namesOf(seenAs(chain("C5", "T4"), ["C5", "C6", "C7", "T1", "T2", "T3", "T4"]))
    assert names[3:] == ["T1", "T2", "T3", "T4"]


def test_vertebraeBelowTheLastLevelHaveAPlaceInTheChain():
    seen = seenAs(chain("C1", "T8"), [*LEVELS, "T5", "T5", "T5", "T5"], blur=0.3)
    assert namesOf(seen) == list(SPINE_LEVELS[:15])


def test_aLumbarSpineIsNotCalledCervical():
    lumbar = seenAs(chain("L1", "L5"), ["T5"] * 5)
    assert not set(namesOf(lumbar)) & set(LEVELS)


def test_whatIsTooDeepForACervicalVertebraIsDoubted():
    # Three vertebrae, 85 mm from front to back, that look like C5 to C7 to the network.
    true = seenAs(chain("C5", "C7"), ["C5", "C6", "C7"], blur=0.5)
    deep = [replace(sighting, depth=85.0) for sighting in true]

    def cervical(sightings):
        return levelPosterior(sightings, replace(MODEL, depthWeight=1.0)).marginals[:, :7].sum(axis=1).min()

    assert cervical(deep) < cervical(true) - 0.2


def test_aDepthThatTheFieldOfViewCutsSpeaksAgainstNoDeeperLevel():
    seen = seenAs(chain("T1", "T3"), ["T1", "T2", "T3"])
    shallow = [replace(sighting, depth=30.0, depthIsCut=True) for sighting in seen]
    assert namesOf(shallow, replace(MODEL, depthWeight=1.0)) == ["T1", "T2", "T3"]


@pytest.mark.parametrize("scale", [0.7, 0.8, 1.2])
def test_smallAndLargePeopleAreMeasuredByTheirOwnScale(scale):
    sightings = chain("C1", "C7", scale)
    seen = ["C1", "C2", "C3", "C5", "C6", "C7"]
    assert namesOf(seenAs([*sightings[:3], *sightings[4:]], seen, blur=0.5)) == seen


def test_evidenceThatFitsTwoNamingsIsUncertainAndSaysWhichIsTheOther():
    between = chain("C3", "C5")
    scores = [np.full(12, 0.1) for _ in between]
    for row, (upper, lower) in zip(scores, (("C3", "C4"), ("C4", "C5"), ("C5", "C6")), strict=True):
        row[[levelIndex(upper), levelIndex(lower)]] = [4.2, 4.0]
    sightings = [replace(one, classScores=row) for one, row in zip(between, scores, strict=True)]
    assert namesOf(sightings) == ["C3", "C4", "C5"] and max(confidences(sightings)) < 0.75
    shift, probability = levelPosterior(sightings, MODEL).alternative()
    assert shift == 1 and 0.2 < probability < 0.5


def test_opinionsOfOnePictureAreNoIndependentWitnesses():
    # Seven vertebrae, each likelier by a little at one naming: together no certainty.
    slightly = seenAs(chain("C4", "T3"), ["C4", "C5", "C6", "C7", "T1", "T2", "T3"], blur=0.8)
    assert max(confidences(slightly, replace(MODEL, evidenceWeight=0.5, crowding=1.0, depthWeight=0.0))) < 0.6


def test_theRestToOneIsNoVertebra():
    doubtful = replace(seenAs(chain("C4", "C4"), ["C4"])[0], evidence=1.0, bodyEvidence=0.0)
    posterior = levelPosterior([doubtful], MODEL)
    assert 0 < posterior.marginals.sum() < 1


def test_noSightingsGiveNoNames():
    posterior = levelPosterior([], MODEL)
    assert posterior.names() == [] and posterior.alternative() == (0, 0.0)


def test_oneLevelTwiceIsNamedOnce():
    one, two, three = seenAs(chain("C4", "C6"), ["C4", "C4", "C5"])
    names = namesOf([one, replace(two, centre=one.centre - [0, 0, 2.0]), three])
    assert sorted(set(names)) == sorted(names)


def test_aSettledLevelAnchorsTheOthers():
    sightings = seenAs(chain("C3", "C6"), ["C4", "C5", "C6", "C7"], blur=0.4)
    sightings[1] = replace(sightings[1], settled=Level.C4)
    assert namesOf(sightings) == ["C3", "C4", "C5", "C6"]


def test_namesAreTheRisingPathWithTheMostExpectedRightNames():
    random = np.random.default_rng(2)
    marginals = random.dirichlet(np.ones(24), size=4)
    paths = [tuple(zip(chosen, named, strict=True)) for length in range(1, 5)
             for chosen in combinations(range(4), length) for named in combinations(range(24), length)]
    best = max(paths, key=lambda path: sum(marginals[step] for step in path))
    assert LevelPosterior(marginals).names() == list(best)


def test_marginalsAreThoseOfAllPathsTriedOneByOne(monkeypatch):
    monkeypatch.setattr(Settings, "SCALES", np.array([1.0]))
    sightings = seenAs(chain("C3", "C5"), ["C4", "C4", "C5"], blur=0.6)
    sightings[1] = replace(sightings[1], evidence=3.0, bodyEvidence=1.0)
    emission = (LevelChain._classLogLikelihood(sightings, MODEL) + LevelChain._depthLogLikelihood(sightings, MODEL))[0]
    cost = LevelChain._falseCosts(sightings, MODEL)
    with np.errstate(divide="ignore"):
        steps = np.log(LevelChain._steps(np.array([sighting.centre for sighting in sightings]), np.ones(3), MODEL)[0])
    logs, found = [-cost.sum()], [()]
    for length in range(1, 4):
        for chosen, named in product(combinations(range(3), length), combinations(range(24), length)):
            path = tuple(zip(chosen, named, strict=True))
            pairs = zip(path, path[1:], strict=False)
            logs.append(sum(emission[step] for step in path) + sum(steps[i, j, a, b] for (i, a), (j, b) in pairs)
                        - sum(cost[i] for i in range(3) if i not in chosen))
            found.append(path)
    weights = np.exp(np.array(logs) - max(logs))
    marginals = np.zeros((3, 24))
    for path, weight in zip(found, weights / weights.sum(), strict=True):
        for step in path:
            marginals[step] += weight
    assert np.allclose(levelPosterior(sightings, MODEL).marginals, marginals)
