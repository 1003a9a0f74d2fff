"""Which features a run is for: a list of indices, or terms such as "0-499, alive, density 1e-5..1e-2, sample 200"."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sae_assets.settings.errors import nearest

TERMS = "7, 10-99, all, alive, density 1e-5..1e-2 or sample 200"
"""What a selection is made of, by example."""
_WORDS = ("all", "alive", "density", "sample")
_NUMBER = r"\d+"


class DensityRange(NamedTuple):
    """Densities from the first up to, without it, the last."""

    at_least: float = 0.0
    """Share of the analysed tokens."""
    below: float = math.inf
    """Likewise."""


@dataclass(frozen=True)
class FeatureSelection:
    """What a user asks for, before it is known which features there are."""

    ranges: tuple[range, ...] = ()
    """Indices, in the order asked for; empty for the whole dictionary."""
    is_alive_only: bool = False
    """Leave out those that never activate."""
    density: DensityRange | None = None
    """Leave out those that activate more or less often."""
    sample: int | None = None
    """Of what is left, this many at random: the same ones each time, and a smaller sample is part of a larger one."""


def parse_selection(asked: Sequence[int] | str | None) -> FeatureSelection:
    """Reads a list of indices, or terms with commas between them; all alive features where nothing is asked.

    Indices (`7`, `10-99` with both ends) unite, and dead ones are among them; `alive` and `density` leave out; `sample`
    draws from the rest. Without any index these are about all alive features, with `all` about the dead ones, too.

    Raises:
        ValueError: a term cannot be read; the sentence names it.
    """
    if asked is None:
        return FeatureSelection(is_alive_only=True)
    if not isinstance(asked, str):
        return FeatureSelection(_indices(asked))
    ranges: list[range] = []
    words: dict[str, str] = {}
    for term in [term.strip() for term in asked.split(",")]:
        word, _, rest = term.partition(" ")
        if re.fullmatch(rf"{_NUMBER}(\s*-\s*{_NUMBER})?", term, re.ASCII):
            ranges.append(_range(term))
        elif word not in _WORDS:
            raise ValueError(_unknown(term))
        elif word in words:
            raise ValueError(f"the term {word!r} is there twice; give it once")
        else:
            words[word] = rest.strip()
    for word in ("all", "alive"):
        if words.get(word):
            raise ValueError(f"the term '{word} {words[word]}' has a word too many; write {word!r}")
    return FeatureSelection(
        () if "all" in words else tuple(ranges),
        "alive" in words or not (ranges or "all" in words),
        _density(words["density"]) if "density" in words else None,
        _sample(words["sample"]) if "sample" in words else None,
    )


def checked_features(asked: Any) -> Any:
    """The setting as it is, once it is sure that it can be read; for the validators of the settings."""
    is_list = isinstance(asked, Sequence) and all(isinstance(index, int) for index in asked)
    if asked is not None and not isinstance(asked, str) and not is_list:
        raise ValueError(f"give a list of indices, or a text of terms such as {TERMS}")
    parse_selection(asked)
    return asked


def _indices(asked: Sequence[int]) -> tuple[range, ...]:
    if not asked:
        raise ValueError("the list of features is empty; leave it out for all alive ones")
    if lowest := min(min(asked), 0):
        raise ValueError(f"there is no feature {lowest}; they begin at 0")
    return tuple(range(index, index + 1) for index in dict.fromkeys(asked))


def _range(term: str) -> range:
    ends = [int(end) for end in term.split("-")]
    if ends[-1] < ends[0]:
        raise ValueError(f"the range {term!r} ends before it begins; write {ends[-1]}-{ends[0]}")
    return range(ends[0], ends[-1] + 1)


def _density(text: str) -> DensityRange:
    term = f"density {text}".strip()
    low, dots, high = (part.strip() for part in text.partition(".."))
    try:
        found = DensityRange(float(low or 0), float(high or math.inf))
    except ValueError:
        found = None
    if found is None or not dots or not (low or high):
        raise ValueError(f"the term {term!r} has no range; write 'density 1e-5..1e-2', where one end may be left out")
    if not 0 <= found.at_least < found.below:  # which no NaN is
        raise ValueError(f"the term {term!r} holds no density; the first must be at least 0 and below the second")
    return found


def _sample(text: str) -> int:
    if not re.fullmatch(_NUMBER, text, re.ASCII) or int(text) == 0:
        raise ValueError(f"the term {f'sample {text}'.strip()!r} has no number of features; write 'sample 200'")
    return int(text)


def _unknown(term: str) -> str:
    if not term:
        return f"there is nothing before or after a comma; give terms such as {TERMS}"
    closest = f"the nearest is {nearest(term, _WORDS)!r}, and " if term[0].isalpha() else ""
    return f"the term {term!r} is not known; {closest}terms are {TERMS}"
