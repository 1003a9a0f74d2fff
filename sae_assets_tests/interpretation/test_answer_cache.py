"""Replies on disk: the same for threads, processes and later runs, and never lost without a word."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.answer_cache import AnswerCache, answer_key
from sae_assets.interpretation.answers import ReasonedVerdictsAnswer, VerdictsAnswer
from sae_assets.interpretation.asking import Question, Reply
from sae_assets.interpretation.records import Usage
from sae_assets.interpretation.templates import Messages
from sae_assets.settings import UserError
from sae_assets_tests.interpretation.questions import question

REPLY = Reply("it says “é\x00\ud800”", "judge", Usage(1, 100, 10, 20, 0.25), "the answer was cut")

WRITER = """
import sys
from pathlib import Path
from sae_assets.interpretation.answer_cache import AnswerCache
from sae_assets.interpretation.asking import Reply
from sae_assets.interpretation.records import Usage
cache = AnswerCache(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    cache.put(f"{sys.argv[2]}{number}", Reply(f"reply {number}", "m", Usage(1)))
    print(number, flush=True)
if sys.argv[4] == "stay":
    input()
"""


def writer(path: Path, name: str, n: int, then: str = "leave") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(n), then]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_reply_comes_back_as_it_was_also_in_a_later_run(tmp_path: Path) -> None:
    with AnswerCache(tmp_path / "new" / "answers.sqlite") as cache:
        assert cache.get("a") is None
        cache.put("a", REPLY)
        cache.put("b", REPLY._replace(problem=None))
        assert cache.get("a") == REPLY
    with AnswerCache(tmp_path / "new" / "answers.sqlite") as cache:
        assert cache.get("a") == REPLY
        assert cache.get("b") == REPLY._replace(problem=None)


def test_later_reply_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    with AnswerCache(tmp_path / "answers.sqlite") as cache:
        cache.put("a", REPLY)
        cache.put("a", REPLY._replace(text="new"))
        assert cache.get("a") == REPLY._replace(text="new")


def test_file_is_made_with_the_first_reply_and_can_be_deleted(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    with AnswerCache(path) as cache:
        assert cache.get("a") is None
        assert not path.exists()
        cache.put("a", REPLY)
    assert [one.name for one in tmp_path.iterdir()] == ["answers.sqlite"]
    path.unlink()
    with AnswerCache(path) as cache:
        assert cache.get("a") is None


def test_fifty_threads_share_a_cache(tmp_path: Path) -> None:
    barrier = threading.Barrier(50)

    def use(thread: int) -> list[Reply | None]:
        barrier.wait()
        for number in range(20):
            cache.put(f"{thread}:{number}", REPLY._replace(text=f"{thread}:{number}"))
        return [cache.get(f"{thread}:{number}") for number in range(20)]

    with AnswerCache(tmp_path / "answers.sqlite") as cache, ThreadPoolExecutor(50) as pool:
        found = list(pool.map(use, range(50)))
    assert [[reply and reply.text for reply in of_thread] for of_thread in found] == [
        [f"{thread}:{number}" for number in range(20)] for thread in range(50)
    ]


def test_processes_that_begin_a_cache_together_share_it(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    writers = [writer(path, name, 50) for name in "abcd"]
    assert [process.communicate()[0].count("\n") for process in writers] == [50] * 4
    with AnswerCache(path) as cache:
        assert all(cache.get(f"{name}{number}") for name in "abcd" for number in range(50))


def test_what_was_put_survives_the_end_of_its_process_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    with writer(path, "a", 30, "stay") as process:
        assert process.stdout is not None
        written = [int(process.stdout.readline()) for _ in range(30)]
        os.kill(process.pid, signal.SIGKILL)
    with AnswerCache(path) as cache:
        assert [getattr(cache.get(f"a{number}"), "text", None) for number in written] == [
            f"reply {number}" for number in written
        ]


def test_damaged_file_is_one_sentence_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    path.write_bytes(content := b"this is no database, but it is long enough to be one" * 100)
    with AnswerCache(path) as cache:
        for use in (lambda: cache.get("a"), lambda: cache.put("a", REPLY)):
            with pytest.raises(UserError, match=r"The cache of answers .* cannot be used \(file is not a database\)"):
                use()
    assert path.read_bytes() == content


def test_file_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 2")
    with AnswerCache(path) as cache, pytest.raises(UserError, match="written by a newer version: 2"):
        cache.get("a")


def test_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with AnswerCache(tmp_path / "file" / "answers.sqlite") as cache, pytest.raises(UserError, match="cannot be used"):
        cache.put("a", REPLY)


def test_full_disk_is_one_sentence_and_loses_nothing_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    with AnswerCache(path) as cache:
        cache.put("a", REPLY)
        cache._connection.execute("PRAGMA max_page_count = 10")  # type: ignore[union-attr]
        with pytest.raises(UserError, match="disk is full"):
            cache.put("b", REPLY._replace(text="x" * 100_000))
        assert cache.get("a") == REPLY


def test_key_depends_on_all_that_decides_the_answer_and_on_nothing_else() -> None:
    asked = question()
    messages, form = asked.messages, asked.form
    keys = [
        answer_key("m", {}, asked),
        answer_key("n", {}, asked),
        answer_key("m", {"temperature": 0}, asked),
        answer_key("m", {"temperature": 1}, asked),
        answer_key("m", {}, Question(messages, form, 1)),
        answer_key("m", {}, Question(messages, ReasonedVerdictsAnswer)),
        answer_key("m", {}, Question(Messages(messages.user, messages.system), form)),
        answer_key("m", {}, Question(Messages(messages.system + messages.user, ""), form)),
    ]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 64 and int(key, 16) >= 0 for key in keys)
    assert answer_key("m", {"a": 1, "b": {"d": 2, "c": 3}}, asked) == answer_key(
        "m", {"b": {"c": 3, "d": 2}, "a": 1}, asked
    )


@given(st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text())), st.text(), st.text())
def test_key_can_be_made_of_any_options_and_text(options: dict[str, Any], system: str, user: str) -> None:
    asked = Question(Messages(system, user), VerdictsAnswer)
    assert answer_key("m", options, asked) == answer_key("m", json.loads(json.dumps(options)), asked)
