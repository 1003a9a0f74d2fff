"""Which characters of a text are shown as a sign or an escape, because they would control what shows them."""

from __future__ import annotations

import unicodedata

BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def controls(char: str) -> bool:
    """Whether a character is not shown but does something: control characters, half surrogates, turns of direction."""
    return unicodedata.category(char) in ("Cc", "Cs") or unicodedata.bidirectional(char) in BIDI_CONTROLS


def escaped(char: str) -> str:
    r"""A character as its escape: `\u202e`."""
    return repr(char)[1:-1]
