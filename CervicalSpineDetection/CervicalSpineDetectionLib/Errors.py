"""Errors a user can act on."""

from CervicalSpineDetectionLib.PrintableText import printable

# A sentence with a long path; what a file makes longer is cut.
LONGEST_MESSAGE = 2000


class InputError(ValueError):
    """Input that cannot be used. The message is one sentence: what is wrong and what to do.

    It may quote names and values of files, and goes to terminals, tables and pages: nothing in it is obeyed there.
    """

    def __init__(self, message: str = ""):
        text = printable(str(message), kept="\n\t")
        super().__init__(text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}...")


# What libraries say, in errors of various types, where the system gives no more memory: torch, ITK, the loader of
# shared libraries, threads.
NO_MEMORY = ("allocate memory", "failed to map segment", "bad_alloc", "can't start new thread", "not enough memory")


def isShortOfMemory(error: BaseException) -> bool:
    """Whether an error, or one that led to it, says that there is no more memory."""
    while error is not None:
        if isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False
