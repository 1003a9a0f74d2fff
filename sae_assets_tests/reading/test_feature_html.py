"""A notebook's page of a feature shows its tokens shaded, on light and on dark, and nothing in the data acts."""

import io
import re

import pytest
from rich.console import Console

from sae_assets.cli.colouring import visible
from sae_assets.cli.feature_view import WINDOW_TOKENS
from sae_assets.reading.analysed_feature import SHOWN_SAMPLES, AnalysedFeature
from sae_assets.reading.analysed_sae import AnalysedSAE
from sae_assets.reading.feature_html import SHADE, feature_html, opacity
from sae_assets.runners.feature_examples import window_of
from sae_assets_tests.project import DEAD
from sae_assets_tests.reading.conftest import HOSTILE, SAE_ID
from sae_assets_tests.web.pages.dom import Element, parsed

PLAIN = {"div", "span", "b", "bdi", "code", "mark", "details", "summary"}
"""All elements of the page; none of them acts or loads anything."""


def page_of(feature: AnalysedFeature) -> Element:
    return parsed(feature._repr_html_())


def test_page_says_all_about_the_feature(sae: AnalysedSAE):
    feature = sae[5]
    text = page_of(feature).text
    statistics = feature.statistics
    assert "demo/smollm2-l10 · feature 5" in text and "numbers of a street" in text
    assert "detection 0.05, simulation -0.50" in text
    assert f"active on {statistics.act_times:,} of 5,000 tokens ({statistics.density:.3%})" in text
    assert feature.logits is not None
    for token in (*feature.logits.top, *feature.logits.bottom):
        assert " ".join(f"'{visible(token.text)}' {token.logit:+.1f}".split()) in text


def test_shaded_is_what_is_active_and_darker_what_is_more_so(sae: AnalysedSAE):
    feature = sae[2]
    shaded = [
        (visible(piece).lstrip(" "), value, opacity(value, feature.statistics.max_act))
        for samples in feature.samples.values()
        for sample in samples[:SHOWN_SAMPLES]
        for window in [window_of(sample, WINDOW_TOKENS)]
        for piece, value in zip(window.pieces, window.activations.tolist(), strict=True)
        if value > 0
    ]
    marks = page_of(feature).all("mark")
    assert len(shaded) > 20
    assert [(one.raw_text.lstrip(" "), one["title"], one["style"]) for one in marks] == [
        (text, f"{value:.2f}", f"background:rgba(245,129,43,{alpha:.2f});color:inherit")
        for text, value, alpha in shaded
    ]


def test_contexts_are_shown_with_their_peaks_and_silent_ones_are_folded(sae: AnalysedSAE):
    feature = next(one for one in sae if one.samples["non_activating"])
    page = page_of(feature)
    folded = {one.one("summary").text: "open" not in one.attributes for one in page.all("details")}
    assert folded == {"top activations": False, "middle": False, "non activating": True}
    for name, samples in feature.samples.items():
        (block,) = (one for one in page.all("details") if one.one("summary").text == name.replace("_", " "))
        assert [row.text for row in block.all("span", dir="auto")] == [
            " ".join(visible(window_of(sample, WINDOW_TOKENS).text).split()) for sample in samples[:SHOWN_SAMPLES]
        ]


def test_nothing_in_the_data_becomes_an_element(sae: AnalysedSAE):
    page = page_of(sae[9])
    assert page.one("b").raw_text == HOSTILE.replace("\x1b", "\\x1b")
    html = feature_html("<script>1</script>", sae[9], SHOWN_SAMPLES)
    assert {one.tag for one in parsed(html).walk()} - {""} <= PLAIN
    attributes = {name for one in parsed(html).walk() for name in one.attributes}
    assert attributes <= {"style", "dir", "title", "open"}
    assert not re.search(r"url\(|https?:", html)


def test_dead_and_unexplained_features_have_a_page(sae: AnalysedSAE):
    text = page_of(sae[DEAD]).text
    assert "not explained yet" in text and "dead: active on none of 5,000 tokens" in text


@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 17)], ids=["light", "dark"])
@pytest.mark.parametrize("activation", [0.001, 0.5, 1.0])
def test_shaded_text_can_be_read_on_light_and_on_dark(activation, ink, paper):
    alpha = opacity(activation, 1.0)
    behind = [alpha * part + (1 - alpha) * paper for part in SHADE]
    lighter, darker = sorted([_luminance([ink] * 3), _luminance(behind)], reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_terminal_shows_what_the_command_line_does(sae: AnalysedSAE):
    console = Console(file=io.StringIO(), width=100, highlight=False)
    console.print(sae[5])
    shown = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert f"{SAE_ID}  feature 5" in shown and "numbers of a street" in shown and "top_activations" in shown


def _luminance(colour: list[float]) -> float:
    """Relative luminance of an sRGB colour, as WCAG 2 defines it."""
    shares = [part / 255 for part in colour]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in shares]
    return sum(weight * one for weight, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
