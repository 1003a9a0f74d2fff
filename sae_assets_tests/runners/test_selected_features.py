"""A selection means the features that a plain filter over their numbers gives."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sae_assets.engine.progress import silent
from sae_assets.runners.analyze import analyze_sae
from sae_assets.runners.selected_features import sample_of, selected_features
from sae_assets.settings import UserError
from sae_assets.settings.selection import DensityRange, FeatureSelection, parse_selection
from sae_assets.store.columns import FeatureColumns, read_feature_columns
from sae_assets.store.connection import Store
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.lookup import find_analysis
from sae_assets_tests.project import D_SAE, DEAD, SAE_ID, TinyProject


@pytest.fixture(scope="module")
def store(tiny_project: TinyProject) -> Iterator[Store]:
    analyze_sae(tiny_project.analyze_settings(), data=tiny_project.data, progress=silent)
    with tiny_project.store() as store:
        yield store


@pytest.fixture(scope="module")
def analysis(store: Store) -> AnalysisDocument:
    return find_analysis(store, SAE_ID).analysis


@pytest.fixture(scope="module")
def columns(store: Store, analysis: AnalysisDocument) -> FeatureColumns:
    return read_feature_columns(store, analysis)


def selected(store: Store, analysis: AnalysisDocument, terms: list[int] | str | None) -> list[int]:
    return selected_features(store, analysis, parse_selection(terms))


def test_nothing_asked_is_every_alive_feature(store, analysis):
    assert selected(store, analysis, None) == [index for index in range(D_SAE) if index != DEAD]


def test_all_holds_the_dead_one_too(store, analysis):
    assert selected(store, analysis, "all") == list(range(D_SAE))
    assert selected(store, analysis, f"{DEAD}") == [DEAD]
    assert selected(store, analysis, f"{DEAD}, alive") == []


def test_indices_come_once_in_the_order_asked_for(store, analysis):
    assert selected(store, analysis, [9, 4, 9]) == [9, 4]
    assert selected(store, analysis, "7-9, 3, 8-10") == [7, 8, 9, 3, 10]


def test_density_is_a_half_open_range_of_alive_features(store, analysis, columns):
    middle = float(sorted(columns.density)[D_SAE // 2])
    below, above = (
        selected(store, analysis, f"density ..{middle!r}"),
        selected(store, analysis, f"density {middle!r}.."),
    )
    assert sorted([*below, *above, DEAD]) == list(range(D_SAE))
    assert all(columns.density[index] < middle for index in below) and below
    assert DEAD in selected(store, analysis, f"all, density ..{middle!r}")


@pytest.mark.parametrize("terms", ["60-64", "64", "9999999999", "3, 0-70"])
def test_index_out_of_range_is_one_sentence(store, analysis, terms):
    with pytest.raises(UserError, match=r"There is no feature \d+ in 'tiny/sae-l0/default'; they go from 0 to 63\."):
        selected(store, analysis, terms)


index_ranges = st.lists(st.tuples(st.integers(0, D_SAE - 1), st.integers(0, D_SAE - 1)).map(sorted), max_size=3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    index_ranges,
    st.booleans(),
    st.none() | st.tuples(st.floats(0, 0.3), st.floats(0, 0.3)),
    st.none() | st.integers(1, 70),
)
def test_selection_is_what_a_plain_filter_gives(store, analysis, columns, pairs, is_alive, density, sample):
    limits = DensityRange(*sorted(density)) if density else None
    ranges = tuple(range(low, high + 1) for low, high in pairs)
    asked = [index for index in range(D_SAE) if not ranges or any(index in one for one in ranges)]
    expected = [
        index
        for index in asked
        if (columns.act_times[index] > 0 or not is_alive)
        and (limits is None or limits.at_least <= columns.density[index] < limits.below)
    ]
    found = selected_features(store, analysis, FeatureSelection(ranges, is_alive, limits, sample))
    if sample is None:
        assert sorted(found) == expected
    else:
        assert len(found) == min(sample, len(expected)) and set(found) <= set(expected) and found == sorted(found)


@given(st.sets(st.integers(0, 10**6), max_size=60), st.integers(1, 40), st.integers(0, 40))
def test_sample_is_the_same_each_time_and_part_of_every_larger_one(indices, n, more):
    drawn = sample_of(sorted(indices, reverse=True), n)
    assert drawn == sample_of(indices, n) == sorted(drawn)
    assert len(drawn) == min(n, len(indices))
    assert set(drawn) <= set(sample_of(indices, n + more)) <= indices


def test_sample_is_spread_over_the_dictionary():
    drawn = sample_of(range(100_000), 1000)
    assert all(60 < sum(tenth * 10_000 <= index < (tenth + 1) * 10_000 for index in drawn) < 140 for tenth in range(10))
