"""A comparison is read as it was saved, whole or not at all, for as long as its analyses are the same."""

import subprocess
import sys

import numpy as np
import pytest

from sae_assets.analysis.changes import CHANGES, FeatureChanges
from sae_assets.store import comparisons as module
from sae_assets.store.comparisons import StoredComparison, read_comparison, save_comparison
from sae_assets.store.connection import Store
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.lookup import find_analysis
from sae_assets_tests.store.results import made_up, publish, sae_document

FIRST, SECOND = "demo/l10/default", "demo/l11/default"
N_TOKENS = 960


Two = tuple[AnalysisDocument, AnalysisDocument]


@pytest.fixture
def analyses(store: Store) -> Two:
    """Two published analyses."""
    result = made_up()
    for name in ("l10", "l11"):
        publish(store, result, sae_document(name))
    return find_analysis(store, "demo/l10").analysis, find_analysis(store, "demo/l11").analysis


def some_changes(n_pairs: int = 10, seed: int = 0) -> FeatureChanges:
    rng = np.random.default_rng(seed)
    cosine, correlation = rng.uniform(-1, 1, (2, n_pairs)).astype(np.float32)
    cosine[::3] = np.nan
    return FeatureChanges(
        rng.integers(-1, 99, n_pairs, np.int32),
        rng.integers(-1, 99, n_pairs, np.int32),
        rng.integers(0, len(CHANGES), n_pairs, np.uint8),
        cosine,
        correlation,
    )


def save(store: Store, analyses: Two, changes: FeatureChanges, note: str | None = None) -> StoredComparison:
    first, second = analyses
    return save_comparison(store, first, second, changes, N_TOKENS, note)


def assert_same(one: StoredComparison | None, other: StoredComparison) -> None:
    assert one is not None
    assert one.about == other.about
    for name in module.COLUMNS:
        np.testing.assert_array_equal(getattr(one.changes, name), getattr(other.changes, name), strict=True)


@pytest.mark.parametrize("n_pairs", [0, 1, 10, 11])
def test_comparison_is_read_as_it_was_saved(store, analyses, monkeypatch, n_pairs):
    monkeypatch.setattr(module, "PAIRS_A_BLOCK", 5)
    changes = some_changes(n_pairs)
    saved = save(store, analyses, changes, "Something is missing.")
    read = read_comparison(store, FIRST, SECOND)
    assert_same(read, saved)
    assert (saved.about.n_tokens, saved.about.note) == (N_TOKENS, "Something is missing.")
    assert saved.counts == changes.counts
    assert store["comparison_columns"].count_documents({}) == -(-n_pairs // 5)


def test_the_order_of_the_two_matters(store, analyses):
    save(store, analyses, some_changes())
    assert read_comparison(store, SECOND, FIRST) is None
    assert read_comparison(store, FIRST, "demo/l12/default") is None


def test_a_newer_comparison_takes_the_place_of_the_older(store, analyses):
    save(store, analyses, some_changes(20))
    back = save(store, (analyses[1], analyses[0]), some_changes(5))
    newer = save(store, analyses, some_changes(7, seed=1))
    assert_same(read_comparison(store, FIRST, SECOND), newer)
    assert_same(read_comparison(store, SECOND, FIRST), back)
    assert (store["comparisons"].count_documents({}), store["comparison_columns"].count_documents({})) == (2, 2)


@pytest.mark.parametrize("name", ["l10", "l11"])
def test_a_comparison_ends_with_the_features_of_either(store, analyses, name):
    save(store, analyses, some_changes())
    publish(store, made_up(), sae_document(name))
    assert read_comparison(store, FIRST, SECOND) is None


def test_a_comparison_of_replaced_features_never_counts(store, analyses):
    publish(store, made_up(), sae_document("l11"))
    save(store, analyses, some_changes())
    assert read_comparison(store, FIRST, SECOND) is None


def test_a_comparison_of_another_format_does_not_count(store, analyses, monkeypatch):
    save(store, analyses, some_changes())
    monkeypatch.setattr(module, "FORMAT", module.FORMAT + 1)
    assert read_comparison(store, FIRST, SECOND) is None


def test_a_comparison_is_never_read_in_part(store, analyses, monkeypatch):
    monkeypatch.setattr(module, "PAIRS_A_BLOCK", 4)
    save(store, analyses, some_changes())
    store["comparison_columns"].delete_one({"start": 4})
    assert read_comparison(store, FIRST, SECOND) is None


def test_what_a_killed_run_wrote_goes_with_the_next(store, analyses, monkeypatch):
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    before = save(store, analyses, some_changes())
    collection = type(store["comparisons"])
    with monkeypatch.context() as patch:
        patch.setattr(collection, "replace_one", killed)
        with pytest.raises(KeyboardInterrupt):
            save(store, analyses, some_changes(3))
    assert_same(read_comparison(store, FIRST, SECOND), before)
    assert store["comparison_columns"].count_documents({}) == 2
    after = save(store, analyses, some_changes(4))
    assert_same(read_comparison(store, FIRST, SECOND), after)
    assert store["comparison_columns"].count_documents({}) == 1


def test_reading_a_comparison_loads_no_torch():
    code = "import sys, sae_assets.store.comparisons; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
