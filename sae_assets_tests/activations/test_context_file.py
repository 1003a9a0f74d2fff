"""The contexts file gives back what was written, by number, and is whole or not there."""

from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from sae_assets.activations.context_file import (
    ROWS_A_GROUP,
    contexts_report,
    read_contexts,
    read_token_table,
    write_contexts,
)
from sae_assets.activations.contexts import Context, cut_contexts
from sae_assets.settings import UserError
from sae_assets_tests.activations.corpora import TEXTS, factory_cfg, rows

N_CONTEXTS = 2 * ROWS_A_GROUP + 100
"""Three row groups."""
SIZE = 3


def made_by_hand(n_contexts: int = N_CONTEXTS) -> Iterator[Context]:
    for i in range(n_contexts):
        tokens = np.array([i, i + 1, i + 2], dtype=np.int32)
        spans = np.array([0, 1, 2], dtype=np.int32)
        yield Context(i, "web", i // 2, f"日{i % 10}b", tokens, spans, spans + 1, tokens % 3 > 0)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> UPath:
    path = UPath(tmp_path_factory.mktemp("contexts") / "contexts.parquet")
    write_contexts(made_by_hand(), path, None)
    return path


def assert_same(one: list[Context], other: list[Context]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        for field in fields(Context):
            np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name), field.name, strict=True)


def test_contexts_come_back_as_they_were_written(tmp_path, tokenizer):
    contexts = list(cut_contexts(factory_cfg(), {"web": rows(TEXTS)}, tokenizer, 500))
    path = UPath(tmp_path / "new" / "contexts.parquet")
    write_contexts(contexts, path, 500)
    assert_same(list(read_contexts(path)), contexts)


def test_all_row_groups_come_back(path):
    assert_same(list(read_contexts(path)), list(made_by_hand()))


@settings(max_examples=20, deadline=None)
@given(wanted=st.lists(st.integers(0, N_CONTEXTS - 1), max_size=30))
def test_contexts_are_read_by_their_numbers(path, wanted):
    everything = list(made_by_hand())
    assert_same(list(read_contexts(path, wanted)), [everything[i] for i in sorted(set(wanted))])


@settings(max_examples=30, deadline=None)
@given(first=st.integers(0, N_CONTEXTS - 1), n=st.integers(1, N_CONTEXTS))
def test_a_table_of_tokens_may_span_row_groups(path, first, n):
    contexts = range(first, min(first + n, N_CONTEXTS))
    table = read_token_table(path, contexts)
    tokens = np.arange(contexts.start, contexts.stop)[:, None] + np.arange(SIZE)
    np.testing.assert_array_equal(table.tokens, tokens)
    np.testing.assert_array_equal(table.mask, tokens % 3 > 0)


def test_the_report_says_what_was_written(tmp_path):
    path = UPath(tmp_path / "contexts.parquet")
    report = write_contexts(made_by_hand(10), path, 25)
    assert (report.n_contexts, report.n_tokens, report.n_positions, report.n_characters) == (10, 20, 30, 30)
    assert report.is_short
    assert contexts_report(path) == report
    assert not write_contexts(made_by_hand(10), path, 20).is_short
    assert not write_contexts(made_by_hand(10), path, None).is_short


def test_progress_ends_with_the_tokens_that_were_written(tmp_path):
    steps = []
    report = write_contexts(made_by_hand(), UPath(tmp_path / "contexts.parquet"), 10**4, steps.append)
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert (steps[0].done, steps[-1].done, steps[-1].total) == (0, report.n_tokens, 10**4)


def failing() -> Iterator[Context]:
    yield from made_by_hand(ROWS_A_GROUP + 5)
    raise ConnectionError("the hub is gone")


def test_a_stream_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(ConnectionError):
        write_contexts(failing(), UPath(tmp_path / "contexts.parquet"), None)
    assert list(tmp_path.iterdir()) == []


def test_a_stream_that_fails_leaves_the_file_before(tmp_path):
    path = UPath(tmp_path / "contexts.parquet")
    write_contexts(made_by_hand(5), path, None)
    with pytest.raises(ConnectionError):
        write_contexts(failing(), path, None)
    assert_same(list(read_contexts(path)), list(made_by_hand(5)))


@pytest.mark.parametrize("is_empty", [True, False])
def test_nothing_that_counts_is_refused_and_leaves_no_file(tmp_path, is_empty):
    none_counts = [replace(context, mask=np.zeros(SIZE, bool)) for context in made_by_hand(5)]
    with pytest.raises(UserError, match=r"^There is no token to analyse: the datasets are empty or every token"):
        write_contexts([] if is_empty else none_counts, UPath(tmp_path / "contexts.parquet"), None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("contents", [None, b"", b"PAR1", b"no parquet at all"])
def test_a_file_that_is_none_has_no_report(tmp_path, contents):
    path = UPath(tmp_path / "contexts.parquet")
    if contents is not None:
        path.write_bytes(contents)
    assert contexts_report(path) is None
    with pytest.raises(UserError, match=r"contexts\.parquet' are missing or damaged; delete the file and make"):
        list(read_contexts(path))


def test_a_truncated_file_has_no_report(tmp_path, path):
    truncated = UPath(tmp_path / "contexts.parquet")
    truncated.write_bytes(path.read_bytes()[:-20])
    assert contexts_report(truncated) is None


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0), flip=st.integers(1, 255))
def test_a_changed_byte_of_a_page_never_gives_other_contexts(tmp_path_factory, place, flip):
    path = UPath(tmp_path_factory.getbasetemp() / "changed.parquet")
    write_contexts(made_by_hand(40), path, None)
    contents = bytearray(path.read_bytes())
    n_footer = int.from_bytes(contents[-8:-4], "little") + 8
    contents[place % (len(contents) - n_footer)] ^= flip
    path.write_bytes(bytes(contents))
    try:
        found = list(read_contexts(path))
    except UserError as error:
        assert str(error).endswith("are missing or damaged; delete the file and make `tokenized_contexts` again.")
    else:  # A byte that says nothing of the contexts.
        assert_same(found, list(made_by_hand(40)))


def test_contexts_are_written_as_they_come(tmp_path):
    path = UPath(tmp_path / "contexts.parquet")
    n_given, n_written = 0, 0

    def counted() -> Iterator[Context]:
        nonlocal n_given
        for context in made_by_hand(5 * ROWS_A_GROUP):
            n_given += 1
            assert n_given - n_written <= ROWS_A_GROUP
            yield context

    def written(step) -> None:
        nonlocal n_written
        n_written = n_given

    write_contexts(counted(), path, None, written)
    assert n_given == 5 * ROWS_A_GROUP
