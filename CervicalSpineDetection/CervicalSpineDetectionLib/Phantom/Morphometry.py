"""Published sizes of the vertebrae C1 to L5 and random individuals drawn from them.

Sources (values rounded, between the sexes, and moved within the published scatter so that neighbours fit together):

- Panjabi, Duranceau, Goel, Oxland, Takata: Cervical human vertebrae: quantitative three-dimensional anatomy of the
  middle and lower regions. Spine 1991; 16(8): 861-869.
- Panjabi, Takata, Goel et al.: Thoracic human vertebrae: quantitative three-dimensional anatomy. Spine 1991; 16(8):
  888-901.
- Panjabi, Goel, Oxland et al.: Human lumbar vertebrae: quantitative three-dimensional anatomy. Spine 1992; 17(3):
  299-306.
- Zhou, McCarthy, McGregor et al.: Geometrical dimensions of the lower lumbar vertebrae - analysis of data from
  digitised CT images. Eur Spine J 2000; 9(3): 242-248.
- Kunkel, Herkommer, Reinehr et al.: Morphometric analysis of the relationships between intervertebral disc and
  vertebral body heights: an anatomical and radiographic study of the human thoracic spine. J Anat 2011; 219: 375-387.
- Gilad, Nissan: A study of vertebra and disc geometric relations of the human cervical and lumbar spine. Spine 1986;
  11(2): 154-157 (body and disc heights).
- Doherty, Heggeness: The quantitative anatomy of the atlas. Spine 1994; 19(22): 2497-2500; Quantitative anatomy of the
  second cervical vertebra. Spine 1995; 20(5): 513-517.

Widths at the upper endplate include the uncinate processes. The extent of the processes also follows boxes drawn by
hand on CT, which are larger than most dry-bone means.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from CervicalSpineDetectionLib.Spine.Levels import LEVELS, LOWER_LEVELS


@dataclass(frozen=True)
class VertebraSize:
    """Sizes of one vertebra from C2 down, mm and degrees.

    :param upperWidth: left-right width at the upper endplate, uncinate processes included; likewise ``lowerWidth``.
    :param depth: antero-posterior depth of the endplates.
    :param height: of the body (C2: below the dens), without the anterior lip.
    :param canalWidth: of the vertebral foramen; likewise ``canalDepth``.
    :param spinousReach: how far the spinous process stands out behind the foramen, antero-posteriorly.
    :param spinousDrop: degrees, its inclination below the body's horizontal.
    :param transverseWidth: between the tips of the transverse processes.
    :param pillarOffset: from the midline to the middle of the articular pillar.
    :param disc: height of the disc below.
    """

    upperWidth: float
    lowerWidth: float
    depth: float
    height: float
    canalWidth: float
    canalDepth: float
    spinousReach: float
    spinousDrop: float
    transverseWidth: float
    pillarOffset: float
    disc: float


MEAN_SIZES = {
    "C2": VertebraSize(18, 19.5, 16, 15, 24, 18, 16.5, 14, 58.5, 19, 5.0),
    "C3": VertebraSize(20.5, 19.5, 16.3, 14.6, 23.5, 15.5, 14.5, 22, 55, 20, 5.2),
    "C4": VertebraSize(22, 20.5, 16.6, 13.8, 24.5, 15, 14.5, 24, 56, 20.5, 5.2),
    "C5": VertebraSize(23.5, 22, 17, 13.3, 25, 15, 16.5, 28, 58, 20.5, 5.2),
    "C6": VertebraSize(25.5, 24, 17.5, 13.6, 25.5, 15, 21.5, 32, 60, 20.5, 5.2),
    "C7": VertebraSize(28, 27, 18, 15, 24.5, 15.5, 27, 35, 63.5, 20, 4.8),
    "T1": VertebraSize(28, 28.5, 18.8, 16.2, 21.5, 16, 26.5, 39, 81, 16, 4.2),
    "T2": VertebraSize(27.5, 28.5, 20.8, 17.2, 19, 15.5, 28, 38, 74, 14.5, 3.8),
    "T3": VertebraSize(27, 28, 22.3, 17.6, 18.5, 15.5, 29.5, 42, 69, 13.5, 3.6),
    "T4": VertebraSize(27, 28, 23.3, 18.2, 17.5, 15.5, 28.5, 46, 69, 13, 3.6),
    "T5": VertebraSize(27.5, 28.5, 24.6, 18.8, 17.3, 15.5, 28, 52, 68, 12.8, 3.8),
    "T6": VertebraSize(28, 29.5, 26, 19.3, 17.3, 15.5, 29, 56, 67, 12.8, 4.0),
    "T7": VertebraSize(29, 30.5, 27.5, 19.8, 17.3, 15.5, 30, 56, 65, 12.8, 4.3),
    "T8": VertebraSize(30, 31.5, 28.3, 20.3, 17.5, 15.5, 29, 54, 63, 13, 4.5),
    "T9": VertebraSize(31, 33.5, 29.5, 20.8, 17.7, 15.7, 27, 48, 61, 13, 4.8),
    "T10": VertebraSize(32.5, 35.5, 30.5, 21.8, 18.2, 15.8, 25, 38, 56, 13.3, 5.3),
    "T11": VertebraSize(35, 38.5, 31.5, 22.8, 19.5, 16.2, 25, 26, 50, 13.5, 6.0),
    "T12": VertebraSize(39, 41.5, 32.5, 24.5, 21.8, 17.5, 26, 15, 47, 14, 7.0),
    "L1": VertebraSize(41.5, 43.5, 34, 26, 23.5, 18, 30, 8, 72, 15, 8.2),
    "L2": VertebraSize(43, 45.5, 34.7, 26.8, 23.8, 17.8, 32, 7, 77, 15.5, 9.3),
    "L3": VertebraSize(44.5, 48, 35, 27, 24.3, 17.5, 32, 7, 86, 17, 10.3),
    "L4": VertebraSize(46.8, 49.5, 35.2, 27, 25.4, 18, 28, 8, 84, 19, 11.0),
    "L5": VertebraSize(48, 49.5, 34.5, 26.5, 27, 18.5, 24, 10, 94, 21.5, 10.5),
}


@dataclass(frozen=True)
class AtlasSize:
    """Sizes of C1 and of C2's dens, mm.

    :param width: between the tips of the transverse processes.
    :param depth: from the anterior tubercle to the posterior one.
    :param massOffset: from the midline to the middle of a lateral mass.
    :param massHeight: of a lateral mass, at its middle.
    :param densHeight: of the dens above the body of C2; likewise ``densWidth``, ``densDepth``.
    :param densGap: between the anterior arch and the dens.
    """

    width: float = 82
    depth: float = 48
    massOffset: float = 20.5
    massHeight: float = 15
    densHeight: float = 22
    densWidth: float = 10.5
    densDepth: float = 11.5
    densGap: float = 1.5


@dataclass(frozen=True)
class Degeneration:
    """Wear of one vertebra and the disc below it.

    :param osteophyte: mm, growth at the body's margins.
    :param facet: factor on the thickness of the articular pillars.
    :param fused: bony bridge to the vertebra below.
    """

    osteophyte: float = 0.0
    facet: float = 1.0
    fused: bool = False


@dataclass(frozen=True)
class Individual:
    """All sizes of one person. ``sizes`` and ``wear`` map levels from C2 down.

    :param scale: size relative to the published means.
    :param cervicalRib: mm, length of a rib at C7 on the right and the left; 0 for none.
    """

    scale: float
    sizes: dict[str, VertebraSize]
    atlas: AtlasSize
    wear: dict[str, Degeneration]
    cervicalRib: tuple[float, float]


def randomIndividual(random: np.random.Generator) -> Individual:
    """A person of random size and age."""
    scale = np.clip(random.normal(1.0, 0.06), 0.86, 1.14)
    # One factor each for how wide, deep and high all vertebrae are, and a smaller one for each measure of each level.
    build = {"width": random.normal(1, 0.04), "depth": random.normal(1, 0.04), "height": random.normal(1, 0.05),
             "disc": random.normal(1, 0.10), "spinous": random.normal(1, 0.07), "canal": random.normal(1, 0.04)}
    age = random.beta(1.2, 1.6)
    sizes: dict[str, VertebraSize] = {}
    wear: dict[str, Degeneration] = {}
    for level in LEVELS[1:]:
        size = _jittered(MEAN_SIZES[level], scale, build, random)
        size, wear[level] = _worn(size, level, age, random)
        sizes[level] = size
    # A stream of its own: the neck of a seed does not depend on what lies below.
    lower = random.spawn(1)[0]
    for level in LOWER_LEVELS:
        size = _jittered(MEAN_SIZES[level], scale, build, lower)
        sizes[level], wear[level] = _worn(size, level, age, lower)
    atlas = AtlasSize()
    atlas = replace(atlas, **{f.name: getattr(atlas, f.name) * scale * np.clip(random.normal(1, 0.03), 0.93, 1.07)
                              for f in fields(atlas)})
    atlas = replace(atlas, densGap=random.uniform(1.2, 2.5))
    ribs = random.uniform(12, 45, 2) * (random.random(2) < 0.6) if random.random() < 0.05 else np.zeros(2)
    return Individual(scale, sizes, atlas, wear, tuple(ribs))


def _jittered(size: VertebraSize, scale: float, build: dict[str, float], random: np.random.Generator) -> VertebraSize:
    factors = {"upperWidth": build["width"], "lowerWidth": build["width"], "transverseWidth": build["width"],
               "pillarOffset": build["width"], "canalWidth": build["canal"] * build["width"],
               "canalDepth": build["canal"], "depth": build["depth"], "height": build["height"],
               "disc": build["disc"], "spinousReach": build["spinous"]}
    scatter = {"spinousReach": 0.10, "disc": 0.10, "pillarOffset": 0.015}
    drawn = {name: getattr(size, name) * scale * factor * np.clip(random.normal(1, scatter.get(name, 0.03)), 0.8, 1.2)
             for name, factor in factors.items()}
    return replace(size, **drawn, spinousDrop=size.spinousDrop + random.normal(0, 4))


def _worn(size: VertebraSize, level: str, age: float, random: np.random.Generator) -> tuple[VertebraSize, Degeneration]:
    """Discs narrow and margins grow with age, most at C5/6, C6/7 and low in the back; the chest is spared."""
    exposure = age * {"C2": 0.3, "C3": 0.6, "C4": 0.8, "C5": 1.2, "C6": 1.1, "T11": 0.5, "T12": 0.5, "L1": 0.5,
                      "L2": 0.6, "L3": 0.8, "L4": 1.1, "L5": 1.3}.get(level, 0.25)
    narrowing = np.clip(exposure * random.uniform(0, 0.8), 0, 0.7)
    wedge = random.uniform(0.1, 0.3) if random.random() < 0.01 else 0.0
    loss = np.clip(random.exponential(0.04) * age, 0, 0.2) + wedge
    fused = level not in ("C2", "T4") and random.random() < 0.012
    disc = 0.4 if fused else max(1.6, size.disc * (1 - narrowing))
    osteophyte = max(0.0, exposure * random.uniform(-0.5, 3.2)) if level != "C2" else 0.0
    facet = 1 + exposure * max(0.0, random.normal(0.05, 0.12))
    return replace(size, disc=disc, height=size.height * (1 - loss)), Degeneration(osteophyte, min(facet, 1.35), fused)
