"""Hard negatives of a real analysis are what brute force finds, wherever the activations come from."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from upath import UPath

from sae_assets import AbstractSparseAutoEncoder, UserError, auto_interp
from sae_assets.activations.batch import ContextBatch
from sae_assets.activations.cached_source import SourceOnDisk
from sae_assets.activations.chunk_file import write_chunk
from sae_assets.activations.context_file import read_contexts
from sae_assets.disk.layout import DataFolder
from sae_assets.engine.progress import silent
from sae_assets.interpretation.records import ExampleWindow
from sae_assets.runners import context_features, hard_negatives
from sae_assets.runners.context_features import FeatureSet
from sae_assets.runners.feature_examples import window_of
from sae_assets.runners.hard_negatives import with_hard_negatives
from sae_assets.runners.text_activations import load_model
from sae_assets.settings import NON_ACTIVATING, AutoInterpConfig
from sae_assets.store.connection import Store
from sae_assets.store.features import StoredFeature, StoredSample
from sae_assets.store.lookup import FoundAnalysis, find_analysis
from sae_assets.store.reading import read_features
from sae_assets_tests.project import HOOK_POINT, SAE_ID, TinyProject, write_sae
from sae_assets_tests.runners.published import analyze

N_WINDOWS, MAX_LENGTH = 8, 7
Windows = dict[int, list[tuple[int, str, tuple[str, ...]]]]


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory, tiny_project: TinyProject) -> Iterator[TinyProject]:
    """Analysed in contexts so short that most features are silent on many, and in several chunks."""
    project = tiny_project.copy(tmp_path_factory.mktemp("negatives") / "project")
    with project.served(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("sae_assets.activations.chunks.CHUNK_BYTES", 1)
        analyze(project, activation_factory={"context_size": 12})
        yield project


@pytest.fixture(scope="module")
def store(analysed: TinyProject) -> Iterator[Store]:
    with analysed.store() as store:
        yield store


@pytest.fixture(scope="module")
def found(store: Store) -> FoundAnalysis:
    return find_analysis(store, SAE_ID)


@pytest.fixture(scope="module")
def features(store: Store) -> list[StoredFeature]:
    return list(read_features(store, SAE_ID, "default"))


@pytest.fixture(scope="module")
def is_active(analysed: TinyProject, found: FoundAnalysis) -> np.ndarray:
    """(context, feature): whether the feature is above 0 on some token, by the plain model and the plain encoder."""
    contexts = list(read_contexts(analysed.data.source(found.analysis.source or "").contexts))
    settings = analysed.analyze_settings()
    assert settings.model is not None
    model = load_model(settings.model)
    sae = AbstractSparseAutoEncoder.from_pretrained(analysed.checkpoint)
    batch = ContextBatch.of(contexts)
    with torch.no_grad():
        values = sae.encode(model.activations(batch.tokens, [HOOK_POINT])[HOOK_POINT].float())
    return ((values > 0) & batch.mask[..., None]).any(1).numpy()


def hard(
    store: Store, found: FoundAnalysis, data: DataFolder, features: list[StoredFeature], **changes: Any
) -> dict[int, list[ExampleWindow]]:
    settings = {"hard_negatives": "decoder", "n_non_activating_examples": N_WINDOWS, "max_length": MAX_LENGTH}
    cfg = AutoInterpConfig.model_validate(settings | changes)
    given = list(with_hard_negatives(features, store, found, data, cfg))
    assert [one.feature for one in given] == features
    return {one.feature.index: list(one.hard_negatives) for one in given}


def shown(windows: dict[int, list[ExampleWindow]]) -> Windows:
    return {index: [(one.context_idx, one.text, one.pieces) for one in of] for index, of in windows.items()}


def active_samples(feature: StoredFeature) -> list[StoredSample]:
    """The active samples of a feature, strongest first, each context once."""
    every = [sample for name, group in feature.samples.items() if name != NON_ACTIVATING for sample in group]
    first = {sample.context.context_idx: sample for sample in reversed(every)}
    return sorted(first.values(), key=lambda sample: (-sample.peak, sample.context.context_idx))


@pytest.mark.parametrize(("nearness", "neighbours"), [("decoder", "neighbours"), ("coactivation", "coactive")])
def test_windows_are_those_of_the_nearest_features_in_which_this_one_is_silent(
    store, found, analysed, features, is_active, nearness, neighbours
):
    windows = hard(store, found, analysed.data, features, hard_negatives=nearness)
    samples = {feature.index: active_samples(feature) for feature in features}
    for feature in features:
        near = [samples[one.index] for one in getattr(feature, neighbours) if one.index in samples]
        own = {sample.context.context_idx for group in feature.samples.values() for sample in group}
        expected: dict[int, str] = {}
        for rank in range(max(map(len, near), default=0)):
            for sample in (of_one[rank] for of_one in near if rank < len(of_one)):
                context_idx = sample.context.context_idx
                if not is_active[context_idx, feature.index] and context_idx not in own:
                    expected.setdefault(context_idx, window_of(sample, MAX_LENGTH).text)
        found_here = windows[feature.index]
        assert {one.context_idx: one.text for one in found_here} == dict(list(expected.items())[:N_WINDOWS])
        assert [one.context_idx for one in found_here] == list(expected)[:N_WINDOWS]
        assert all(one.peak == 0 and all(one.pieces) and len(one.pieces) <= MAX_LENGTH for one in found_here)
    assert sum(map(len, windows.values())) > 100


def test_chunks_that_are_gone_are_made_up_for_by_the_model(store, found, analysed, features, tmp_path):
    windows = shown(hard(store, found, analysed.data, features))
    assert shown(hard(store, found, DataFolder(UPath(tmp_path / "empty")), features)) == windows
    data = DataFolder(UPath(tmp_path / "data"))
    fingerprint = found.analysis.source or ""
    shutil.copytree(str(analysed.data.source(fingerprint).path), str(data.source(fingerprint).path))
    chunks = data.source(fingerprint).chunks(HOOK_POINT)
    (chunks / "00000.parquet").unlink()
    (chunks / "00001.parquet").write_bytes(b"no Parquet")
    assert shown(hard(store, found, data, features)) == windows


def test_analysis_of_chunks_elsewhere_reads_them_there(store, found, analysed, features, tmp_path):
    path = analysed.data.source(found.analysis.source or "").path
    sources = [{"type": "activations", "name": "made", "path": str(path)}]
    analyze(analysed, feature_analysis_name="of-chunks", activation_factory={"sources": sources}, model=None)
    again = find_analysis(store, SAE_ID, analysis="of-chunks")
    nowhere = DataFolder(UPath(tmp_path))
    assert shown(hard(store, again, nowhere, features)) == shown(hard(store, found, analysed.data, features))


def test_chunks_on_another_file_system_are_read_there(store, found, analysed, features, tmp_path):
    data = DataFolder(UPath(f"memory://{tmp_path.name}"))
    local = analysed.data.source(found.analysis.source or "").path
    chunks = local / "chunks" / HOOK_POINT
    target = data.source(local.name).chunks(HOOK_POINT)
    target.mkdir(parents=True)
    for path in chunks.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    windows = hard(store, without_model(found), data, features)
    assert shown(windows) == shown(hard(store, found, analysed.data, features))


def test_result_depends_on_neither_the_features_at_a_time_nor_the_memory(store, found, analysed, features, monkeypatch):
    windows = shown(hard(store, found, analysed.data, features))
    monkeypatch.setattr(hard_negatives, "FEATURES_AT_A_TIME", 1)
    monkeypatch.setattr(context_features, "KNOWN_BYTES", 32)
    some = [features[30], features[2], features[11]]
    assert shown(hard(store, found, analysed.data, some)) == {one.index: windows[one.index] for one in some}


def test_contexts_that_are_known_are_not_read_again(store, found, analysed, features, tmp_path):
    data = DataFolder(UPath(tmp_path))
    fingerprint = found.analysis.source or ""
    shutil.copytree(str(analysed.data.source(fingerprint).path), str(data.source(fingerprint).path))
    cfg = AutoInterpConfig(hard_negatives="decoder", n_non_activating_examples=N_WINDOWS)
    twice = with_hard_negatives(
        [features[0]] * (hard_negatives.FEATURES_AT_A_TIME + 1), store, without_model(found), data, cfg
    )
    first = next(twice)
    shutil.rmtree(str(data.root))
    last = list(twice)[-1]  # of the second batch
    assert first.hard_negatives and shown({0: list(last.hard_negatives)}) == shown({0: list(first.hard_negatives)})


def without_model(found: FoundAnalysis) -> FoundAnalysis:
    settings = found.analysis.settings | {"model": None}
    sae = found.sae.model_copy(update={"model_name": None})
    return replace(found, sae=sae, analysis=found.analysis.model_copy(update={"settings": settings}))


def test_without_chunks_and_model_it_is_one_sentence(store, found, features, tmp_path):
    sentence = (
        rf"^The activations of '{SAE_ID}/default' are not in this data folder, and its language model cannot be run "
        r"instead: The analysis .* does not say which language model made them; give `model` in its settings and run "
        r"it again\.$"
    )
    with pytest.raises(UserError, match=sentence):
        hard(store, without_model(found), DataFolder(UPath(tmp_path)), features)


def test_activations_that_the_analysis_did_not_see_are_refused(store, found, analysed, features, tmp_path):
    data = DataFolder(UPath(tmp_path))
    fingerprint = found.analysis.source or ""
    shutil.copytree(str(analysed.data.source(fingerprint).path), str(data.source(fingerprint).path))
    chunks = SourceOnDisk(data.source(fingerprint)).chunks(HOOK_POINT)
    for number, path in enumerate(sorted(chunks.path.glob("*.parquet"))):
        chunk = chunks.read(number)
        write_chunk(path, chunk.context_idx, [torch.zeros_like(chunk.activations)])
    with pytest.raises(UserError, match="found or made here are not those of the analysis 'tiny/sae-l0/default', as"):
        hard(store, found, data, features)


def test_weights_that_have_changed_are_refused(store, found, analysed, features, tmp_path):
    sae = found.sae.model_copy(update={"path": str(write_sae(tmp_path / "other", seed=3))})
    with pytest.raises(UserError, match=r"^The weights of '.*other' have changed since they were analysed"):
        hard(store, replace(found, sae=sae), analysed.data, features)


def test_analysis_that_was_replaced_meanwhile_is_refused(store, found, analysed, features):
    replaced = found.analysis.model_copy(update={"features_id": "deleted"})
    with pytest.raises(UserError, match="Another run replaced 'tiny/sae-l0/default' while it was being read"):
        hard(store, replace(found, analysis=replaced), analysed.data, features)


@pytest.mark.parametrize("changes", [{"hard_negatives": None}, {"n_non_activating_examples": 0}])
def test_without_the_option_features_pass_through_untouched(store, found, features, tmp_path, changes):
    windows = hard(store, without_model(found), DataFolder(UPath(tmp_path)), features, **changes)
    assert windows == {feature.index: [] for feature in features}


def test_without_the_option_torch_stays_out():
    code = (
        "import sys\n"
        "from sae_assets.runners.hard_negatives import with_hard_negatives\n"
        "from sae_assets.settings import AutoInterpConfig\n"
        "assert len(list(with_hard_negatives([None], None, None, None, AutoInterpConfig()))) == 1\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_judge_is_shown_them(store, found, analysed, features, llm):
    cfg = {"hard_negatives": "decoder", "detection_n_examples": 4, "scorer_type": ["detection"]}
    windows = hard(store, found, analysed.data, features, **cfg, n_non_activating_examples=20, max_length=50)
    feature = next(one for one in features if len({window.text for window in windows[one.index]}) >= 8)
    active = {window_of(sample, 50).text for sample in active_samples(feature)}
    negatives = {window.text for window in windows[feature.index]}
    settings = analysed.interpret_settings(llm.base_url, features=[feature.index], auto_interp=cfg)
    assert auto_interp(settings, data=analysed.data, progress=silent).n_explained == 1
    judged = [text for request in llm.requests if request.ask.kind == "detection" for text in request.ask.examples]
    assert len(judged) == 8 and sum(text in active for text in judged) == 4
    assert sum(text in negatives - active for text in judged) == 4


@given(arrays(bool, st.integers(1, 40)))
def test_set_of_features_holds_what_it_was_made_of(is_member):
    members = FeatureSet(is_member)
    assert [feature in members for feature in range(len(is_member))] == is_member.tolist()
