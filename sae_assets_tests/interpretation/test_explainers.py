"""What explainers show of a feature."""

from __future__ import annotations

import numpy as np

from sae_assets.interpretation.explainers import EXPLAINERS, neuronpedia, openai
from sae_assets.interpretation.records import ExampleWindow, FeatureExamples

WINDOW = ExampleWindow(
    0, ("Who", " let", " the", " dogs", " out", "?\n"), np.array([0, 0, 0, 8, 4, 0], dtype=np.float32)
)
FEATURE = FeatureExamples(0, 16.0, [], [], (" cat", "\n"), (" the",))


def test_pairs_show_the_marked_text_and_each_active_token_with_its_level() -> None:
    fields = openai.prompt_fields(FEATURE, [WINDOW, WINDOW], 0.7)
    example = '"Who let the<< dogs>> out?\\n"\n" dogs"\t5\n" out"\t2'
    assert fields["examples"] == f"Example 1: {example}\n\nExample 2: {example}"


def test_levels_tell_faint_activity_from_silence() -> None:
    assert [openai.level(value, 100) for value in (0, 0.1, 14, 51, 100, 120)] == [0, 1, 1, 5, 10, 10]


def test_lists_hold_strongest_tokens_what_follows_and_output_tokens() -> None:
    last = ExampleWindow(1, ("dogs",), np.array([1], dtype=np.float32))
    fields = neuronpedia.prompt_fields(FEATURE, [WINDOW, last], 0.7)
    assert fields["max_tokens"] == '("Who let the") " dogs"\n("") "dogs"'
    assert fields["next_tokens"] == '" out"'
    assert fields["top_logits"] == '" cat"\n"\\n"'
    assert fields["bottom_logits"] == '" the"'
    assert fields["examples"].startswith('"Who let the<< dogs>> out?')


def test_lists_without_logits_say_so() -> None:
    fields = neuronpedia.prompt_fields(FeatureExamples(0, 1.0, [], []), [WINDOW], 0.7)
    assert fields["top_logits"] == "(none)"


def test_every_explainer_fills_its_template() -> None:
    for explainer in EXPLAINERS.values():
        for include_cot in (True, False):
            fields = explainer.prompt_fields(FEATURE, [WINDOW], 0.7)
            messages = explainer.prompt(include_cot).fill(**fields)
            assert "dogs" in messages.user
            assert ('"steps"' in messages.system) == include_cot
