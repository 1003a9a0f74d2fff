"""Try a text: what one feature, or the strongest features of a checkpoint, do on a text that a person types."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse

from sae_assets.settings.errors import UserError
from sae_assets.web.models.features import Segment
from sae_assets.web.models.text import MAX_CHARACTERS, Text, TextActivations, TextToken
from sae_assets.web.operations.text import text_activations
from sae_assets.web.pages.templating import render
from sae_assets.web.throttle import limit_rate

router = APIRouter()


@router.get("/saes/{series}/{name}/{analysis}/try")
def form(request: Request, series: str, name: str, analysis: str) -> HTMLResponse:
    """The empty form for all features of a checkpoint."""
    return _page(request, series, name, analysis, None)


@router.post("/saes/{series}/{name}/{analysis}/try", dependencies=[Depends(limit_rate)])
def run(request: Request, series: str, name: str, analysis: str, text: Annotated[str, Form()] = "") -> HTMLResponse:
    """The strongest features on each token of the text."""
    return _page(request, series, name, analysis, None, text)


@router.get("/saes/{series}/{name}/{analysis}/features/{index}/try")
def form_of_feature(request: Request, series: str, name: str, analysis: str, index: int) -> HTMLResponse:
    """The empty form for one feature."""
    return _page(request, series, name, analysis, index)


@router.post("/saes/{series}/{name}/{analysis}/features/{index}/try", dependencies=[Depends(limit_rate)])
def run_feature(
    request: Request, series: str, name: str, analysis: str, index: int, text: Annotated[str, Form()] = ""
) -> HTMLResponse:
    """The activation of one feature on each token of the text."""
    return _page(request, series, name, analysis, index, text)


def _page(
    request: Request, series: str, name: str, analysis: str, index: int | None, typed: str | None = None
) -> HTMLResponse:
    context = request.app.state.context
    if index is None:
        found, explanation, known_max = context.found(series, name, analysis), None, 0.0
    else:
        found = context.found_feature(series, name, analysis, index)
        explanation = context.explanations(found.analysis, [index]).get(index)
        known_max = float(context.catalogue.columns(found.analysis).features.max_act[index])
    # A form sends every line break as two characters, which are other tokens than the one that was typed.
    text = (typed or "").replace("\r\n", "\n")
    result, problem = None, None
    if typed is not None:
        try:
            result = text_activations(context, series, name, analysis, _checked(text, index))
        except UserError as error:
            problem = str(error)
    strongest = max(map(strength, result.tokens), default=0.0) if result else 0.0
    return render(
        request,
        "try.html",
        series=series,
        name=name,
        analysis=analysis,
        index=index,
        explanation=explanation,
        text=text,
        max_characters=MAX_CHARACTERS,
        problem=problem,
        result=result,
        segments=segments(result) if result else [],
        is_silent=strongest == 0,
        max_act=max(known_max, strongest),
        status_code=400 if problem else 200,
    )


def segments(result: TextActivations) -> list[Segment]:
    """The text as contexts are shown: the feature's activation on each token, the strongest one marked."""
    peak = max((token.activation or 0.0 for token in result.tokens), default=0.0)
    return [
        Segment(text=token.text, activation=token.activation or None, is_peak=0 < peak == token.activation)
        for token in result.tokens
    ]


def strength(token: TextToken) -> float:
    """The largest activation on a token of the asked feature, or of any."""
    return max([token.activation or 0.0, *(active.activation for active in token.strongest)])


def _checked(text: str, index: int | None) -> Text:
    if not text.strip():
        raise UserError("There is no text to read; type some.")
    if len(text) > MAX_CHARACTERS:
        raise UserError(f"The text has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read.")
    return Text(text=text, feature=index)
