"""`ActivationFactory` gives the same from datasets and from chunks, and a mistake in its arguments is one sentence."""

from typing import Any

import datasets
import pytest
import torch

from sae_assets.activations import ActivationBatch, ActivationFactory, ContextBatch, TokenActivations
from sae_assets.activations.cached_source import CachedSource
from sae_assets.analysis.analyzer import FeatureAnalyzer
from sae_assets.dictionary.config import SAEConfig
from sae_assets.dictionary.sparse_autoencoder import SparseAutoEncoder
from sae_assets.settings import (
    ActivationFactoryActivationsSource,
    ActivationFactoryConfig,
    ActivationFactoryDatasetSource,
    FeatureAnalyzerConfig,
    UserError,
)
from sae_assets_tests.activations.corpora import (
    CONTEXT_SIZE,
    D_MODEL,
    HOOK_POINT,
    TEXTS,
    cached_source,
    factory_cfg,
    rows,
)

BUDGET = 600
OTHER_HOOK_POINT = "blocks.1.hook_resid_post"


@pytest.fixture(scope="module")
def made(tmp_path_factory, model_cfg, model) -> CachedSource:
    """Contexts, and chunks of six contexts at two hook points."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sae_assets.activations.chunks.CHUNK_BYTES", 6 * CONTEXT_SIZE * D_MODEL * 4)
        source = cached_source(tmp_path_factory.mktemp("made"), model_cfg, BUDGET)
        source.make_contexts()
        for hook_point in (HOOK_POINT, OTHER_HOOK_POINT):
            source.make_chunks(hook_point, D_MODEL)
    return source


@pytest.fixture(scope="module")
def dataset() -> datasets.Dataset:
    return datasets.Dataset.from_list(rows(TEXTS))


def chunks_cfg(path: str | dict[str, str], dtype: str | None = None, **changes: Any) -> ActivationFactoryConfig:
    """Settings of a factory that reads chunks."""
    source = ActivationFactoryActivationsSource(name="ready", path=path, dtype=dtype)
    return factory_cfg(sources=[source], **changes)


def joined(batches, n_at_most: int) -> ActivationBatch:
    """All batches as one, none of them with more than `n_at_most` contexts."""
    batches = list(batches)
    assert all(1 <= len(batch.context_idx) <= n_at_most for batch in batches)
    names = ("context_idx", "tokens", "mask", "activations")
    return ActivationBatch(*(torch.cat([getattr(batch, name) for batch in batches]) for name in names))


def assert_same(one: ActivationBatch, other: ActivationBatch) -> None:
    for name in ("context_idx", "tokens", "mask", "activations"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


@pytest.fixture(scope="module")
def from_dataset(model, dataset) -> ActivationBatch:
    batches = ActivationFactory(factory_cfg()).process(model=model, datasets={"web": dataset}, token_budget=BUDGET)
    return joined(batches, 32)


def test_batches_from_a_dataset_are_the_models_activations(from_dataset, model):
    assert int(from_dataset.mask.sum()) == BUDGET
    assert from_dataset.context_idx.tolist() == list(range(len(from_dataset.tokens)))
    direct = model.activations(from_dataset.tokens, [HOOK_POINT])[HOOK_POINT]
    torch.testing.assert_close(from_dataset.activations, direct, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("place", ["source folder", "chunk folder", "source by hook point", "chunks by hook point"])
def test_chunks_give_the_same_as_the_dataset(made, from_dataset, place):
    folder, chunks = str(made.folder.path), str(made.folder.chunks(HOOK_POINT))
    path = {
        "source folder": folder,
        "chunk folder": chunks,
        "source by hook point": {HOOK_POINT: folder, OTHER_HOOK_POINT: "nowhere"},
        "chunks by hook point": {HOOK_POINT: chunks},
    }[place]
    batches = ActivationFactory(chunks_cfg(path, batch_size=4)).process()
    assert_same(joined(batches, 4), from_dataset)


def test_datasets_may_be_given_as_settings(made, model, from_dataset):
    given = ActivationFactory(factory_cfg()).activations(model, made.source.datasets, BUDGET)
    assert_same(joined(given, 32), from_dataset)


def test_chunks_are_given_in_the_precision_asked_for(made, from_dataset):
    given = joined(ActivationFactory(chunks_cfg(str(made.folder.path), "float16")).process(), 32)
    assert torch.equal(given.activations, from_dataset.activations.half())


def test_a_pass_takes_about_1024_tokens_unless_the_settings_say_otherwise(model, dataset):
    texts = datasets.concatenate_datasets([dataset] * 2)
    factory = ActivationFactory(factory_cfg(model_batch_size=None, batch_size=100))
    batches = list(factory.activations(model, {"web": texts}, token_budget=100 * (CONTEXT_SIZE - 1)))
    assert len(batches[0].context_idx) == 1024 // CONTEXT_SIZE


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_batches_from_a_dataset_are_no_larger_than_asked_for(model, dataset, from_dataset, batch_size):
    factory = ActivationFactory(factory_cfg(batch_size=batch_size))
    given = factory.process(model=model, datasets={"web": dataset}, token_budget=BUDGET)
    assert_same(joined(given, batch_size), from_dataset)


def test_activations_are_given_in_the_precision_asked_for(model, dataset, from_dataset):
    factory = ActivationFactory(factory_cfg(override_dtype="bfloat16"))
    given = joined(factory.process(model=model, datasets={"web": dataset}, token_budget=BUDGET), 32)
    assert torch.equal(given.activations, from_dataset.activations.bfloat16())
    assert given.tokens.dtype == torch.long


@pytest.mark.parametrize("from_chunks", [True, False])
def test_the_hook_point_is_chosen_among_several(made, model, dataset, from_chunks):
    hook_points = [HOOK_POINT, OTHER_HOOK_POINT]
    path = str(made.folder.path)
    cfg = chunks_cfg(path, hook_points=hook_points) if from_chunks else factory_cfg(hook_points=hook_points)
    arguments = {} if from_chunks else {"model": model, "datasets": {"web": dataset}, "token_budget": BUDGET}
    given = joined(ActivationFactory(cfg).process(hook_point=OTHER_HOOK_POINT, **arguments), 32)
    direct = model.activations(given.tokens, [OTHER_HOOK_POINT])[OTHER_HOOK_POINT]
    torch.testing.assert_close(given.activations, direct, rtol=1e-5, atol=1e-6)
    with pytest.raises(UserError, match=r"^The activation factory has the hook points .*; say which one is meant\.$"):
        ActivationFactory(cfg).process(**arguments)
    with pytest.raises(
        UserError, match=rf"^Unknown hook point 'blocks.1.hook' .*; the nearest is '{OTHER_HOOK_POINT}'"
    ):
        ActivationFactory(cfg).process(hook_point="blocks.1.hook", **arguments)


@pytest.mark.parametrize("from_chunks", [True, False])
def test_target_tokens_gives_the_contexts_without_activations(made, model, dataset, from_dataset, from_chunks):
    changes: dict[str, Any] = {"target": "tokens", "batch_size": 4}
    cfg = chunks_cfg(str(made.folder.path), **changes) if from_chunks else factory_cfg(**changes)
    arguments = {} if from_chunks else {"model": model, "datasets": {"web": dataset}, "token_budget": BUDGET}
    batches: list[Any] = list(ActivationFactory(cfg).process(**arguments))
    assert all(isinstance(batch, ContextBatch) and len(batch.tokens) <= 4 for batch in batches)
    given = ContextBatch(*(torch.cat(column) for column in zip(*batches, strict=True)))
    for name in ContextBatch._fields:
        assert torch.equal(getattr(given, name), getattr(from_dataset, name)), name


@pytest.mark.parametrize("is_shuffled", [True, False])
def test_target_activations_1d_gives_every_token_that_counts(made, from_dataset, is_shuffled):
    changes: dict[str, Any] = {
        "target": "activations-1d",
        "batch_size": 50,
        "buffer_size": 200,
        "buffer_shuffle": is_shuffled,
    }
    parts: list[Any] = list(ActivationFactory(chunks_cfg(str(made.folder.path), **changes)).process())
    assert all(isinstance(part, TokenActivations) for part in parts)
    assert [len(part.tokens) for part in parts] == [50] * 12
    given = torch.cat([part.activations for part in parts])
    expected = from_dataset.activations[from_dataset.mask]
    assert torch.equal(given, expected) is not is_shuffled
    assert sorted(given.tolist()) == sorted(expected.tolist())


@pytest.mark.parametrize("target", ["tokens", "activations-1d", "activations-2d"])
def test_a_dataset_without_a_model_is_refused(dataset, target):
    with pytest.raises(UserError, match=r"^The sources 'web' are datasets, which need a language model; give `model`"):
        list(ActivationFactory(factory_cfg(target=target)).process(datasets={"web": dataset}))


def test_a_model_without_the_dataset_is_refused(model):
    with pytest.raises(UserError, match=r"^Unknown dataset 'web' in `datasets`; none is known\.$"):
        list(ActivationFactory(factory_cfg()).process(model=model))


def test_a_hook_point_that_the_model_lacks_names_the_nearest(model, dataset):
    factory = ActivationFactory(factory_cfg(hook_points=["blocks.0.hook_resid_pots"]))
    with pytest.raises(UserError, match=rf"^Unknown hook point 'blocks.0.hook_resid_pots' .* '{HOOK_POINT}'\.$"):
        list(factory.process(model=model, datasets={"web": dataset}))


def test_a_hook_point_without_chunks_is_refused(made):
    factory = ActivationFactory(chunks_cfg(str(made.folder.path), hook_points=["blocks.0.hook_resid_mid"]))
    with pytest.raises(UserError, match=r"hook_resid_mid' holds no complete set of chunks; make `activation_chunks`"):
        list(factory.process())


def test_a_hook_point_without_a_path_names_the_nearest(made):
    factory = ActivationFactory(chunks_cfg({OTHER_HOOK_POINT: str(made.folder.path)}))
    with pytest.raises(UserError, match=rf"^Unknown hook point '{HOOK_POINT}' in `path` .*'{OTHER_HOOK_POINT}'\.$"):
        list(factory.process())


def test_a_folder_that_is_no_source_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"^The folder '.*' of the source 'ready' holds no activation source; give one"):
        list(ActivationFactory(chunks_cfg(str(tmp_path))).process())


@pytest.mark.parametrize("turned", [True, False])
def test_chunks_beside_another_source_are_refused(made, model, dataset, turned):
    sources = [ActivationFactoryDatasetSource(name="web"), *chunks_cfg(str(made.folder.path)).sources]
    factory = ActivationFactory(factory_cfg(sources=sources[::-1] if turned else sources))
    with pytest.raises(UserError, match=r"^Activations are read from one source at a time; give that one alone"):
        list(factory.process(model=model, datasets={"web": dataset}))


@pytest.fixture(scope="module")
def sae() -> SparseAutoEncoder:
    """A sparse autoencoder of 64 random features."""
    cfg = SAEConfig(
        d_model=32,
        expansion_factor=2,
        hook_point_in=HOOK_POINT,
        hook_point_out=HOOK_POINT,
        norm_activation="inference",
    )
    sae = SparseAutoEncoder(cfg)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in sae.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return sae


def test_an_analysis_from_a_dataset_object_equals_that_from_chunks(made, model, dataset, sae, from_dataset):
    analyzer = FeatureAnalyzer(FeatureAnalyzerConfig(total_analyzing_tokens=BUDGET))
    factory = ActivationFactory(factory_cfg())
    direct = analyzer.analyze_chunk(factory, sae=sae, model=model, datasets={"web": dataset})
    from_chunks = analyzer.analyze_chunk(ActivationFactory(chunks_cfg(str(made.folder.path))), sae=sae)
    with torch.no_grad():
        active = sae.encode(from_dataset.activations[from_dataset.mask]) > 0
    assert direct.n_analyzed_tokens == from_chunks.n_analyzed_tokens == BUDGET
    assert torch.equal(direct.act_times, active.sum(0))
    assert direct.n_alive > 32
    for name in ("act_times", "act_contexts", "max_feature_acts", "mean_acts", "variance_acts", "histogram"):
        assert torch.equal(getattr(direct, name), getattr(from_chunks, name)), name
    for name, samples in direct.samples.items():
        for field, values in vars(samples).items():
            assert torch.equal(values, getattr(from_chunks.samples[name], field)), (name, field)
