"""The workers that the tests of a module start, without those of other tests' servers, which live as long as these."""

import psutil

_of_others: set[int] = set()


def leave_out_those_of_others() -> None:
    """Workers that run by now are not this module's."""
    _of_others.clear()
    _of_others.update(process.pid for process in psutil.Process().children())


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """The workers that a process has started since."""
    found = [child for child in process.children() if child.pid not in _of_others]
    return [child for child in found if "sae_assets.engine.process_worker" in child.cmdline()]
