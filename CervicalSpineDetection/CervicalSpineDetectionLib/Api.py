"""What notebooks and scripts import; the package itself offers it: ``from CervicalSpineDetectionLib import ...``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import SimpleITK as sitk

from CervicalSpineDetectionLib.SliceDetector.Detector import ProgressCallback, SliceDetector
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra


def detectVertebrae(image: sitk.Image, weights: str | Path | None = None, device: str = "auto",
                    progress: ProgressCallback | None = None, confirmed: Sequence[Vertebra] = ()) -> DetectionResult:
    """Find and name the cervical vertebrae of a CT.

    ```python
    >>> from CervicalSpineDetectionLib import detectVertebrae, readImage, toDataFrame
    >>> image = readImage("neck.nii.gz")                      # or a DICOM folder, or any sitk image in HU
    >>> result = detectVertebrae(image)
    >>> [vertebra.level for vertebra in result.vertebrae]
    ['C1', 'C2', 'C3', 'C4', 'C5', 'C6', 'C7']
    >>> table = toDataFrame(result)                           # one row a vertebra
    >>> table.columns[:5].tolist()
    ['level', 'confidence', 'uncertain', 'doubt', 'inferred']

    ```

    The network is loaded at the first call (some seconds) and kept for the next ones.

    :param image: 3D scalar sitk image in HU, any spacing and orientation.
    :param weights: path of a safetensors file, name of weights, or None for the shipped ones.
    :param device: "auto" (the GPU if there is one), "cuda", "mps" or "cpu".
    :param progress: called with (step, done, total).
    :param confirmed: Vertebra objects a person settled (LPS mm, the image's frame); they come back as they are, and
        anchor the levels of the others.
    :return: DetectionResult in the image's physical space (LPS mm); empty where no cervical vertebra was found.
    :raises InputError: image, weights or device can't be used.
    """
    from CervicalSpineDetectionLib import Pipeline

    return Pipeline.detectVertebrae(image, _detector(weights, device), progress, confirmed)


@lru_cache(maxsize=1)
def _detector(weights: str | Path | None, device: str) -> SliceDetector:
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

    return loadDetector(weights, device)
