"""Summaries are read back bit for bit, and a damaged file is one sentence."""

from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from sae_assets.activations import ActivationBatch
from sae_assets.analysis import result_table
from sae_assets.analysis.analyzer import FeatureAnalyzer
from sae_assets.analysis.geometry import DictionaryGeometry, dictionary_geometry
from sae_assets.analysis.magnitude import HISTOGRAM
from sae_assets.analysis.samples import NO_CONTEXT, FeatureSamples
from sae_assets.analysis.summaries import FeatureSummaries
from sae_assets.analysis.summary_file import SummariesAbout, read_summaries, summaries_about, write_summaries
from sae_assets.settings import FeatureAnalyzerConfig, SubsampleConfig, UserError
from sae_assets_tests.analysis.brute_force import TableSAE

ABOUT = SummariesAbout("0123", "4567", "89ab", {"sae_name": "l10", "subsamples": [1, None, 0.5], "texte": "é"})


def random_samples(n_features: int, n_samples: int, generator: torch.Generator) -> FeatureSamples:
    n_existing = torch.randint(0, n_samples + 1, (n_features, 1), generator=generator)
    exists = torch.arange(n_samples) < n_existing
    n_active = torch.randint(0, 4, exists.shape, generator=generator) * exists
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), n_active.flatten().cumsum(0)])
    context_idx = torch.randint(0, 2**40, exists.shape, generator=generator)
    start = torch.randint(0, 100, exists.shape, generator=generator, dtype=torch.int32)
    return FeatureSamples(
        context_idx=torch.where(exists, context_idx, NO_CONTEXT),
        peak=torch.rand(exists.shape, generator=generator) * exists,
        start=start * exists,
        stop=(start + 20) * exists,
        offsets=offsets,
        positions=torch.randint(0, 100, (int(offsets[-1]),), generator=generator, dtype=torch.int32),
        values=torch.randn(int(offsets[-1]), generator=generator),
    )


def random_summaries(n_features: int, subsamples: dict[str, int], seed: int) -> FeatureSummaries:
    generator = torch.Generator().manual_seed(seed)
    is_coactive = torch.arange(5) < torch.randint(0, 6, (n_features, 1), generator=generator)
    return FeatureSummaries(
        n_analyzed_tokens=2**40 + seed,
        n_analyzed_contexts=2**33 + seed,
        act_times=torch.randint(0, 2**40, (n_features,), generator=generator),
        act_contexts=torch.randint(0, 2**33, (n_features,), generator=generator),
        max_feature_acts=torch.rand(n_features, generator=generator),
        mean_acts=torch.rand(n_features, generator=generator, dtype=torch.float64),
        variance_acts=torch.rand(n_features, generator=generator, dtype=torch.float64),
        histogram=torch.randint(0, 2**40, (n_features, HISTOGRAM.n_bins), generator=generator),
        coactive_idx=torch.where(is_coactive, torch.randint(0, 2**31, is_coactive.shape, generator=generator), -1),
        coactive_cosine=torch.rand(is_coactive.shape, generator=generator) * is_coactive,
        samples={name: random_samples(n_features, n, generator) for name, n in subsamples.items()},
    )


def random_geometry(n_features: int, n_neighbours: int, seed: int) -> DictionaryGeometry:
    generator = torch.Generator().manual_seed(seed)
    decoder = torch.randn(n_features, 3, generator=generator)
    return dictionary_geometry(decoder.flip(0).T, decoder, n_neighbours)


def assert_bits_equal(one, other) -> None:
    for field in fields(one):
        value, again = getattr(one, field.name), getattr(other, field.name)
        if isinstance(value, torch.Tensor):
            assert value.dtype == again.dtype and value.shape == again.shape, field.name
            assert value.numpy().tobytes() == again.numpy().tobytes(), field.name
        elif isinstance(value, dict):
            assert list(value) == list(again)
            for name in value:
                assert_bits_equal(value[name], again[name])
        else:
            assert value == again, field.name


@pytest.fixture
def written(tmp_path) -> UPath:
    path = UPath(tmp_path / "folder" / "summaries.parquet")
    write_summaries(path, random_summaries(40, {"top": 3}, 1), random_geometry(40, 4, 1), ABOUT)
    return path


