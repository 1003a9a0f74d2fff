"""Text of the data as HTML: tokens shaded by how strongly a feature is active, and everything else harmless."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from sae_assets.runners.visible_text import controls, escaped
from sae_assets.web.models.features import Sample, Segment
from sae_assets.web.pages.formats import number

SHADES = 9
"""Steps of strength in which a token is shaded: the classes `a1` to `a9`."""
CONTROLS = {"\n": Markup('<i class="br">\n</i>'), "\t": Markup('<i class="tab">\t</i>')}
SPACE = Markup('<i class="sp">·</i>')


def window(sample: Sample, max_act: float) -> Markup:
    """The part of a context around its peak, with an ellipsis where the context goes on."""
    before = Markup('<i class="more">…</i>' if sample.has_more_before else "")
    after = Markup('<i class="more"> …</i>' if sample.has_more_after else "")
    inner = tokens(sample.segments, max_act)
    # A space that begins a window would only put its first line out of line with the others.
    return before + (inner if sample.has_more_before else inner.lstrip(" ")) + after


def tokens(segments: Sequence[Segment], max_act: float) -> Markup:
    """Text with each active token shaded by its activation, whose value shows on hover."""
    return Markup("".join(_segment(segment, max_act) for segment in segments))


def _segment(segment: Segment, max_act: float) -> str:
    if not segment.activation:
        return shown(segment.text)
    # The space before a word stays plain, so that the shade covers the word alone.
    word = segment.text.lstrip(" ") or segment.text
    space = segment.text.removesuffix(word)
    level = f"a{shade(segment.activation, max_act)}{' peak' if segment.is_peak else ''}"
    return f'{space}<mark class="{level}" data-v="{number(segment.activation)}">{shown(word)}</mark>'


def shade(activation: float, max_act: float) -> int:
    """In which step of strength, 1 to 9, an activation above 0 lies."""
    part = activation / max_act if max_act > 0 else 1.0
    return min(SHADES, max(1, -int(-part * SHADES // 1)))


def shown(text: str) -> Markup:
    """Text of the data: line breaks and tabs have a sign beside them, and what would control the page is an escape."""
    if text.isprintable():  # nearly always, and far faster than a look at each character
        return escape(text)
    return Markup("").join(_shown(char) if controls(char) else escape(char) for char in text.replace("\r\n", "\n"))


def _shown(char: str) -> Markup:
    return CONTROLS.get(char) or Markup('<i class="ctl">{}</i>').format(escaped(char))


def token(text: str) -> Markup:
    """An output token: spaces at its ends and line breaks are signs, so that ` a` and `a` are two things."""
    inner = text.strip(" ")
    before = len(text) - len(text.lstrip(" ")) if inner else len(text)
    after = len(text) - before - len(inner)
    return Markup(f'<bdi class="token">{SPACE * before}{shown(inner)}{SPACE * after}</bdi>')
