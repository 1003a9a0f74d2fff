"""Names that checkpoints record are turned into those under which models lie on the hub."""

import pytest

from sae_assets.language_model.names import hub_name


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ("gpt2-small", "gpt2"),
        ("gemma-2-2b", "google/gemma-2-2b"),
        ("EleutherAI/pythia-70m-deduped", "EleutherAI/pythia-70m-deduped"),
        ("pythia-70m-deduped", "EleutherAI/pythia-70m-deduped"),
        ("a-model-of-our-own", "a-model-of-our-own"),
    ],
)
def test_an_alias_is_the_name_on_the_hub(recorded, expected):
    assert hub_name(recorded) == expected
