"""Checkpoints of one small model are compared: the numbers equal brute force, and every mistake is a sentence."""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from sae_assets.activations.cached_source import SourceOnDisk
from sae_assets.activations.context_file import read_contexts
from sae_assets.analysis.changes import CHANGES, NO_FEATURE
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder
from sae_assets.engine.progress import Step, silent
from sae_assets.runners.analyze import analyze_saes
from sae_assets.runners.compare import compare_checkpoints
from sae_assets.settings import AnalyzeSAESettings, UserError
from sae_assets.store.comparisons import StoredComparison, read_comparison
from sae_assets.store.connection import Store
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.lookup import find_analysis
from sae_assets_tests.project import D_SAE, DEAD, HOOK_POINT, N_TOKENS, NAME, SERIES, TinyProject, write_sae
from sae_assets_tests.runners.more_checkpoints import (
    DIED,
    FIRST,
    LATER,
    PLACES,
    REPLACED,
    TURNED,
    analyze,
    id_of,
    settings_of,
    write_later,
    write_permuted,
)

PERMUTED, OTHER = "sae-permuted", "sae-other"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_project: TinyProject) -> Iterator[TinyProject]:
    """Four analysed checkpoints on one source."""
    project = tiny_project.copy(tmp_path_factory.mktemp("compare") / "project")
    series = project.checkpoint.parent
    write_permuted(series / PERMUTED, project.checkpoint)
    write_later(series / LATER, project.checkpoint)
    write_sae(series / OTHER, seed=5)
    with project.served(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("sae_assets.activations.chunks.CHUNK_BYTES", 1)  # several chunks, of one pass each
        analyze(project, NAME, PERMUTED, LATER, OTHER)
        yield project


@pytest.fixture
def store(project: TinyProject) -> Iterator[Store]:
    """The project's store, without comparisons."""
    with project.store() as store:
        yield store
        store["comparisons"].delete_many({})


def kinds(comparison: StoredComparison) -> dict[str, list[tuple[int, int]]]:
    changes = comparison.changes
    found: dict[str, list[tuple[int, int]]] = {kind: [] for kind in CHANGES}
    for kind, one, other in zip(changes.change, changes.first.tolist(), changes.second.tolist(), strict=True):
        found[CHANGES[kind]].append((one, other))
    return found


def dense_activations(project: TinyProject, analysis: AnalysisDocument, name: str) -> np.ndarray:
    """Every feature on every token that counts."""
    sae = AbstractSparseAutoEncoder.from_pretrained(project.checkpoints / SERIES / name)
    source = SourceOnDisk(project.data.source(analysis.source or ""))
    parts = [sae.encode(batch.activations[batch.mask].float()) for batch in source.batches(HOOK_POINT)]
    return torch.cat(parts).double().numpy()


def test_features_in_another_order_are_matched(project, store):
    comparison = compare_checkpoints(store, project.data, FIRST, id_of(PERMUTED))
    changes = comparison.changes
    assert comparison.counts == dict.fromkeys(CHANGES, 0) | {"matched": D_SAE - 1}
    assert DEAD not in changes.first
    np.testing.assert_array_equal(PLACES[changes.second], changes.first)
    np.testing.assert_allclose(changes.cosine, 1, atol=1e-6)
    np.testing.assert_allclose(changes.correlation, 1, atol=1e-5)
    assert (comparison.about.n_tokens, comparison.about.note) == (N_TOKENS, None)


def test_what_became_of_features_is_found(project, store):
    found = kinds(compare_checkpoints(store, project.data, FIRST, id_of(LATER)))
    changed = {*DIED, *REPLACED, TURNED, DEAD}
    assert sorted(found["matched"]) == [(index, index) for index in range(D_SAE) if index not in changed]
    assert found["moved"] == [(TURNED, TURNED)]
    assert sorted(found["died"]) == [(index, index) for index in DIED]
    assert found["revived"] == [(DEAD, DEAD)]
    assert sorted(found["disappeared"]) == [(index, NO_FEATURE) for index in REPLACED]
    assert sorted(found["appeared"]) == [(NO_FEATURE, index) for index in REPLACED]


def test_numbers_equal_brute_force(project, store):
    comparison = compare_checkpoints(store, project.data, FIRST, id_of(OTHER))
    first, second = (find_analysis(store, name, SERIES) for name in (NAME, OTHER))
    one, other = (dense_activations(project, first.analysis, name) for name in (NAME, OTHER))
    changes = comparison.changes
    is_pair = (changes.first != NO_FEATURE) & (changes.second != NO_FEATURE)
    pairs = list(zip(changes.first[is_pair], changes.second[is_pair], strict=True))
    assert len(pairs) > 5
    expected = [np.corrcoef(one[:, a], other[:, b])[0, 1] for a, b in pairs]
    np.testing.assert_allclose(changes.correlation[is_pair], expected, atol=1e-5)
    decoders = [AbstractSparseAutoEncoder.from_pretrained(found.sae.path).decoder.numpy() for found in (first, second)]
    units = [decoder / np.linalg.norm(decoder, axis=1, keepdims=True) for decoder in decoders]
    np.testing.assert_allclose(changes.cosine[is_pair], [units[0][a] @ units[1][b] for a, b in pairs], atol=1e-6)
    assert np.isnan(changes.cosine[~is_pair]).all() and np.isnan(changes.correlation[~is_pair]).all()


def test_comparison_is_stored_and_used_again(project, store):
    comparison = compare_checkpoints(store, project.data, f"{SERIES}/{NAME}", f"{SERIES}/{LATER}")
    steps: list[Step] = []
    again = compare_checkpoints(store, project.data, FIRST, id_of(LATER), steps.append)
    stored = read_comparison(store, FIRST, id_of(LATER))
    assert stored is not None
    assert comparison.about == again.about == stored.about
    assert kinds(comparison) == kinds(stored)
    assert steps == []


def test_comparison_is_made_again_after_another_analysis(project, store):
    before = compare_checkpoints(store, project.data, FIRST, id_of(LATER))
    analyze(project, LATER)
    assert read_comparison(store, FIRST, id_of(LATER)) is None
    after = compare_checkpoints(store, project.data, FIRST, id_of(LATER))
    assert after.about.made_at > before.about.made_at
    assert kinds(after) == kinds(before)


def test_without_activations_the_decoders_decide_and_a_note_says_so(project, store, tmp_path):
    source = project.data.source(find_analysis(store, NAME, SERIES).analysis.source)
    chunks, away = Path(str(source.path / "chunks")), tmp_path / "chunks"
    shutil.move(chunks, away)
    try:
        comparison = compare_checkpoints(store, project.data, FIRST, id_of(LATER))
    finally:
        shutil.move(away, chunks)
    assert comparison.about.n_tokens == 0
    assert comparison.about.note == (
        f"The activations at {HOOK_POINT!r} are not in this data folder, so that features were compared by their "
        "decoders alone; make `activation_chunks` and compare again."
    )
    assert np.isnan(comparison.changes.correlation).all()
    assert len(kinds(comparison)["matched"]) == D_SAE - 7
    again = compare_checkpoints(store, project.data, FIRST, id_of(LATER))
    assert (again.about.n_tokens, again.about.note) == (N_TOKENS, None)


def test_progress_reaches_its_totals(project, store):
    steps: list[Step] = []
    compare_checkpoints(store, project.data, FIRST, id_of(LATER), steps.append)
    assert {step.what: (step.done, step.total) for step in steps} == {
        "nearest decoders": (D_SAE - 1, D_SAE - 1),
        "correlations": (N_TOKENS, N_TOKENS),
    }


def test_tokens_come_from_all_over_the_source(project, store, monkeypatch, tmp_path):
    monkeypatch.setattr("sae_assets.runners.compare.N_TOKENS", N_TOKENS // 2)
    source = SourceOnDisk(project.data.source(find_analysis(store, NAME, SERIES).analysis.source or ""))
    chunks = source.chunks(HOOK_POINT)
    assert len(source.complete(HOOK_POINT).chunks) >= 4
    second = Path(str(chunks.path / "00001.parquet"))
    shutil.move(second, tmp_path)  # not one of those that are read
    try:
        comparison = compare_checkpoints(store, project.data, FIRST, id_of(PERMUTED))
    finally:
        shutil.move(tmp_path / second.name, second)
    assert N_TOKENS // 2 - 1024 <= comparison.about.n_tokens <= N_TOKENS // 2 + 1024


def test_tokens_that_one_of_the_analyses_ignored_count_nowhere(project, store):
    source = project.data.source(find_analysis(store, NAME, SERIES).analysis.source or "")
    (common, n_common), *_ = Counter(
        token for context in read_contexts(source.contexts) for token in context.tokens[context.mask].tolist()
    ).most_common()
    settings = settings_of(project, LATER).model_dump()
    settings["activation_factory"]["sources"] = [{"type": "activations", "name": "made", "path": str(source.path)}]
    settings["analyzer"]["ignore_token_ids"] = [common]
    settings["feature_analysis_name"] = "ignoring"
    analyze_saes([AnalyzeSAESettings.model_validate(settings)], data=project.data, progress=silent)
    comparison = compare_checkpoints(store, project.data, FIRST, f"{SERIES}/{LATER}/ignoring")
    assert comparison.about.n_tokens == N_TOKENS - n_common < N_TOKENS


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("tiny", "The analysis 'tiny' must be 'series/name' or 'series/name/analysis'."),
        ("tiny/a/b/c", "The analysis 'tiny/a/b/c' must be 'series/name' or 'series/name/analysis'."),
        ("tiny/sae-latter", "Unknown SAE 'tiny/sae-latter'; the nearest is 'tiny/sae-later'."),
        ("tiny/sae-later/defaul", "Unknown analysis 'defaul' in SAE 'tiny/sae-later'; the nearest is 'default'."),
    ],
)
def test_an_unknown_analysis_is_refused(project, store, name, sentence):
    with pytest.raises(UserError) as refused:
        compare_checkpoints(store, project.data, FIRST, name)
    assert str(refused.value) == sentence


