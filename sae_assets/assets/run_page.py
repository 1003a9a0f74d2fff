"""Progress of a step: lines in the run page every few seconds, and a bar on the terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import dagster as dg

from sae_assets.assets.failures import clear_failures
from sae_assets.engine.device import device_lease
from sae_assets.engine.progress import Progress, Step
from sae_assets.engine.progress_bar import progress_bar

LINES = 20
"""About how many lines a long step writes: the run page slows down with thousands of events."""
SHORTEST_SECONDS = 5.0
SLOW_RATE = 10


@contextmanager
def step_progress(context: dg.AssetExecutionContext) -> Iterator[Progress]:
    """The progress of an asset's body; inside it, mistakes of the user end the step with their sentence."""
    with clear_failures(), progress_bar() as bar:
        lines = _RunPageLines(context)

        def report(step: Step) -> None:
            bar(step)
            lines(step)

        yield report
        lines.finish()


@contextmanager
def alone_on(devices: Sequence[str], context: dg.AssetExecutionContext) -> Iterator[None]:
    """One step at a time computes on a device of this machine; a run that was killed holds nothing.

    A limit of the pool would be kept by a killed run until somebody frees it by hand, so it has none by itself.
    """
    with ExitStack() as leases:
        for device in sorted(set(devices)):  # in one order, so that two steps never wait for each other
            tell_waiting = partial(context.log.info, f"Waiting for the device {device!r}, which another run uses.")
            leases.enter_context(device_lease(device, tell_waiting))
        yield


class _RunPageLines:
    def __init__(self, context: dg.AssetExecutionContext):
        self.context = context
        self.step: Step | None = None
        self.began = self.last = 0.0

    def __call__(self, step: Step) -> None:
        now = time.monotonic()
        if self.step is None or step.what != self.step.what or step.done == 0:
            self.finish()
            self.began = self.last = now
        self.step = step
        elapsed = now - self.began
        if now - self.last >= max(SHORTEST_SECONDS, elapsed / LINES):
            self.last = now
            self.context.log.info(sentence(step, elapsed))

    def finish(self) -> None:
        """Says what the last piece of work came to; nothing where there was none."""
        if self.step is not None and self.step.done:
            seconds = time.monotonic() - self.began
            done = f"{self.step.what}: {self.step.done:,} {self.step.unit} in {seconds:,.1f} s"
            self.context.log.info(_noted(done, self.step))
        self.step = None


def sentence(step: Step, elapsed: float) -> str:
    """`activations: 120,000 of 262,144 tokens (46 %), 6,800 tokens/s, 21 s left`; `elapsed` in seconds.

    The step's note follows; a rate below 10 has a decimal, as features may take seconds each.
    """
    rate = step.done / elapsed if elapsed else 0.0
    if not step.total or not rate:
        return _noted(f"{step.what}: {step.done:,} {step.unit}", step)
    left = (step.total - step.done) / rate
    share = step.done / step.total
    shown_rate = f"{rate:,.1f}" if rate < SLOW_RATE else f"{rate:,.0f}"
    return _noted(
        f"{step.what}: {step.done:,} of {step.total:,} {step.unit} ({share:.0%}), {shown_rate} {step.unit}/s, "
        f"{left:,.0f} s left",
        step,
    )


def _noted(line: str, step: Step) -> str:
    return f"{line}, {step.note}" if step.note else line
