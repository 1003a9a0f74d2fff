"""The child processes of a test, without those of other tests' servers, which live as long as these."""

import psutil
import pytest

_of_others: set[int] = set()


@pytest.fixture(autouse=True, scope="module")
def others() -> None:
    _of_others.clear()
    _of_others.update(process.pid for process in psutil.Process().children())


def children_of(process: psutil.Process) -> list[psutil.Process]:
    """The workers that the tests of this module have started."""
    found = [child for child in process.children() if child.pid not in _of_others]
    return [child for child in found if "sae_assets.engine.process_worker" in child.cmdline()]
