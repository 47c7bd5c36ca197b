"""Errors a user can act on."""


class InputError(ValueError):
    """Input that cannot be used. The message is one sentence: what is wrong and what to do."""
