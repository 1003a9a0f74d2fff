"""The list of batches under way, as several runs share it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from sae_assets.interpretation.batch.under_way import SentBatch, UnderWay
from sae_assets.settings import UserError

Opened = Callable[..., UnderWay]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    with ExitStack() as stack:
        yield lambda place="here", model="gpt": stack.enter_context(
            closing(UnderWay(tmp_path / "new" / "batches.sqlite", place, model))
        )


def test_what_one_run_enters_another_sees(opened: Opened) -> None:
    first, second = opened(), opened()
    first.enter("file-1", ["a", "b"])
    assert second.batches() == [SentBatch("file-1", None)]
    first.name("file-1", "batch-1")
    assert second.batches() == [SentBatch("file-1", "batch-1")]
    assert second.keys("file-1") == {"a", "b"}
    assert (second.file_of("a"), second.file_of("c")) == ("file-1", None)
    second.remove("file-1")
    assert (first.batches(), first.keys("file-1"), first.file_of("a")) == ([], set(), None)


def test_endpoints_share_nothing_and_models_no_batches(opened: Opened) -> None:
    here, other_model, elsewhere = opened(), opened(model="other"), opened("elsewhere")
    for number, one in enumerate([here, other_model]):
        one.enter(f"file-{number}", [str(number)])
    elsewhere.enter("file-0", ["0"])
    elsewhere.remove("file-0")
    assert here.batches() == [SentBatch("file-0", None)]
    assert other_model.batches() == [SentBatch("file-1", None)]
    assert (here.file_of("0"), elsewhere.file_of("0")) == ("file-0", None)


def test_file_is_entered_with_all_its_questions_or_not_at_all(opened: Opened) -> None:
    under_way = opened()
    under_way.enter("file-1", ["a"])
    with pytest.raises(UserError):
        under_way.enter("file-2", ["b", "a"])
    assert under_way.batches() == [SentBatch("file-1", None)]
    assert under_way.file_of("b") is None


def test_one_run_sends_at_a_time(opened: Opened) -> None:
    first, second = opened(), opened()
    events: list[str] = []

    def send() -> None:
        with second.sending():
            events.append("second")

    with first.sending():
        thread = threading.Thread(target=send)
        thread.start()
        thread.join(0.2)
        events.append("first")
    thread.join()
    assert events == ["first", "second"]


def test_damaged_file_is_one_sentence_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "batches.sqlite"
    path.write_text(
        "this is no database, and longer than the header of one would be, which is a hundred bytes long" * 9
    )
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"batches\.sqlite cannot be used \(.*\); mend or move it\.$"):
        UnderWay(path, "here", "gpt")
    assert path.read_bytes() == before
