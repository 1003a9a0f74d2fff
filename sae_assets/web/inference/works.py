"""What the child processes do: read texts, compare checkpoints. Importing this loads no torch; doing it does."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from sae_assets.disk.layout import DataFolder
from sae_assets.engine.progress import Step
from sae_assets.runners.analysed_model import AnalysedModel, TextReading
from sae_assets.settings.mongo import MongoDBConfig

SAES_HELD = 3
"""SAEs that stay in memory, those used last; of language models the last one."""
SHARES = 1000
"""Units of a comparison's progress that make the whole of a step."""

Value = TypeVar("Value")


class TextRequest(NamedTuple):
    """A text to read."""

    about: AnalysedModel
    """The model and the SAE to read it with."""
    text: str
    """The text."""
    feature: int | None
    """One feature; None for the strongest of each token."""
    n_features: int
    """How many of the strongest."""


@dataclass(frozen=True)
class TextWork:
    """Reads texts, with what it has loaded for those before."""

    def start(
        self,
        device: str | None,  # noqa: ARG002
        advance: Callable[[int], None],  # noqa: ARG002
    ) -> Callable[[TextRequest], TextReading]:
        """Nothing is loaded before the first text."""
        models, saes = Held[Any](1), Held[Any](SAES_HELD)

        def read(request: TextRequest) -> TextReading:
            from sae_assets.runners.text_activations import TextModel, load_model, load_sae

            about = request.about
            identity = about.sae_identity
            model = models.get(about.model.model_dump_json(), lambda: load_model(about.model))
            sae = saes.get((about.sae.model_dump_json(), identity), lambda: load_sae(about.sae, identity))
            reader = TextModel(about, model, sae)
            if request.feature is not None:
                return reader.activations_of(request.text, request.feature)
            return reader.strongest_features(request.text, request.n_features)

        return read


class Held(Generic[Value]):
    """The values used last; the oldest goes before a new one is made, as both may not fit into memory."""

    def __init__(self, n: int):
        """None yet; there will be at most `n`."""
        self.n, self.values = n, OrderedDict[Any, Value]()

    def get(self, key: Any, make: Callable[[], Value]) -> Value:
        """The value of this key, made unless it is held."""
        if key in self.values:
            self.values.move_to_end(key)
            return self.values[key]
        while len(self.values) >= self.n:
            self.values.popitem(last=False)
        self.values[key] = make()
        return self.values[key]


class Pair(NamedTuple):
    """Two analyses, each `series/name/analysis`."""

    first: str
    """The one that comes first, such as the earlier training step."""
    second: str
    """The one that it is compared with."""


@dataclass(frozen=True)
class ComparisonWork:
    """Compares checkpoints and leaves the comparison in the store. Tells how far a step of the work is, in `SHARES`."""

    mongo: MongoDBConfig | None
    """Which MongoDB."""
    data: DataFolder
    """Where the activations lie."""

    def start(
        self,
        device: str | None,  # noqa: ARG002
        advance: Callable[[int], None],
    ) -> Callable[[Pair], None]:
        """Nothing is loaded before the first comparison."""

        def compare(pair: Pair) -> None:
            from sae_assets.runners.compare import compare_checkpoints
            from sae_assets.store.connection import connect

            told = 0

            def report(step: Step) -> None:
                nonlocal told
                share = SHARES * step.done // step.total if step.total else 0
                if share != told:
                    advance(share - told)  # below 0 where a new step begins
                    told = share

            with connect(self.mongo, self.data) as store:
                compare_checkpoints(store, self.data, pair.first, pair.second, report)

        return compare
