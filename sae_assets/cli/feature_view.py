"""A feature as a page on the terminal, and the same as JSON."""

from __future__ import annotations

from typing import Any

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from sae_assets.cli.colouring import coloured, legend, visible
from sae_assets.cli.explanation_view import failure_line
from sae_assets.runners.feature_examples import window_of
from sae_assets.store.features import StoredFeature, StoredSample
from sae_assets.store.kept_documents import ExplanationFailureDocument
from sae_assets.store.lookup import FoundAnalysis
from sae_assets.store.set_documents import TokenLogitDocument

WINDOW_TOKENS = 40
"""Tokens that are shown around a peak."""


def print_feature(
    found: FoundAnalysis,
    feature: StoredFeature,
    n_samples: int,
    failure: ExplanationFailureDocument | None = None,
    console: Console | None = None,
) -> None:
    """Prints the page of a feature."""
    (console or Console(highlight=False)).print(feature_page(found, feature, n_samples, failure))


def feature_page(
    found: FoundAnalysis, feature: StoredFeature, n_samples: int, failure: ExplanationFailureDocument | None = None
) -> Group:
    """The feature's explanation, or why it has none, then statistics, output tokens and samples."""
    parts: list[RenderableType] = [_head(found, feature), statistics_line(feature)]
    if failure is not None:
        parts.insert(1, failure_line(failure))
    if feature.logits is not None:
        parts.append(_output_tokens({"promotes": feature.logits.top, "suppresses": feature.logits.bottom}))
    samples = [
        Padding(_samples(name, samples[:n_samples], feature.statistics.max_act), (1, 0, 0, 1))
        for name, samples in feature.samples.items()
        if samples and n_samples
    ]
    return Group(
        Rule(Text(f"{found.sae.id}  feature {feature.index}", style="bold"), align="left"),
        Padding(Group(*parts), (0, 0, 0, 1)),
        "",
        Padding(legend(), (0, 0, 0, 1)),
        *samples,
        "",
    )


def feature_json(found: FoundAnalysis, feature: StoredFeature, n_samples: int) -> dict[str, Any]:
    """The same as values that JSON can hold; windows are whole, as `tokens` with one activation each."""
    statistics, explanation, logits = feature.statistics, feature.explanation, feature.logits
    return {
        "name": found.sae.name,
        "series": found.sae.series,
        "analysis": found.analysis.name,
        "index": feature.index,
        "explanation": explanation
        and explanation.model_dump(mode="json", exclude={"sae", "analysis", "index", "written_ms"}),
        "statistics": statistics.model_dump(exclude={"analysis", "index", "histogram", "neighbours", "coactive"}),
        "neighbours": [neighbour.model_dump() for neighbour in feature.neighbours],
        "coactive": [neighbour.model_dump() for neighbour in feature.coactive],
        "logits": logits
        and {
            "variant": logits.variant,
            "top": [token.model_dump() for token in logits.top],
            "bottom": [token.model_dump() for token in logits.bottom],
        },
        "samples": {name: [_sample(sample) for sample in group[:n_samples]] for name, group in feature.samples.items()},
    }


def _head(found: FoundAnalysis, feature: StoredFeature) -> Text:
    if feature.explanation is None:
        return Text(f"{found.sae.model_name} at {found.sae.hook_point}; not explained yet", style="dim")
    scores = ", ".join(
        f"{score['scorer']} {score['value']:.2f}" for score in feature.explanation.scores if score["value"] is not None
    )
    return Text.assemble((visible(feature.explanation.text), "bold"), (f"  {scores}", "dim"))


def statistics_line(feature: StoredFeature) -> Text:
    """How often and how strongly it activates, in words."""
    statistics = feature.statistics
    if statistics.act_times == 0:
        return Text(f"dead: active on none of {statistics.n_analyzed_tokens:,} tokens", style="dim")
    return Text(
        f"active on {statistics.act_times:,} of {statistics.n_analyzed_tokens:,} tokens ({statistics.density:.3%}), in "
        f"{statistics.act_contexts:,} contexts; max {statistics.max_act:.2f}, mean {statistics.mean_act:.2f}",
        style="dim",
    )


def _output_tokens(ends: dict[str, tuple[TokenLogitDocument, ...]]) -> Table:
    table = Table.grid(padding=(0, 1))
    for title, tokens in ends.items():
        table.add_row(Text(title, style="dim"), Columns(map(_token, tokens), padding=(0, 2)))
    return table


def _token(token: TokenLogitDocument) -> Text:
    return Text.assemble(repr(visible(token.text)), (f" {token.logit:+.1f}", "dim"), no_wrap=True)


def _samples(name: str, samples: list[StoredSample], max_act: float) -> Group:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim")
    table.add_column(ratio=1)
    for sample in samples:
        table.add_row(f"{sample.peak:.2f}", coloured(window_of(sample, WINDOW_TOKENS), max_act))
    return Group(Text(name, style="bold"), table)


def _sample(sample: StoredSample) -> dict[str, Any]:
    window = window_of(sample, sample.stop - sample.start)
    return {
        "context_idx": sample.context.context_idx,
        "dataset": sample.context.dataset,
        "document_idx": sample.context.document_idx,
        "peak": sample.peak,
        "text": window.text,
        "tokens": [
            {"text": piece, "activation": activation}
            for piece, activation in zip(window.pieces, window.activations.tolist(), strict=True)
        ],
    }
