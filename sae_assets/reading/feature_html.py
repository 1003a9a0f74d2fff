"""A feature as HTML for a notebook: no script, no style sheet, nothing from outside, and all that is data is escaped.

It stands on a page of which nothing is known. So colours are of the page, and what is shaded is so by a colour that
lets the page's own shine through: it can be read on light and on dark.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from sae_assets.cli.colouring import visible
from sae_assets.cli.feature_view import WINDOW_TOKENS, statistics_line
from sae_assets.interpretation.records import ExampleWindow
from sae_assets.runners.feature_examples import window_of
from sae_assets.settings import NON_ACTIVATING
from sae_assets.store.explanations import known_scores
from sae_assets.store.features import StoredFeature, StoredSample
from sae_assets.store.set_documents import TokenLogitDocument

SHADE = (245, 129, 43)
"""Colour of an active token, as red, green and blue."""
FAINTEST, STRONGEST = 0.12, 0.6
"""Opacity of the shade near 0 and at the feature's largest activation; more would make white text hard to read."""
_MUTED = Markup('style="opacity:.7;font-size:.9em"')
_ROW = Markup(
    '<div style="display:flex;gap:.8em;padding:.15em 0"><span style="opacity:.7;min-width:3.5em;text-align:right">'
    '{}</span><span dir="auto" style="overflow-wrap:anywhere;min-width:0">{}</span></div>'
)


def feature_html(sae_id: str, feature: StoredFeature, n_samples: int) -> str:
    """The feature's explanation, statistics, output tokens and the first `n_samples` contexts of each subsample."""
    parts = [_head(sae_id, feature)]
    if feature.logits is not None:
        parts += [_tokens("promotes", feature.logits.top), _tokens("suppresses", feature.logits.bottom)]
    for name, samples in feature.samples.items():
        if samples:
            parts.append(_subsample(name, samples[:n_samples], feature.statistics.max_act))
    return str(Markup('<div style="line-height:1.5;max-width:60em">{}</div>').format(Markup("").join(parts)))


def _head(sae_id: str, feature: StoredFeature) -> Markup:
    explanation = feature.explanation
    text = "not explained yet" if explanation is None else visible(explanation.text)
    scores = {} if explanation is None else known_scores(explanation)
    lines = (
        Markup("<span {}>{} · feature {}</span>").format(_MUTED, sae_id, feature.index),
        Markup("<b dir=auto>{}</b>").format(text),
        Markup("<span {}>{}</span>").format(_MUTED, ", ".join(f"{name} {value:.2f}" for name, value in scores.items())),
        Markup("<span {}>{}</span>").format(_MUTED, statistics_line(feature).plain),
    )
    return Markup("").join(Markup("<div>{}</div>").format(line) for line in lines)


def _tokens(title: str, tokens: Sequence[TokenLogitDocument]) -> Markup:
    shown = (
        Markup("<span style=\"white-space:pre\"><bdi><code>'{}'</code></bdi> <span {}>{:+.1f}</span></span>").format(
            visible(token.text), _MUTED, token.logit
        )
        for token in tokens
    )
    return Markup("<div><span {}>{}</span> {}</div>").format(_MUTED, title, Markup(" ").join(shown))


def _subsample(name: str, samples: Sequence[StoredSample], max_act: float) -> Markup:
    rows = Markup("").join(
        _ROW.format(f"{sample.peak:.2f}", _window(window_of(sample, WINDOW_TOKENS), max_act)) for sample in samples
    )
    return Markup('<details {} style="margin-top:.6em"><summary {}>{}</summary>{}</details>').format(
        "" if name == NON_ACTIVATING else "open", _MUTED, name.replace("_", " "), rows
    )


def _window(window: ExampleWindow, max_act: float) -> Markup:
    pieces = zip(window.pieces, window.activations.tolist(), strict=True)
    return Markup("").join(_piece(visible(text), activation, max_act) for text, activation in pieces)


def _piece(text: str, activation: float, max_act: float) -> Markup:
    if activation <= 0:
        return escape(text)
    # The space before a word stays plain, so that the shade covers the word alone.
    word = text.lstrip(" ") or text
    return Markup('{}<mark style="background:rgba({},{},{},{:.2f});color:inherit" title="{:.2f}">{}</mark>').format(
        text.removesuffix(word), *SHADE, opacity(activation, max_act), activation, word
    )


def opacity(activation: float, max_act: float) -> float:
    """How opaque the shade of an activation above 0 is: in a line from `FAINTEST` to `STRONGEST`."""
    share = min(activation / max_act, 1.0) if max_act > 0 else 1.0
    return FAINTEST + (STRONGEST - FAINTEST) * share
