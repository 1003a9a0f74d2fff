"""The assets in one process: what they report, what their checks catch, and how a mistake ends a step."""

import json
from collections.abc import Iterator

import dagster as dg
import pytest

from sae_assets.analysis.summary_file import read_summaries
from sae_assets_tests.assets.materializing import checks, failure, materialize, metadata
from sae_assets_tests.project import D_SAE, N_TOKENS, NAME, SERIES, TinyProject, write_sae, write_text
from sae_assets_tests.runners.published import assert_same

UP_TO_SUMMARIES = ("tokenized_contexts", "activation_chunks", "feature_summaries")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_project: TinyProject) -> Iterator[TinyProject]:
    """A project in whose data folder nothing is made before this file's tests."""
    with tiny_project.copy(tmp_path_factory.mktemp("assets") / "project").served() as own:
        yield own


@pytest.fixture(scope="module")
def whole(project: TinyProject) -> dg.ExecuteInProcessResult:
    """A whole run."""
    return materialize(project)


def test_all_assets_materialize_and_all_checks_pass(whole):
    assert whole.success
    assert {event.asset_key.to_user_string() for event in whole.get_asset_materialization_events()} == {
        "checkpoint_registry",
        "tokenized_contexts",
        "activation_chunks",
        "feature_summaries",
        "direct_logit_attributions",
        "feature_documents",
        "feature_explanations",
        "parquet_export",
        "html_export",
        "neuronpedia_export",
        "llamascope_export",
    }
    assert checks(whole) == dict.fromkeys(
        [
            "as_many_tokens_as_asked",
            "activations_are_finite",
            "activations_fit_the_checkpoint",
            "dead_share_within_bounds",
            "l0_within_bounds",
            "every_feature_has_a_document",
            "scores_above_floor",
        ],
        True,
    )


def test_metadata_says_what_a_person_wants_to_know(whole):
    assert metadata(whole, "tokenized_contexts")["tokens"] == N_TOKENS
    chunks = metadata(whole, "activation_chunks")
    assert chunks["bytes"] > 0 and chunks["hook point"] == "blocks.0.hook_resid_post"
    summaries = metadata(whole, "feature_summaries")
    assert summaries["alive features"] + summaries["dead features"] == D_SAE
    assert summaries["dead features"] >= 1
    assert 0 < summaries["L0"] <= 8
    assert summaries["checkpoint format"] == "lm-saes"
    assert summaries["density"].startswith("![density of ") and "data:image/png;base64," in summaries["density"]
    examples = [record.data for record in summaries["examples"].records]
    assert len(examples) == 10
    assert all("<<" in str(example["strongest context"]) for example in examples)
    assert "tokens/s" in summaries
    assert metadata(whole, "feature_documents")["features"] == D_SAE
    explanations = metadata(whole, "feature_explanations")
    assert explanations["explained in all"] == 0
    assert "set OPENAI_API_KEY" in explanations["how to explain"]


def test_a_second_run_reuses_everything(whole, project):
    again = materialize(project)
    assert again.success
    for asset in ("tokenized_contexts", "activation_chunks", "feature_summaries", "direct_logit_attributions"):
        assert metadata(again, asset)["reused"] is True


def test_the_settings_choose_the_engine_and_the_result_stays(whole, project, fresh_project):
    engine = {"type": "processes", "devices": ["cpu"], "n_workers": 2}
    result = materialize(fresh_project, *UP_TO_SUMMARIES, config={"engine": engine})
    assert result.success
    inline, processes = (
        read_summaries(one.data.checkpoint(SERIES, NAME).summaries) for one in (project, fresh_project)
    )
    assert_same(inline.summaries, processes.summaries)


def test_run_config_wins_over_the_files(fresh_project):
    config = {"analyzer": {"total_analyzing_tokens": 500}, "activation_factory": {"context_size": 32}}
    result = materialize(fresh_project, "tokenized_contexts", config=config)
    assert metadata(result, "tokenized_contexts")["tokens"] == 500
    assert metadata(result, "tokenized_contexts")["contexts"] > 500 // 32


def test_bounds_that_do_not_hold_fail_their_checks(fresh_project):
    bounds = {"max_dead_share": 0.0, "max_l0": 1.0}
    result = materialize(fresh_project, *UP_TO_SUMMARIES, config={"checks": bounds})
    assert result.success
    assert not checks(result)["dead_share_within_bounds"] and not checks(result)["l0_within_bounds"]


def test_a_short_dataset_is_analysed_and_said_to_be_short(fresh_project):
    config = {"analyzer": {"total_analyzing_tokens": 10**6}}
    result = materialize(fresh_project, "tokenized_contexts", config=config)
    assert result.success
    assert checks(result) == {"as_many_tokens_as_asked": False}
    assert N_TOKENS < metadata(result, "tokenized_contexts")["tokens"] < 10**6


def test_a_checkpoint_of_another_width_fails_its_check_before_any_chunk_is_made(fresh_project):
    write_sae(fresh_project.checkpoint, d_model=16)
    result = materialize(fresh_project, *UP_TO_SUMMARIES[:2])
    assert failure(result).startswith("The activations at 'blocks.0.hook_resid_post' have d_model 32")
    assert checks(result)["activations_fit_the_checkpoint"] is False
    assert not list((fresh_project.root / "data").rglob("chunks/*/*.parquet"))


def test_an_unknown_hook_point_names_the_nearest(fresh_project):
    write_sae(fresh_project.checkpoint, hook_point="blocks.0.hook_resid_pots")
    result = materialize(fresh_project, *UP_TO_SUMMARIES[:2])
    assert "the nearest is 'blocks.0.hook_resid_post'" in failure(result)
    assert checks(result)["activations_fit_the_checkpoint"] is False


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("../tiny", "cannot be used as a folder"),
        ("tiny/..", "cannot be used as a folder"),
        ("tiny/sae-l1", "the nearest is 'tiny/sae-l0'"),
        ("tiny", "must be 'series/name'"),
    ],
)
def test_a_bad_partition_key_is_one_sentence(fresh_project, key, sentence):
    assert sentence in failure(materialize(fresh_project, "tokenized_contexts", key=key))
    assert not (fresh_project.root / "data" / "sources").exists()


def test_an_unknown_setting_in_a_file_is_named_with_its_line(fresh_project):
    file = fresh_project.checkpoint.parent / "analysis.toml"
    file.write_text(file.read_text().replace("context_size", "context_sise"))
    sentence = failure(materialize(fresh_project, "tokenized_contexts"))
    assert sentence.startswith(f"{file}, line 7: unknown key 'context_sise'")
    assert "the nearest is 'context_size'" in sentence


def test_an_empty_dataset_is_one_sentence(fresh_project):
    empty = write_text(fresh_project.root / "empty.jsonl", n_documents=0)
    config = {"datasets": {"text": {"dataset_name_or_path": str(empty)}}}
    assert "empty" in failure(materialize(fresh_project, "tokenized_contexts", config=config))


def test_registry_leaves_out_what_is_incomplete(fresh_project):
    (fresh_project.checkpoints / "tiny" / "half").mkdir()
    (fresh_project.checkpoints / "tiny" / "half" / "config.json").write_text(json.dumps({"d_model": 3}))
    result = materialize(fresh_project, "checkpoint_registry", key=None)
    found = metadata(result, "checkpoint_registry")
    assert found["checkpoints"] == 1
    assert list(found["incomplete"]) == ["tiny/half"]
