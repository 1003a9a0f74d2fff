"""A checkpoint's settings come from the nearest place that sets them, and every mistake names that place."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets.settings import LanguageModelConfig, UserError
from sae_assets.settings.layers import CheckpointFacts, checkpoint_settings

KNOWN = CheckpointFacts(hook_point="blocks.6.hook_resid_post", model_name="pythia-160m")
PROJECT = """\
max_workers = 3
[model]
device = "cuda"
[datasets.corpus]
dataset_name_or_path = "corpus.jsonl"
[activation_factory]
batch_size = 8
[[activation_factory.sources]]
type = "dataset"
name = "corpus"
[analyzer]
total_analyzing_tokens = 1000
"""


class Places:
    """A project with one checkpoint in it."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.series = project / "checkpoints" / "my-series"
        self.checkpoint = self.series / "my-sae"
        self.checkpoint.mkdir(parents=True)

    def settings(self, run_config=None, known=KNOWN):
        return checkpoint_settings(self.checkpoint, run_config or {}, known, self.project)

    def mistake(self, run_config=None, known=KNOWN) -> str:
        with pytest.raises(UserError) as caught:
            self.settings(run_config, known)
        return str(caught.value)


@pytest.fixture
def places(tmp_path):
    places = Places(tmp_path)
    (tmp_path / "analysis.toml").write_text(PROJECT)
    return places


def test_the_nearest_place_wins_key_by_key(places):
    (places.series / "analysis.yaml").write_text("max_workers: 4\nchecks: {min_l0: 2, max_l0: 20}\n")
    (places.checkpoint / "analysis.json").write_text('{"max_workers": 5, "checks": {"max_l0": 30}}')
    found = places.settings({"max_workers": 6, "activation_factory": {"batch_size": 16}})
    assert found.max_workers == 6
    assert (found.checks.min_l0, found.checks.max_l0) == (2, 30)
    assert found.activation_factory.batch_size == 16
    assert found.activation_factory.sources[0].name == "corpus"
    assert found.analyzer.total_analyzing_tokens == 1000


def test_a_nearer_list_replaces_the_farther_one_as_a_whole(places):
    (places.series / "analysis.toml").write_text(
        '[[activation_factory.sources]]\ntype = "activations"\nname = "ready"\npath = "chunks"\n'
    )
    assert [source.name for source in places.settings().activation_factory.sources] == ["ready"]


@given(st.lists(st.dictionaries(st.sampled_from(["min_l0", "max_l0", "max_dead_share"]), st.floats(0, 1)), max_size=4))
@settings(max_examples=25, deadline=None)
def test_every_key_has_the_value_of_the_first_layer_that_sets_it(layers):
    layers = [*layers, {}, {}, {}, {}][:4]
    with TemporaryDirectory() as folder:
        places = Places(Path(folder))
        for place, checks in zip((places.checkpoint, places.series), layers[1:3], strict=True):
            (place / "analysis.json").write_text(json.dumps({"checks": checks}))
        (places.project / "analysis.toml").write_text(
            PROJECT + "[checks]\n" + "".join(f"{key} = {value!r}\n" for key, value in layers[3].items())
        )
        found = places.settings({"checks": layers[0]}).checks
    for key in ("min_l0", "max_l0", "max_dead_share"):
        expected = [layer[key] for layer in layers if key in layer]
        assert getattr(found, key) == (expected[0] if expected else type(found).model_fields[key].default)


def test_what_the_checkpoint_knows_need_not_be_repeated(places):
    found = places.settings()
    assert found.activation_factory.hook_points == ["blocks.6.hook_resid_post"]
    assert found.model_name == "pythia-160m"
    assert found.model == LanguageModelConfig(model_name="pythia-160m", device="cuda")


def test_the_three_runs_follow_from_the_settings(places):
    found = places.settings({"features": [3], "feature_analysis_name": "deep", "sae": {"dtype": "bf16"}})
    analysis = found.for_analysis(places.checkpoint, "my-series", "my-sae")
    logits = found.for_logits(places.checkpoint, "my-series", "my-sae")
    interpretation = found.for_interpretation("my-series", "my-sae")
    assert analysis.sae == logits.sae
    assert (analysis.sae.pretrained_name_or_path, analysis.sae.dtype) == (str(places.checkpoint), "torch.bfloat16")
    assert analysis.activation_factory.model_dump() == found.activation_factory.model_dump()
    assert analysis.datasets == found.datasets
    assert logits.model_name == "pythia-160m"
    assert analysis.feature_analysis_name == logits.feature_analysis_name == interpretation.analysis_name == "deep"
    assert interpretation.features == [3]


def test_logits_need_the_name_of_a_model(places):
    (places.project / "analysis.toml").write_text(PROJECT.replace('[model]\ndevice = "cuda"\n', ""))
    found = places.settings(known=CheckpointFacts(hook_point="blocks.6.hook_resid_post"))
    with pytest.raises(UserError, match="'my-series/my-sae' does not say which language model"):
        found.for_logits(places.checkpoint, "my-series", "my-sae")


