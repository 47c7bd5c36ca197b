"""A small cohort's results, as ``cervical-spine cohort`` writes them."""

import csv

from sceneFixtures import madeImage, madeResult

from CervicalSpineDetectionLib.Results.ResultJson import writeJson
from CervicalSpineDetectionLib.Scene.SceneFiles import writeScene

SCANS = {"sure-0a1b2c3d4e": ("0.02", ("C3", "C4", "C5")), "doubtful-1a1b2c3d4e": ("1.4", ("C4", "C5", "C6"))}


def writeCohort(folder):
    """Two scans, the sure one first by name, and one that could not be used."""
    with open(folder / "scans.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["scan", "status", "doubt", "levels"])
        writer.writerow(["bad-2a1b2c3d4e", "failed", "", ""])
        for name, (doubt, levels) in SCANS.items():
            writer.writerow([name, "done", doubt, " ".join(levels)])
            scan = folder / "scans" / name
            scan.mkdir(parents=True)
            image, result = madeImage(size=(80, 80, 80)), madeResult(levels)
            writeJson(scan / "vertebrae.json", result)
            writeScene(scan / "scene.mrb", image, result, name)
    return folder
