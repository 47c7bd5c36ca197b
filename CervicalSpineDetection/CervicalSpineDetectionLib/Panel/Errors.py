"""What can't be done is said to the user."""

from contextlib import contextmanager

import slicer

from CervicalSpineDetectionLib.Errors import InputError


@contextmanager
def errorsShown():
    """Say what can't be done instead of raising it."""
    try:
        yield
    except (InputError, OSError) as error:
        slicer.util.errorDisplay(str(error))
