"""Text of files shown to people: a name or a DICOM value may hold what a terminal obeys."""

from __future__ import annotations


def printable(text: str, kept: str = "") -> str:
    """Text in which every character can be seen: control characters, marks that turn the direction of writing and bytes
    that are no text become escapes such as ``\\x1b``.

    :param kept: characters that stay, say a line end.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() or character in kept else ascii(character)[1:-1]
                   for character in text)
