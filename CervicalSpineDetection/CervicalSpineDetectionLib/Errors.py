"""Errors a user can act on."""

from CervicalSpineDetectionLib.PrintableText import printable

# A sentence with a long path; what a file makes longer is cut.
LONGEST_MESSAGE = 2000


class InputError(ValueError):
    """Input that cannot be used. The message is one sentence: what is wrong and what to do.

    It may quote names and values of files, and goes to terminals, tables and pages: nothing in it is obeyed there.
    """

    def __init__(self, message: str = "") -> None:
        text = printable(str(message), kept="\n\t")
        super().__init__(text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}...")


# What libraries say, in errors of various types, where the system gives no more memory: torch, ITK and its threads,
# protobuf, the loader of shared libraries, threads, and the interpreter's own import, which then has no room for an
# exception.
NO_MEMORY = ("allocate memory", "failed to map segment", "bad_alloc", "can't start new thread", "not enough memory",
             "Unable to join thread", "Failed to serialize proto", "bad allocation",
             "returned NULL without setting an exception", "error return without exception set")


def isShortOfMemory(error: BaseException) -> bool:
    """Whether an error, or one that led to it, says that there is no more memory."""
    while error is not None:
        if isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


# torch's own error has a type; those of the libraries below it (cuBLAS, cuDNN, the driver) are told by their text.
NO_GPU_MEMORY = ("out of memory", "ALLOC_FAILED", "MEMORY_ALLOCATION")


def isGpuMemory(error: BaseException) -> bool:
    """:param error: what a detection raised. :return: True where the graphics card had not enough memory."""
    # By name: the worker's server need not know torch.
    if type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in NO_GPU_MEMORY)
