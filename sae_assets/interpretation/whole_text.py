"""Text out of JSON as files and databases take it: without halves of characters."""

from __future__ import annotations


def whole(text: str) -> str:
    r"""The text with U+FFFD for each half of a surrogate pair.

    JSON may hold `\ud83d` alone, as where a model is cut in the middle of an emoji; it is a string to Python, and an
    error to everything that encodes it, MongoDB first of all.
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
