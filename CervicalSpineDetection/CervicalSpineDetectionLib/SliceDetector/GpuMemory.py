"""Whether an error says that the graphics card's memory ran out."""

# torch's own error has a type; those of the libraries below it (cuBLAS, cuDNN, the driver) are told by their text.
SIGNS = ("out of memory", "ALLOC_FAILED", "MEMORY_ALLOCATION")


def isGpuMemory(error: BaseException) -> bool:
    """:param error: what a detection raised. :return: True where the graphics card had not enough memory."""
    # By name: the worker's server need not know torch.
    if type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)
