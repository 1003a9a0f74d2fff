"""`InferenceService`: what the web process asks of its child processes. Importing it loads no torch."""

from __future__ import annotations

import threading
from typing import Literal, NamedTuple

from sae_assets.disk.layout import DataFolder
from sae_assets.runners.analysed_model import TextReading, analysed_model
from sae_assets.settings.errors import UserError
from sae_assets.settings.mongo import MongoDBConfig
from sae_assets.store.connection import Store
from sae_assets.store.lookup import find_analysis
from sae_assets.web.inference.child import MOST_WAITING, BusyError, ChildProcess
from sae_assets.web.inference.works import SHARES, ComparisonWork, Pair, TextRequest, TextWork

COMPARISON_S = 24 * 3600
"""Seconds that a comparison may take."""
COMPARED_IDLE_S = 10
"""Seconds after a comparison in which its process ends, unless there is another one."""


class ComparisonProgress(NamedTuple):
    """How far a comparison is. Ask this before looking into the store: what has ended by then is there."""

    state: Literal["missing", "running", "failed", "ready"]
    """Whether this process was asked for it, and what came of that."""
    share: float | None = None
    """Share of the running step that is done, from 0 to 1; it falls where another step begins."""
    message: str | None = None
    """Why it failed."""


class InferenceService:
    """Reads texts in one child process and compares checkpoints in another; usable from any thread."""

    def __init__(
        self,
        store: Store,
        mongo: MongoDBConfig | None,
        data: DataFolder,
        *,
        idle_s: float = 600,
        timeout_s: float = 120,
    ):
        """Starts no process yet.

        Args:
            store: where analyses are looked up.
            mongo, data: what `store` was connected with; the process that compares connects on its own.
            idle_s: seconds without a text after which the process with the models ends.
            timeout_s: seconds in which a text must be read.
        """
        self.store, self.timeout_s = store, timeout_s
        self._reader = ChildProcess(TextWork(), "reads texts", idle_s)
        self._comparer = ChildProcess(ComparisonWork(mongo, data), "compares checkpoints", COMPARED_IDLE_S)
        self._comparisons: dict[Pair, ComparisonProgress] = {}
        self._changing = threading.Lock()

    def text_activations(
        self, series: str, name: str, analysis: str, text: str, feature: int | None = None, n_features: int = 5
    ) -> TextReading:
        """What one feature, or the strongest features, of a published analysis do on each token of a text.

        Raises:
            BusyError: too many texts are waiting, or it takes too long.
            NotFoundError: there is no such analysis or feature.
            UserError: the model or the SAE cannot be loaded, or the text has no token.
        """
        about = analysed_model(self.store, find_analysis(self.store, name, series, analysis))
        return self._reader.ask(TextRequest(about, text, feature, n_features), self.timeout_s)

    def compare(self, first: str, second: str) -> None:
        """Begins to compare two analyses, each `series/name/analysis`, unless that is running already.

        Raises:
            BusyError: too many comparisons are waiting.
        """
        pair = Pair(first, second)
        with self._changing:
            n_running = sum(known.state == "running" for known in self._comparisons.values())
            if self.comparison_progress(first, second).state == "running":
                return
            if n_running >= MOST_WAITING:
                raise BusyError(f"{n_running} comparisons are running already; try again when one of them is done.")
            self._comparisons[pair] = ComparisonProgress("running", 0.0)
        threading.Thread(target=self._compare, args=[pair], daemon=True).start()

    def comparison_progress(self, first: str, second: str) -> ComparisonProgress:
        """How far a comparison is that was begun here."""
        return self._comparisons.get(Pair(first, second), ComparisonProgress("missing"))

    def close(self) -> None:
        """Ends both processes, whatever they do."""
        self._reader.close()
        self._comparer.close()

    def _compare(self, pair: Pair) -> None:
        done = 0

        def advance(n_units: int) -> None:
            nonlocal done
            done += n_units
            self._comparisons[pair] = ComparisonProgress("running", done / SHARES)

        try:
            self._comparer.ask(pair, COMPARISON_S, advance)
        except UserError as error:
            self._comparisons[pair] = ComparisonProgress("failed", None, str(error))
        except Exception as error:
            self._comparisons[pair] = ComparisonProgress("failed", None, f"{type(error).__name__}: {error}")
            raise  # to the log, with the traceback of the child
        else:
            self._comparisons[pair] = ComparisonProgress("ready")
