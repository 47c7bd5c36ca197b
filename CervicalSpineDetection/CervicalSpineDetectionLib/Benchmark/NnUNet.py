"""A network of TotalSegmentator's size, with random weights, to time what segmenting the whole field of view costs.

Isensee et al. 2021, nnU-Net, Nature Methods 18:203-211; Wasserthal et al. 2023, TotalSegmentator, Radiology: AI 5(5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TypeAlias

import torch
from torch import nn

from CervicalSpineDetectionLib.Benchmark.Processes import medianSeconds

FEATURES = (32, 64, 128, 256, 320, 320)  # of nnU-Net's 3d_fullres plans: two convolutions a stage
Steps: TypeAlias = tuple[int, int, int]  # along x, y, z
CLASSES = 25  # about what each of the five networks tells apart


@dataclass(frozen=True)
class Plan:
    """How TotalSegmentator's task "total" goes over a CT (version 2: totalsegmentator/python_api.py and nnunet.py).

    :param spacing: mm, isotropic.
    :param patch: voxels.
    :param models: networks run one after the other; one fold each, no mirroring.
    """

    spacing: float
    patch: tuple[int, int, int]
    models: int


PLANS = {"nnunet1.5mm": Plan(1.5, (128, 128, 128), 5), "nnunet3mm": Plan(3.0, (112, 112, 128), 1)}
# TotalSegmentator's for "total"; nnU-Net's own is 0.5.
STEP = 0.8


def patchCount(extent: Sequence[float], plan: Plan, step: float = STEP) -> int:
    """Patches of nnU-Net's sliding window over a field of view.

    :param extent: shape (3,), mm.
    :param step: of the patch size; neighbours are at most so far apart.
    """
    count = 1
    for length, patch in zip(extent, plan.patch, strict=True):
        size = max(round(length / plan.spacing), patch)
        count *= ceil((size - patch) / (patch * step)) + 1
    return count


class PlainUNet(nn.Module):
    """3D U-Net of plain convolutions, instance normalisation and leaky ReLU.

    :param patch: voxels of its input; see ``strides``.
    :param features: of each stage.
    """

    def __init__(self, patch: Sequence[int], features: Sequence[int] = FEATURES, classes: int = CLASSES) -> None:
        super().__init__()
        steps = strides(patch, len(features))
        self.encoder = nn.ModuleList(
            nn.Sequential(_block(n, m, step), _block(m, m))
            for n, m, step in zip((1, *features[:-1]), features, steps, strict=True))
        pairs = list(zip(features[:0:-1], features[-2::-1], steps[:0:-1], strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose3d(n, m, step, step) for n, m, step in pairs)
        self.decoder = nn.ModuleList(nn.Sequential(_block(2 * m, m), _block(m, m)) for _, m, _ in pairs)
        self.head = nn.Conv3d(features[0], classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        for up, stage, skip in zip(self.up, self.decoder, skips[-2::-1], strict=True):
            x = stage(torch.cat([up(x), skip], dim=1))
        return self.head(x)


def strides(patch: Sequence[int], stages: int) -> list[Steps]:
    """Of each stage: the first keeps the resolution, the others halve each axis that then has 4 voxels or more.

    :return: one a stage.
    """
    steps: list[Steps] = [(1, 1, 1)]
    x, y, z = patch
    for _ in range(stages - 1):
        steps.append((_halving(x), _halving(y), _halving(z)))
        x, y, z = (n // step for n, step in zip((x, y, z), steps[-1], strict=True))
    return steps


def _halving(voxels: int) -> int:
    return 2 if voxels % 2 == 0 and voxels >= 8 else 1


def _block(inputs: int, outputs: int, stride: int | Steps = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(inputs, outputs, 3, stride, 1), nn.InstanceNorm3d(outputs, affine=True),
                         nn.LeakyReLU(0.01, inplace=True))


@torch.inference_mode()
def secondsPerPatch(patch: Sequence[int], device: str, repeats: int,
                    features: Sequence[int] = FEATURES) -> tuple[float, float | None]:
    """Median seconds of one forward pass, in half precision on CUDA as nnU-Net does.

    :return: (seconds, GPU memory in MB or None).
    """
    network = PlainUNet(patch, features).eval().to(device)
    picture = torch.randn(1, 1, *patch, device=device)
    cuda = torch.device(device).type == "cuda"

    def run() -> None:
        with torch.autocast("cuda", enabled=cuda):
            network(picture)
        if cuda:
            torch.cuda.synchronize()

    seconds = medianSeconds(run, repeats, warmUp=cuda)
    return seconds, torch.cuda.max_memory_allocated() / 2**20 if cuda else None
