"""Try a text: what features do on text that a person typed."""

from __future__ import annotations

from sae_assets.web.context import WebContext, refuse_out_of_range
from sae_assets.web.models.text import ActiveFeature, Text, TextActivations, TextToken


def text_activations(context: WebContext, series: str, name: str, analysis: str, text: Text) -> TextActivations:
    """What one feature, or the strongest features of each token, do on a text. The first time a model is loaded.

    Raises:
        NotFoundError: there is no such analysis or feature.
        UserError: the model or the SAE cannot be loaded, or too many texts wait.
    """
    found = context.found(series, name, analysis).analysis
    if text.feature is not None:
        refuse_out_of_range(found.id, found.d_sae, text.feature)
    read = context.inference.text_activations(series, name, analysis, text.text, text.feature, text.n_features)
    tokens = [
        TextToken(
            text=piece.text,
            activation=piece.activation,
            strongest=[ActiveFeature(index=one.index, activation=one.activation) for one in piece.strongest],
        )
        for piece in read.pieces
    ]
    named = {active.index for token in tokens for active in token.strongest}
    return TextActivations(
        tokens=tokens,
        n_tokens=read.n_tokens,
        is_truncated=read.is_truncated,
        explanations=context.explanations(found, sorted(named)),
    )
