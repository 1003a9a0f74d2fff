"""The report of a checkpoint's explanations as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sae_assets.interpretation.amounts import usage_in_words
from sae_assets.interpretation.bootstrap import Mean
from sae_assets.interpretation.records import Usage
from sae_assets.interpretation.report import ExplanationReport, ScorerReport

NOTHING = "–"


def report_markdown(report: ExplanationReport, title: str) -> str:
    """The whole report, with a heading for each part."""
    parts = [f"# {title}", coverage(report), spent(report.usage)]
    if report.is_mixed:
        parts.append(
            "**Mixed:** these explanations, or their scores, were not all made in the same way (see the tables of "
            "origins and prompts), so that a mean over them compares unlike things."
        )
    if report.scorers:
        parts += ["## Scores", score_table(report.scorers)]
    for one in report.scorers:
        if one.by_density:
            parts += [f"## {one.scorer.capitalize()} by density", density_table(one)]
    if report.consistency or report.complexity:
        parts += ["## The explainer's own judgement", _ratings(report)]
    if report.origins:
        parts += ["## How explanations were made", _origins(report)]
    if report.scorers:
        parts += ["## Prompts of the scores", _prompts(report.scorers)]
    return "\n\n".join(parts) + "\n"


def coverage(report: ExplanationReport) -> str:
    """One sentence on how many features are explained, and how many could not be."""
    by_hand = f", {report.n_by_hand:,} of them by hand" if report.n_by_hand else ""
    told = f"{report.n_explained:,} of {report.d_sae:,} features ({report.n_alive:,} alive) are explained{by_hand}"
    if not report.failures:
        return f"{told}."
    kinds = ", ".join(f"{n:,} ({kind})" for kind, n in report.failures.items())
    return f"{told}; {sum(report.failures.values()):,} could not be, by what failed: {kinds}."


def spent(usage: Usage) -> str:
    """One sentence on what the explanations took."""
    return f"They took {usage_in_words(usage)}."


def score_table(scorers: Iterable[ScorerReport]) -> str:
    """A line for each score: its mean with the interval, its spread, and what could not be read."""
    rows = [
        (
            one.scorer,
            f"{one.mean.n:,}" if one.mean else "0",
            mean_text(one.mean),
            " / ".join(f"{quartile:.2f}" for quartile in one.quartiles) or NOTHING,
            f"{one.n_without_value:,}",
            f"{one.n_unparsable:,}",
        )
        for one in scorers
    ]
    return _table(
        (
            "score",
            "features",
            "mean (95 % interval)",
            "smallest / quartiles / largest",
            "no value",
            "unparsable windows",
        ),
        rows,
    )


def density_table(scorer: ScorerReport) -> str:
    """A line for each tenth of the scored features by density."""
    rows = [
        (f"{one.lowest:.2g} to {one.highest:.2g}", f"{one.mean.n:,}", mean_text(one.mean)) for one in scorer.by_density
    ]
    return _table(("density", "features", "mean (95 % interval)"), rows)


def mean_text(mean: Mean | None) -> str:
    """`0.873 (0.861 to 0.884)`."""
    if mean is None:
        return NOTHING
    return f"{mean.value:.3f}" if mean.low is None else f"{mean.value:.3f} ({mean.low:.3f} to {mean.high:.3f})"


def _ratings(report: ExplanationReport) -> str:
    rows = [
        (what, *(f"{counts.get(rating, 0):,}" for rating in range(1, 6)))
        for what, counts in (("consistency", report.consistency), ("complexity", report.complexity))
    ]
    return _table(("features rated", "1", "2", "3", "4", "5"), rows)


def _origins(report: ExplanationReport) -> str:
    rows = [
        (
            origin.explainer or NOTHING,
            "by hand" if origin.is_by_hand else origin.model or NOTHING,
            origin.prompt_hash or NOTHING,
            f"{n:,}",
        )
        for origin, n in report.origins
    ]
    return _table(("explainer", "model", "prompt", "features"), rows)


def _prompts(scorers: Iterable[ScorerReport]) -> str:
    rows = [(one.scorer, prompt, f"{n:,}") for one in scorers for prompt, n in one.prompts.items()]
    return _table(("score", "prompt", "features"), rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
