"""From a checkpoint to documents: what is published is what was found, made once, and never half."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM
from upath import UPath

from sae_assets import (
    AbstractSparseAutoEncoder,
    ActivationFactory,
    FeatureAnalyzer,
    FeatureSummaries,
    TransformerLensLanguageModel,
)
from sae_assets.activations.context_file import read_contexts
from sae_assets.analysis.summary_file import read_summaries
from sae_assets.store.explanations import explanations_of, write_by_hand
from sae_assets.store.lists import add_to_list, items_of
from sae_assets.store.lookup import checkpoints, find_analysis
from sae_assets.store.server import server_status
from sae_assets_tests.project import D_SAE, DEAD, HOOK_POINT, N_TOKENS, SAE_ID, TOP_K, TinyProject, write_sae
from sae_assets_tests.runners.published import (
    analyze,
    assert_published,
    assert_same,
    document_counts,
    files_of,
    source_contexts,
)


def only_source(project: TinyProject) -> Path:
    (folder,) = Path(str(project.data.sources)).iterdir()
    return folder


@pytest.fixture(scope="module")
def summaries(tiny_project: TinyProject) -> FeatureSummaries:
    """The analysis in the shared data folder."""
    return analyze(tiny_project)


def test_store_holds_what_the_run_returns(tiny_project, summaries):
    assert summaries.n_analyzed_tokens == N_TOKENS
    assert summaries.d_sae == D_SAE
    assert summaries.act_times[DEAD] == 0
    assert summaries.n_alive > D_SAE / 2
    with tiny_project.store() as store:
        features = assert_published(store, tiny_project, summaries)
        (row,) = checkpoints(store)
    assert (row.series, row.name, row.model_name, row.hook_point) == ("tiny", "sae-l0", "tiny-model", HOOK_POINT)
    assert (row.n_alive, row.n_analyzed_tokens, row.l0) == (summaries.n_alive, N_TOKENS, summaries.l0)
    texts = {sample.context.text for one in features for group in one.samples.values() for sample in group}
    assert any("日本語" in text and "👩‍🚀" in text for text in texts)


def test_samples_hold_the_features_of_the_models_own_activations(tiny_project, summaries):
    sae = AbstractSparseAutoEncoder.from_pretrained(str(tiny_project.checkpoint))
    model = AutoModelForCausalLM.from_pretrained(tiny_project.model)
    with tiny_project.store() as store:
        contexts = source_contexts(tiny_project, find_analysis(store, SAE_ID).analysis.source)
    samples = summaries.samples["top_activations"]
    assert summaries.l0 == pytest.approx(TOP_K, abs=0.5)
    for feature in (0, 7, 31):
        context = contexts[int(samples.context_idx[feature, 0])]
        with torch.no_grad():
            hidden = model(torch.tensor(context.tokens)[None].long(), output_hidden_states=True).hidden_states[1]
            acts = sae.encode(hidden)[0, :, feature] * torch.tensor(context.mask)
        active = samples.active(feature, 0)
        assert active.positions.tolist() == acts.nonzero().flatten().tolist()
        torch.testing.assert_close(active.values, acts[acts > 0])
        assert summaries.max_feature_acts[feature] == active.values.max()


def test_second_run_makes_nothing_again_and_leaves_no_duplicates(fresh_project):
    first = analyze(fresh_project)
    files = {**files_of(fresh_project.data.sources), **files_of(fresh_project.data.root / "checkpoints")}
    assert {Path(name).name for name in files} == {
        "source.json", "contexts.parquet", "manifest.json", "00000.parquet", "summaries.parquet",
    }  # fmt: skip
    with fresh_project.store() as store:
        documents = document_counts(store)
        assert_same(analyze(fresh_project), first)
        assert document_counts(store) == documents
        assert_published(store, fresh_project, first)
    assert documents["features"] == documents["samples"] == D_SAE
    assert {**files_of(fresh_project.data.sources), **files_of(fresh_project.data.root / "checkpoints")} == files


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_result_does_not_depend_on_the_batch_size(tmp_path, tiny_project, summaries, batch_size):
    again = analyze(tiny_project, activation_factory={"batch_size": batch_size}, output_dir=str(tmp_path))
    assert_same(again, summaries)


def test_output_folder_alone_holds_everything_and_starts_no_server(tmp_path, tiny_project, summaries):
    project = tiny_project.copy(tmp_path / "project")
    output = tmp_path / "results"
    assert_same(analyze(project, output_dir=str(output)), summaries)
    assert not project.data.mongo.exists()
    assert server_status(project.data.mongo) is None
    assert sorted(path.name for path in output.iterdir()) == ["contexts.parquet", "summaries.parquet"]
    stored = read_summaries(UPath(output / "summaries.parquet"))
    assert_same(stored.summaries, summaries)
    everything = source_contexts(project, stored.about.source)
    contexts = list(read_contexts(UPath(output / "contexts.parquet")))
    assert [one.context_idx for one in contexts] == summaries.sampled_contexts
    for context in contexts:
        assert context.text == everything[context.context_idx].text
        np.testing.assert_array_equal(context.tokens, everything[context.context_idx].tokens)


def test_output_folder_and_store_can_both_be_had(tmp_path, fresh_project):
    found = analyze(fresh_project, output_dir=str(tmp_path / "results"), mongo={})
    assert_same(read_summaries(UPath(tmp_path / "results" / "summaries.parquet")).summaries, found)
    with fresh_project.store() as store:
        assert_published(store, fresh_project, found)


def test_made_activations_as_the_source_give_the_same(fresh_project):
    first = analyze(fresh_project)
    source = {"type": "activations", "name": "made", "path": str(only_source(fresh_project))}
    again = analyze(
        fresh_project, activation_factory={"sources": [source]}, model=None, datasets=None,
        feature_analysis_name="from-chunks",
    )  # fmt: skip
    assert_same(again, first)
    with fresh_project.store() as store:
        assert_published(store, fresh_project, first, "from-chunks")


def test_another_analysis_stands_beside_and_changed_settings_replace(fresh_project):
    first = analyze(fresh_project)
    short = analyze(fresh_project, analyzer={"total_analyzing_tokens": 900}, feature_analysis_name="short")
    assert short.n_analyzed_tokens == 900
    with fresh_project.store() as store:
        assert_published(store, fresh_project, first)
        assert_published(store, fresh_project, short, "short")
        replaced = analyze(fresh_project, analyzer={"subsamples": {"best": {"proportion": 1.0, "n_samples": 2}}})
        assert list(replaced.samples) == ["best"]
        assert_published(store, fresh_project, replaced)
        assert_published(store, fresh_project, short, "short")
        assert document_counts(store)["features"] == 2 * D_SAE


def test_other_weights_are_analysed_again_with_the_same_activations(fresh_project):
    first = analyze(fresh_project)
    made = files_of(fresh_project.data.sources)
    write_sae(fresh_project.checkpoint, seed=1)
    second = analyze(fresh_project)
    assert not torch.equal(second.act_times, first.act_times)
    assert files_of(fresh_project.data.sources) == made


@pytest.mark.parametrize("damage", [lambda data: data[:-10], lambda data: data[:200] + b"\x00" + data[201:]])
@pytest.mark.parametrize("name", ["00000.parquet", "summaries.parquet", "manifest.json"])
def test_damaged_file_is_made_again(tmp_path, tiny_project, summaries, name, damage):
    project = tiny_project.copy(tmp_path / "project")
    results = str(tmp_path / "results")
    analyze(project, output_dir=results)
    (path,) = tmp_path.rglob(name)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    if name != "summaries.parquet":  # or nobody would look at the activations
        (tmp_path / "results" / "summaries.parquet").unlink()
    assert_same(analyze(project, output_dir=results), summaries)
    assert path.read_bytes() == whole


def test_bookmarks_and_explanations_by_hand_survive_a_run(fresh_project):
    analyze(fresh_project)
    with fresh_project.store() as store:
        add_to_list(store, "bookmarks", SAE_ID, 5, "look again")
        by_hand = write_by_hand(store, SAE_ID, "default", 5, "about foxes")
        analyze(fresh_project, analyzer={"seed": 1})
        assert [(one.index, one.note) for one in items_of(store, "bookmarks")] == [(5, "look again")]
        assert explanations_of(store, SAE_ID, "default") == [by_hand]


def test_granular_analysis_gives_the_same_as_the_run(tiny_project, summaries):
    settings = tiny_project.analyze_settings()
    assert settings.model is not None and settings.datasets is not None
    result = FeatureAnalyzer(settings.analyzer).analyze_chunk(
        ActivationFactory(settings.activation_factory),
        sae=AbstractSparseAutoEncoder.from_pretrained(str(tiny_project.checkpoint)),
        model=TransformerLensLanguageModel(settings.model),
        datasets=settings.datasets,
    )
    assert_same(result, summaries)


def test_short_dataset_is_analysed_whole(tmp_path, tiny_project):
    project = tiny_project.copy(tmp_path / "project")
    short = analyze(project, analyzer={"total_analyzing_tokens": 10**9}, output_dir=str(tmp_path / "results"))
    assert N_TOKENS < short.n_analyzed_tokens < 10**5
