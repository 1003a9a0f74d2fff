"""What a long step says of itself."""

import pytest

from sae_assets.assets.run_page import sentence
from sae_assets.engine.progress import Step


@pytest.mark.parametrize(
    ("step", "elapsed", "words"),
    [
        (
            Step("activations", 120_000, 262_144, "tokens"),
            20.0,
            "activations: 120,000 of 262,144 tokens (46%), 6,000 tokens/s, 24 s left",
        ),
        (Step("contexts", 1_000, None, "tokens"), 1.0, "contexts: 1,000 tokens"),
        (
            Step("explanations", 30, 500, "features", "$0.083 so far"),
            20.0,
            "explanations: 30 of 500 features (6%), 1.5 features/s, 313 s left, $0.083 so far",
        ),
        (Step("explanations", 3, None, "features", "$0.01"), 1.0, "explanations: 3 features, $0.01"),
        (Step("documents", 0, 10, "features"), 0.0, "documents: 0 features"),
    ],
)
def test_sentence_gives_share_rate_time_left_and_note(step, elapsed, words):
    assert sentence(step, elapsed) == words