def test_analyses_on_different_sources_are_refused(project, store):
    settings = settings_of(project, LATER).model_dump()
    settings["feature_analysis_name"] = "short"
    settings["analyzer"]["total_analyzing_tokens"] = 700
    analyze_saes([AnalyzeSAESettings.model_validate(settings)], data=project.data, progress=silent)
    one, other = (find_analysis(store, LATER, SERIES, name).analysis for name in ("default", "short"))
    with pytest.raises(UserError) as refused:
        compare_checkpoints(store, project.data, id_of(LATER), f"{SERIES}/{LATER}/short")
    assert str(refused.value) == (
        f"'tiny/sae-later/default' and 'tiny/sae-later/short' cannot be compared, as their sources differ: "
        f"{one.source!r} and {other.source!r}; compare checkpoints at one point of a model, analysed on the same "
        "datasets with the same settings."
    )


def test_checkpoints_at_different_hook_points_are_refused(project, store):
    write_sae(project.checkpoint.parent / "sae-l1", hook_point="blocks.1.hook_resid_post")
    settings = settings_of(project, "sae-l1").model_dump()
    settings["activation_factory"]["hook_points"] = ["blocks.1.hook_resid_post"]
    analyze_saes([AnalyzeSAESettings.model_validate(settings)], data=project.data, progress=silent)
    with pytest.raises(UserError, match=f"their hook points differ: '{HOOK_POINT}' and 'blocks.1.hook_resid_post'"):
        compare_checkpoints(store, project.data, FIRST, id_of("sae-l1"))


def test_weights_that_changed_or_are_gone_are_refused(project, store, tmp_path):
    folder = project.checkpoints / SERIES / OTHER
    kept = tmp_path / "kept"
    shutil.move(folder, kept)
    try:
        with pytest.raises(UserError, match=r"There is no checkpoint .*sae-other"):
            compare_checkpoints(store, project.data, FIRST, id_of(OTHER))
        write_sae(folder, seed=6)
        with pytest.raises(UserError, match=r"sae-other' have changed since they were analysed; analyse them again\."):
            compare_checkpoints(store, project.data, FIRST, id_of(OTHER))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.move(kept, folder)
    assert read_comparison(store, FIRST, id_of(OTHER)) is None
