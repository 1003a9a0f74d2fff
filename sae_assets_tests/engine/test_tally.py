"""Progress of many tasks is a sum that never goes past the end."""

from hypothesis import given
from hypothesis import strategies as st

from sae_assets.engine.tally import Tally
from sae_assets.engine.work import Task

SIZES = st.lists(st.integers(0, 100), min_size=1, max_size=6)
PARTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 150), st.booleans()), max_size=20)


@given(SIZES, PARTS)
def test_sum_is_that_of_the_tasks_and_ends_at_the_total(sizes, parts):
    steps = []
    tally = Tally([Task("one", None, size) for size in sizes], "items", "things", steps.append)
    done = [0] * len(sizes)
    for number, n_units, is_lost in parts:
        number %= len(sizes)
        tally.advance(number, n_units)
        done[number] = min(sizes[number], done[number] + n_units)
        assert steps[-1].done == sum(done)
        if is_lost:
            tally.forget(number)
            done[number] = 0
            assert steps[-1].done == sum(done)
    for number in range(len(sizes)):
        tally.finish(number)
    assert steps[0].done == 0
    assert steps[-1].done == steps[-1].total == sum(sizes)
