"""The whole story of a feature's explanation on the terminal, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from sae_assets.cli.colouring import visible
from sae_assets.cli.tables import NOTHING
from sae_assets.interpretation.amounts import stored_usage, usage_in_words
from sae_assets.runners.explanation_story import ExplanationStory, Misjudged
from sae_assets.store.kept_documents import ExplanationFailureDocument, ExplanationVersionDocument
from sae_assets.store.lookup import FoundAnalysis

MEASURES = ("accuracy", "precision", "recall", "f1")
CELLS = ("true_positive", "false_positive", "true_negative", "false_negative")
SHOWN_TEXT = 300
"""Characters of a misjudged context that are shown."""


def print_story(found: FoundAnalysis, index: int, story: ExplanationStory, console: Console | None = None) -> None:
    """Prints the explanation with its scores, what was misjudged, the prompt, the answer, and what was before."""
    console = console or Console(highlight=False)
    console.print(Rule(Text(f"{found.sae.id}  feature {index}: explanation", style="bold"), align="left"))
    parts: list[RenderableType] = []
    if story.current is None:
        parts.append(Text("not explained yet", style="dim"))
    else:
        parts += [_head(story.current), *_scores(story.current)]
    if story.failure is not None:
        parts.append(failure_line(story.failure))
        if story.failure.answer:
            parts.append(_titled("answer that could not be read", _lines(story.failure.answer)))
    if story.misjudged:
        parts.append(_titled("judged wrongly", _misjudged(story.misjudged)))
    if story.current is not None:
        for title, text in (("prompt", story.current.prompt), ("answer", story.current.answer)):
            if text:
                parts.append(_titled(title, _lines(text)))
    if story.earlier:
        parts.append(_titled("other explanations, newest first", _earlier(story.earlier)))
    for part in parts:
        console.print(Padding(part, (0, 0, 1, 1)))


def story_json(found: FoundAnalysis, index: int, story: ExplanationStory) -> dict[str, Any]:
    """The same as values that JSON can hold."""
    current, failure = story.current, story.failure
    return {
        "name": found.sae.name,
        "series": found.sae.series,
        "analysis": found.analysis.name,
        "index": index,
        "explanation": current and _explanation(current),
        "misjudged": [{"scorer": one.scorer, **one.verdict._asdict(), "text": one.text} for one in story.misjudged],
        "failure": failure and failure.model_dump(mode="json", exclude={"sae", "analysis", "index"}),
        "history": [_explanation(one) for one in story.earlier],
    }


def failure_line(failure: ExplanationFailureDocument) -> Text:
    """Why a feature could not be explained."""
    return Text.assemble(
        ("could not be explained: ", "bold"),
        visible(failure.reason),
        (f"  ({failure.failed_at:%Y-%m-%d %H:%M} UTC; the next run tries again)", "dim"),
    )


def _head(one: ExplanationVersionDocument) -> Text:
    return Text.assemble((visible(one.text), "bold"), "\n", (visible(_how_it_came(one)), "dim"))


def _how_it_came(one: ExplanationVersionDocument) -> str:
    """One line: who, by which prompt, when, and for how much."""
    when = f"{one.created_at:%Y-%m-%d %H:%M} UTC"
    if one.is_by_hand:
        return f"written by hand, {when}"
    parts = [f"by {one.model or 'a model'}, {when}"]
    if one.explainer:
        parts.append(f"explainer {one.explainer}" + (f" (prompt {one.prompt_hash})" if one.prompt_hash else ""))
    if one.consistency is not None and one.complexity is not None:
        parts.append(f"consistency {one.consistency} of 5, complexity {one.complexity} of 5")
    if one.usage:
        usage = stored_usage(one.usage)
        parts.append(usage_in_words(usage))
        if usage.n_from_cache:
            parts.append(f"{usage.n_from_cache:,} of the answers from the cache")
    if one.seconds is not None:
        parts.append(f"{one.seconds:.1f} s")
    return "; ".join(parts)


def _scores(one: ExplanationVersionDocument) -> list[RenderableType]:
    if not one.scores:
        return [Text("no scores", style="dim")]
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("score", "value", "of", "TP", "FP", "TN", "FN", *MEASURES):
        table.add_column(column, justify="left" if column == "score" else "right", no_wrap=True)
    for score in one.scores:
        counts = score.get("counts") or {}
        table.add_row(
            score["scorer"],
            _number(score.get("value")),
            str(score.get("n", NOTHING)),
            *(str(counts.get(name, NOTHING)) for name in CELLS),
            *(_number(score.get(name)) for name in MEASURES),
        )
    return [table, *(Text(visible(note), style="dim") for note in _notes(one.scores))]


def _notes(scores: list[dict[str, Any]]) -> Iterator[str]:
    """What few scores have, and what has no room in a table 80 characters wide."""
    for score in scores:
        if score.get("n_unparsable"):
            yield f"{score['scorer']}: {score['n_unparsable']} windows unparsable"
        if score.get("reason"):
            yield f"{score['scorer']}: {score['reason']}"
    prompts = ", ".join(f"{score['scorer']} {score['prompt_hash']}" for score in scores if score.get("prompt_hash"))
    if prompts:
        yield f"prompts: {prompts}"


def _misjudged(misjudged: tuple[Misjudged, ...]) -> Group:
    lines: list[RenderableType] = []
    for one in misjudged:
        said, right = ("yes", "no") if one.verdict.said else ("no", "yes")
        lines.append(
            Text(f"{one.scorer} said {said}, right is {right}: context {one.verdict.context_idx}", style="dim")
        )
        text = one.text if one.text is None or len(one.text) <= SHOWN_TEXT else one.text[:SHOWN_TEXT] + "…"
        lines.append(Padding(Text(visible(text.strip(" ")) if text is not None else NOTHING), (0, 0, 0, 2)))
    return Group(*lines)


def _earlier(versions: tuple[ExplanationVersionDocument, ...]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(style="dim")
    table.add_column(style="dim")
    table.add_column(ratio=1)
    for one in versions:
        scores = ", ".join(f"{score['scorer']} {_number(score.get('value'))}" for score in one.scores)
        source = "by hand" if one.is_by_hand else one.model or "a model"
        table.add_row(f"{one.created_at:%Y-%m-%d %H:%M} UTC", visible(source), scores, Text(visible(one.text)))
    return table


def _lines(text: str) -> Text:
    return Text("\n".join(map(visible, text.split("\n"))))


def _titled(title: str, content: RenderableType) -> Group:
    return Group(Text(title, style="bold"), content)


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def _explanation(one: ExplanationVersionDocument) -> dict[str, Any]:
    return one.model_dump(mode="json", exclude={"sae", "analysis", "index", "written_ms"})
