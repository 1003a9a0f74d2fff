"""All engines do the same work with the same results, and end what they began."""

from collections.abc import Generator
from typing import cast

import psutil
import pytest
from pydantic import ValidationError

from sae_assets.activations.batch import NotFiniteError
from sae_assets.engine.inline import InlineEngine
from sae_assets.engine.progress import Step
from sae_assets.engine.work import Engine
from sae_assets.settings.engine import EngineConfig
from sae_assets_tests.engine.works import SIZE, Diary, Failing, Meeting, Square, Unpicklable, tasks_of


def results(engine: Engine, work, *items) -> list:
    return sorted(done.result for done in engine.map(work, tasks_of(*items), "items", "things"))


def test_every_task_is_done_once(engine_with):
    found = list(engine_with().map(Square(), tasks_of(*range(20)), "items", "things"))
    assert sorted((done.task.item, done.result) for done in found) == [(n, n * n) for n in range(20)]


def test_without_a_task_the_work_is_not_started(engine_with):
    steps: list[Step] = []
    work = Failing("mistake of ours", is_at_the_start=True)
    assert list(engine_with().map(work, [], "items", "things", steps.append)) == []
    assert steps == []


@pytest.mark.parametrize("told", [SIZE // 2, 10 * SIZE])
def test_progress_adds_up_over_all_workers(engine_with, told):
    steps: list[Step] = []
    for _ in engine_with().map(Square(told=told), tasks_of(*range(6)), "items", "things", steps.append):
        pass
    assert steps[0] == Step("items", 0, 6 * SIZE, "things")
    assert steps[-1] == Step("items", 6 * SIZE, 6 * SIZE, "things")
    assert [step.done for step in steps] == sorted(step.done for step in steps)


def test_a_task_ends_while_the_next_one_is_computed_but_not_while_two_are(engine_with, tmp_path):
    diary = tmp_path / "diary"
    assert results(engine_with(n_workers=1), Diary(diary), *range(4)) == list(range(4))
    lines = diary.read_text().splitlines()
    for number in range(3):
        assert lines.index(f"computed {number + 1}") < lines.index(f"ended {number}")
    for number in range(2):
        assert lines.index(f"ended {number}") < lines.index(f"began {number + 2}")


@pytest.mark.parametrize("is_at_the_start", [False, True])
def test_mistake_of_the_user_comes_back_as_it_is(engine_with, is_at_the_start):
    with pytest.raises(NotFiniteError, match=r"^The activation at context 7, position 11 is NaN or infinite"):
        results(engine_with(), Failing("mistake of the user", is_at_the_start), 1, 2, 3)


def test_mistake_of_ours_comes_back_with_its_place(engine_with):
    with pytest.raises(ZeroDivisionError, match="a number") as caught:
        results(engine_with(), Failing("mistake of ours"), 1, 2, 3)
    assert "works.py" in "".join([*getattr(caught.value, "__notes__", []), *map(str, caught.traceback)])


def test_what_the_task_before_a_failing_one_made_is_given_out(tmp_path):
    found = []
    with pytest.raises(TypeError):
        for done in InlineEngine().map(Diary(tmp_path / "diary"), tasks_of(0, 1, "no number"), "items", "things"):
            found.append(done.result)
    assert found == [0, 1]


def test_closing_in_this_process_waits_for_what_has_not_ended(tmp_path):
    found = InlineEngine().map(Diary(tmp_path / "diary"), tasks_of(*range(4)), "items", "things")
    next(found)
    cast(Generator, found).close()
    lines = (tmp_path / "diary").read_text().splitlines()
    assert sum(line.startswith("ended") for line in lines) == sum(line.startswith("computed") for line in lines)


@pytest.mark.parametrize("engine_with", ["processes", "ray"], indirect=True)
class TestWithWorkers:
    """What is so wherever the work is done by other processes."""

    @pytest.mark.parametrize(
        ("work", "kind", "words"),
        [(Failing("cannot be pickled"), RuntimeError, "PickyError: 2 is odd"), (Unpicklable(), Exception, "lambda")],
    )
    def test_what_cannot_be_sent_is_told_in_words(self, engine_with, work, kind, words):
        with pytest.raises(kind, match=words):
            list(engine_with().map(work, tasks_of(2), "items", "things"))

    @pytest.mark.parametrize("is_closed_by_an_error", [False, True])
    def test_all_workers_end_early(self, engine_with, tmp_path, is_closed_by_an_error):
        found = engine_with().map(Meeting(tmp_path, 2), tasks_of(*range(50)), "items", "things")
        next(found)
        workers = [psutil.Process(int(file.name)) for file in tmp_path.iterdir()]
        assert len(workers) == 2
        if is_closed_by_an_error:
            with pytest.raises(KeyboardInterrupt):
                cast(Generator, found).throw(KeyboardInterrupt())
        else:
            cast(Generator, found).close()
        assert psutil.wait_procs(workers, timeout=10)[1] == []

    def test_there_are_no_more_workers_than_tasks(self, engine_with, tmp_path):
        assert len(results(engine_with(n_workers=2), Meeting(tmp_path, 1), 1)) == 1
        assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"type": "ray", "devices": ["cpu"]}, '`devices` does nothing for the engine "ray"; .*`type` to "processes"'),
        ({"n_workers": 2}, '`n_workers` does nothing for the engine "inline"; .*"processes" or "ray"'),
        ({"type": "processes", "num_gpus": 1}, '`num_gpus` does nothing for the engine "processes"'),
        ({"type": "ray", "num_gpus": 1.5}, "`num_gpus` above 1 must be a whole number"),
        ({"type": "processes", "devices": []}, "at least 1 item"),
    ],
)
def test_settings_that_do_not_fit_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        EngineConfig(**values)


def test_defaults_may_be_written_down_for_any_engine():
    defaults = EngineConfig().model_dump() | {"type": "processes"}
    assert EngineConfig.model_validate(defaults).type == "processes"