def test_a_mistake_names_the_file_and_the_line_that_it_comes_from(places):
    (places.series / "analysis.toml").write_text("[analyzer]\nseed = 1\n\n[checks]\nmax_dead_share = 2.0\n")
    (places.checkpoint / "analysis.toml").write_text("[checks]\nmin_l0 = 1.0\n")
    file = places.series / "analysis.toml"
    assert places.mistake().startswith(f"{file}, line 5: 'checks.max_dead_share': input should be less than")
    assert places.mistake({"checks": {"max_dead_share": 3}}).startswith("the run config: 'checks.max_dead_share'")


def test_an_unknown_key_names_its_own_file(places):
    (places.checkpoint / "analysis.yaml").write_text("analyzer:\n  seed: 1\n")
    (places.series / "analysis.toml").write_text("[analyzer]\ntotal_tokens = 5\n")
    assert places.mistake() == (
        f"{places.series / 'analysis.toml'}, line 2: unknown key 'total_tokens' in [analyzer]; the nearest is "
        "'total_analyzing_tokens'."
    )


def test_a_mistake_in_a_list_names_the_file_whose_list_was_taken(places):
    (places.series / "analysis.toml").write_text('[[activation_factory.sources]]\ntype = "dataset"\n')
    message = places.mistake()
    assert message.startswith(f"{places.series / 'analysis.toml'}, line 1: ")
    assert message.endswith("'activation_factory.sources.0.name' is missing.")


def test_a_missing_value_names_the_most_general_file_that_has_its_table(places):
    (places.project / "analysis.toml").write_text(PROJECT.replace("total_analyzing_tokens = 1000", "seed = 1"))
    (places.checkpoint / "analysis.toml").write_text("[analyzer]\nseed = 2\n")
    assert places.mistake({"analyzer": {"seed": 3}}) == (
        f"{places.project / 'analysis.toml'}, line 11: 'analyzer.total_analyzing_tokens' is missing."
    )


def test_other_hook_points_than_the_checkpoint_has_are_refused_and_both_sources_named(places):
    (places.series / "analysis.toml").write_text('[activation_factory]\nhook_points = ["blocks.5.hook_mlp_out"]\n')
    config = places.checkpoint / "config.json"
    assert places.mistake() == (
        f"{places.series / 'analysis.toml'}, line 2: activation_factory.hook_points is ['blocks.5.hook_mlp_out'], but "
        f"{config} says 'blocks.6.hook_resid_post'; name that one too, or leave hook_points out."
    )
    both = {"activation_factory": {"hook_points": ["blocks.5.hook_mlp_out", "blocks.6.hook_resid_post"]}}
    assert places.settings(both).activation_factory.hook_points == both["activation_factory"]["hook_points"]


def test_a_checkpoint_without_hook_point_needs_one_in_the_settings(places):
    assert places.mistake(known=CheckpointFacts(config_file="cfg.json")) == (
        f"{places.project / 'analysis.toml'}: sae.hook_point is not set, and {places.checkpoint / 'cfg.json'} does not "
        "say which hook point the checkpoint reads; set it to a name like 'blocks.6.hook_resid_post'."
    )
    (places.series / "analysis.toml").write_text('[sae]\nhook_point = "blocks.5.hook_mlp_out"\n')
    found = places.settings(known=CheckpointFacts())
    assert found.activation_factory.hook_points == ["blocks.5.hook_mlp_out"]
    assert found.for_analysis(places.checkpoint, "my-series", "my-sae").sae.hook_point == "blocks.5.hook_mlp_out"


def test_another_hook_point_than_the_checkpoint_s_is_refused_and_both_sources_named(places):
    (places.series / "analysis.toml").write_text('[sae]\nhook_point = "blocks.5.hook_mlp_out"\n')
    assert places.mistake() == (
        f"{places.series / 'analysis.toml'}, line 2: sae.hook_point is 'blocks.5.hook_mlp_out', but "
        f"{places.checkpoint / 'config.json'} says 'blocks.6.hook_resid_post'; leave hook_point out."
    )


@pytest.mark.parametrize("name", ["EleutherAI/pythia-160m", "Pythia-160M", "pythia-160m-deduped"])
def test_spellings_of_the_checkpoint_s_model_are_accepted(places, name):
    assert places.settings({"model": {"model_name": name}}).model.model_name == name


def test_another_model_than_the_checkpoint_s_is_refused_unless_its_weights_are_given(places):
    message = places.mistake({"model": {"model_name": "gpt2"}})
    assert message.startswith("the run config: model.model_name is 'gpt2', but ")
    assert f"{places.checkpoint / 'config.json'} says 'pythia-160m'" in message
    local = {"model": {"model_name": "gpt2", "model_from_pretrained_path": "weights"}}
    assert places.settings(local).model.model_name == "gpt2"


def test_no_settings_at_all_says_where_they_may_be_put(tmp_path):
    places = Places(tmp_path)
    message = places.mistake()
    assert all(f"{place}" in message for place in (places.checkpoint, places.series, places.project))
    assert "'my-series/my-sae' has no settings" in message
    assert "`sae-assets config example analysis`" in message


def test_two_settings_files_in_one_folder_are_refused(places):
    (places.project / "analysis.json").write_text("{}")
    assert places.mistake() == f"{places.project} has analysis.toml and analysis.json; keep one of them."
