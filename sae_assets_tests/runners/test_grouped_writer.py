"""What comes while a group is written is the next group, and nothing is lost or written twice."""

import threading

import pytest

from sae_assets.runners.grouped_writer import GroupedWriter


def test_what_comes_during_a_write_is_written_together():
    groups: list[list[int]] = []
    began, may_go_on = threading.Event(), threading.Event()

    def write(group: list[int]) -> None:
        groups.append(group)
        began.set()
        may_go_on.wait()

    with GroupedWriter(write) as writer:
        writer.put(0)
        began.wait()
        for item in range(1, 100):
            writer.put(item)
        may_go_on.set()
    assert groups == [[0], list(range(1, 100))]


def test_single_item_is_written_without_waiting_for_others():
    written = threading.Event()
    with GroupedWriter[int](lambda _group: written.set()) as writer:
        writer.put(1)
        assert written.wait(60)


def test_failure_reaches_the_one_who_puts():
    failed = threading.Event()

    def write(_group: list[int]) -> None:
        failed.set()
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="the disk is full"), GroupedWriter(write) as writer:
        writer.put(1)
        failed.wait()
        while True:
            writer.put(2)


def test_failure_of_the_last_group_is_raised_at_the_end():
    def write(_group: list[int]) -> None:
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="the disk is full"), GroupedWriter(write) as writer:
        writer.put(1)


def test_an_error_of_the_caller_is_not_hidden_and_what_was_put_is_written():
    groups: list[list[int]] = []
    with pytest.raises(KeyError), GroupedWriter(groups.append) as writer:
        writer.put(1)
        raise KeyError
    assert groups == [[1]]
