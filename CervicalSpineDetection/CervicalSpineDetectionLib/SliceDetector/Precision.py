"""How exactly the network computes: half precision where the hardware gains from it."""

from __future__ import annotations

import torch

from CervicalSpineDetectionLib.Errors import InputError

# As result files name them.
PRECISIONS = {"single": torch.float32, "half": torch.float16, "bfloat16": torch.bfloat16}
# Processors' instructions for bfloat16, as torch names them; without them it is slower than single precision.
BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")


def fastestPrecision(device: torch.device) -> str:
    """Name of the fastest precision that finds the same boxes.

    :param device: torch device.
    """
    if device.type == "cuda":
        return "half"
    # Older torch can't tell what the processor has.
    capabilities = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return "bfloat16" if any(capabilities.get(name) for name in BFLOAT16_INSTRUCTIONS) else "single"


def choosePrecision(precision: str, device: torch.device) -> str:
    """Name of a precision for "auto" (the fastest one on a torch device) or a name.

    :raises InputError: no such precision.
    """
    if precision not in ("auto", *PRECISIONS):
        raise InputError(f"There is no precision {precision}; use auto or {', '.join(PRECISIONS)}.")
    return fastestPrecision(device) if precision == "auto" else precision
