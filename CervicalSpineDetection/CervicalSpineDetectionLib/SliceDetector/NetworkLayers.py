"""The layers of YOLOv5, as ultralytics builds networks of them.

Stated here and not asked for by name: for "yolov5n.yaml" ultralytics takes a file of that name in the current folder
before its own, and runs what stands in it.
"""

from __future__ import annotations

from typing import Any

# Size -> depth, width and most channels, as multiples of the layers below (YOLOv5 v6.0, ultralytics' yolov5.yaml).
SCALES = {
    "n": (0.33, 0.25, 1024), "s": (0.33, 0.50, 1024), "m": (0.67, 0.75, 1024), "l": (1.00, 1.00, 1024),
    "x": (1.33, 1.25, 1024),
}

# What stands behind the size of a network whose activations are ReLU, not SiLU: 8 bits have it for nothing. A program
# that doesn't know the name refuses the weights, where it would compute nonsense without a word.
RELU = "-relu"
ARCHITECTURES = tuple(f"yolov5{size}{activation}" for activation in ("", RELU) for size in SCALES)


class WrongWeights(ValueError):
    """Weights of another network."""


def sizeOf(architecture: str) -> str:
    """Key of ``SCALES``."""
    return architecture.removeprefix("yolov5").removesuffix(RELU)


def fileOf(architecture: str) -> str:
    """Name of ultralytics' own description, which states no activation."""
    return f"yolov5{sizeOf(architecture)}.yaml"


def hasRelu(architecture: str) -> bool:
    """Whether its activations are ReLU; else they are SiLU."""
    return architecture.endswith(RELU)


def yolov5Layers(architecture: str, classCount: int) -> dict[str, Any]:
    """Description of a network that ultralytics' ``DetectionModel`` takes.

    Each layer is [which layers it looks at (-1: the one before), how often, kind, arguments].

    :param architecture: of ``ARCHITECTURES``; the activations are not stated, for ultralytics would use those that are
        in all networks from then on, see ``hasRelu``.
    :param classCount: number of classes.
    :return: a new dict; ultralytics changes it.
    """
    size = sizeOf(architecture)
    return {
        "nc": classCount,
        "scales": {size: list(SCALES[size])},
        "scale": size,
        "backbone": [
            [-1, 1, "Conv", [64, 6, 2, 2]],
            [-1, 1, "Conv", [128, 3, 2]],
            [-1, 3, "C3", [128]],
            [-1, 1, "Conv", [256, 3, 2]],
            [-1, 6, "C3", [256]],  # 4
            [-1, 1, "Conv", [512, 3, 2]],
            [-1, 9, "C3", [512]],  # 6
            [-1, 1, "Conv", [1024, 3, 2]],
            [-1, 3, "C3", [1024]],
            [-1, 1, "SPPF", [1024, 5]],  # 9
        ],
        "head": [
            [-1, 1, "Conv", [512, 1, 1]],  # 10
            [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
            [[-1, 6], 1, "Concat", [1]],
            [-1, 3, "C3", [512, False]],
            [-1, 1, "Conv", [256, 1, 1]],  # 14
            [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
            [[-1, 4], 1, "Concat", [1]],
            [-1, 3, "C3", [256, False]],  # 17: small objects, stride 8
            [-1, 1, "Conv", [256, 3, 2]],
            [[-1, 14], 1, "Concat", [1]],
            [-1, 3, "C3", [512, False]],  # 20: stride 16
            [-1, 1, "Conv", [512, 3, 2]],
            [[-1, 10], 1, "Concat", [1]],
            [-1, 3, "C3", [1024, False]],  # 23: large objects, stride 32
            [[17, 20, 23], 1, "Detect", ["nc"]],
        ],
    }