@pytest.mark.filterwarnings("error:The given NumPy array is not writable")
@settings(max_examples=60, deadline=None)
@given(
    n_features=st.integers(1, 9),
    subsamples=st.dictionaries(st.text(max_size=8), st.integers(1, 4), max_size=3),
    n_neighbours=st.integers(1, 12),
    rows_a_group=st.integers(1, 10),
    seed=st.integers(0, 10**6),
)
def test_what_is_read_is_bit_for_bit_what_was_written(n_features, subsamples, n_neighbours, rows_a_group, seed):
    summaries = random_summaries(n_features, subsamples, seed)
    geometry = random_geometry(n_features, n_neighbours, seed)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(result_table, "ROWS_A_GROUP", rows_a_group)
        path = UPath(folder) / "summaries.parquet"
        write_summaries(path, summaries, geometry, ABOUT)
        stored = read_summaries(path)
        assert summaries_about(path) == ABOUT
    assert_bits_equal(stored.summaries, summaries)
    assert_bits_equal(stored.geometry, geometry)
    assert stored.about == ABOUT


def test_a_real_analysis_is_read_back(tmp_path):
    generator = torch.Generator().manual_seed(0)
    shape = (30, 7)
    batch = ActivationBatch(
        torch.arange(30),
        torch.randint(0, 50, shape, generator=generator),
        torch.rand(shape, generator=generator) > 0.2,
        torch.randn(*shape, 4, generator=generator),
    )
    subsamples = {
        "top_activations": SubsampleConfig(proportion=1.0, n_samples=50),
        "low": SubsampleConfig(proportion=0.4, n_samples=3, max_length=3),
        "non_activating": SubsampleConfig(proportion=0.3, n_samples=20, max_length=5),
    }
    cfg = FeatureAnalyzerConfig(total_analyzing_tokens=10**6, subsamples=subsamples)
    # The bias makes some contexts silent; fewer contexts than samples leave places empty.
    summaries = FeatureAnalyzer(cfg).analyze_batches([batch], sae=TableSAE(4, 6, 0, bias=-2.0))
    assert summaries.n_alive > 0
    path = UPath(tmp_path / "summaries.parquet")
    write_summaries(path, summaries, random_geometry(6, 10, 0), ABOUT)
    assert_bits_equal(read_summaries(path).summaries, summaries)


def test_a_row_is_a_feature_with_only_the_samples_that_exist(written):
    summaries, geometry, _ = read_summaries(written)
    rows = pq.read_table(str(written)).to_pylist()
    assert [row["index"] for row in rows] == list(range(40))
    assert [row["act_times"] for row in rows] == summaries.act_times.tolist()
    np.testing.assert_array_equal([row["density"] for row in rows], summaries.density)
    samples = summaries.samples["top"]
    for feature, row in enumerate(rows):
        assert [n["index"] for n in row["neighbours"]] == geometry.neighbour_idx[feature].tolist()
        coactive = zip(
            summaries.coactive_idx[feature].tolist(), summaries.coactive_cosine[feature].tolist(), strict=True
        )
        assert row["coactive"] == [{"index": i, "cosine": cosine} for i, cosine in coactive if i >= 0]
        existing = [i for i in samples.context_idx[feature].tolist() if i != NO_CONTEXT]
        assert [sample["context_idx"] for sample in row["samples_top"]] == existing
        for number, sample in enumerate(row["samples_top"]):
            active = samples.active(feature, number)
            assert (sample["positions"], sample["values"]) == (active.positions.tolist(), active.values.tolist())


def test_a_missing_file_is_about_nothing_and_cannot_be_read(tmp_path):
    path = UPath(tmp_path / "summaries.parquet")
    assert summaries_about(path) is None
    with pytest.raises(UserError, match=r"summaries.parquet' is missing or damaged; .* run `feature_summaries` again"):
        read_summaries(path)


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_a_truncated_file_is_about_nothing_and_cannot_be_read(written, share):
    whole = Path(str(written)).read_bytes()
    Path(str(written)).write_bytes(whole[: int(len(whole) * share)])
    assert summaries_about(written) is None
    with pytest.raises(UserError, match="run `feature_summaries` again"):
        read_summaries(written)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.6])
def test_a_changed_byte_is_found(written, share):
    damaged = bytearray(Path(str(written)).read_bytes())
    damaged[int(len(damaged) * share)] ^= 0xFF
    Path(str(written)).write_bytes(damaged)
    with pytest.raises(UserError, match="run `feature_summaries` again"):
        read_summaries(written)


def test_another_parquet_file_is_about_nothing_and_cannot_be_read(written):
    pq.write_table(pq.read_table(str(written)).replace_schema_metadata({}), str(written))
    assert summaries_about(written) is None
    with pytest.raises(UserError, match="run `feature_summaries` again"):
        read_summaries(written)
