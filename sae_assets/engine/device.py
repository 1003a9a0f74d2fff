"""Devices that tensors can be put on."""

from __future__ import annotations

import getpass
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from sae_assets.engine.progress import Progress, Step
from sae_assets.settings.errors import UserError


def checked_device(name: str) -> torch.device:
    """The device of this name, once it is sure that this machine has it.

    Raises:
        UserError: there is no such device here.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"Unknown device {name!r}; use 'cpu', 'cuda', 'cuda:0' or 'mps'.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise UserError(f"The device {name!r} does not exist: {found} GPUs were found here; set `device` to 'cpu'.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("The device 'mps' does not exist here; set `device` to 'cpu'.")
    return device


@contextmanager
def device_lease(name: str, tell_waiting: Callable[[], None]) -> Iterator[None]:
    """Holds a device alone among this user's processes on this machine.

    The lock is the kernel's, so a process that is killed holds nothing. `tell_waiting` is called once where another
    process has the device.
    """
    folder = Path(tempfile.gettempdir()) / f"sae-assets-{getpass.getuser()}"
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / f"{name.replace(':', '-')}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tell_waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def leased(name: str, progress: Progress) -> AbstractContextManager[None]:
    """The lease of a device for a short piece of work, which tells its progress where it waits; none for the CPU."""
    if name == "cpu":
        return nullcontext()
    return device_lease(name, lambda: progress(Step("waiting for the GPU", 0, None, "seconds")))
