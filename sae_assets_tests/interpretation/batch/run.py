"""A run by batches over word features: in this process, or in one of its own that can be killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sae_assets.engine.progress import Progress, silent
from sae_assets.interpretation.answer_cache import AnswerCache
from sae_assets.interpretation.batch.rounds import interpret_in_batches
from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.interpret import Outcome
from sae_assets.interpretation.records import FeatureExamples, FeatureExplanation
from sae_assets.settings import AutoInterpConfig
from sae_assets_tests.interpretation.features import word_feature


def explain(
    cfg: AutoInterpConfig,
    folder: Path,
    indices: Sequence[int],
    ledger: Ledger | None = None,
    progress: Progress = silent,
    feature: Callable[[int], FeatureExamples] = word_feature,
) -> list[Outcome]:
    """What comes of these features, by index, with the files of the run in `folder`."""

    def features() -> Iterator[FeatureExamples]:
        return (feature(index) for index in indices)

    with LLMClient(cfg, first_wait=0.01) as client, AnswerCache(folder / "answers.sqlite") as cache:
        outcomes = interpret_in_batches(
            features, cfg, client, cache, ledger or Ledger(), folder / "batches.sqlite", progress=progress,
            first_wait=0.01,
        )  # fmt: skip
        return sorted(outcomes, key=lambda outcome: outcome.index)


def started(url: str, folder: Path, n: int) -> subprocess.Popen[str]:
    """The same in a process of its own, which ends with the number of features that were explained."""
    command = [sys.executable, "-m", __name__, json.dumps([url, str(folder), n])]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


if __name__ == "__main__":
    url, folder, n = json.loads(sys.argv[1])
    outcomes = explain(AutoInterpConfig(openai_base_url=url), Path(folder), range(n))
    print(sum(isinstance(outcome, FeatureExplanation) for outcome in outcomes))
