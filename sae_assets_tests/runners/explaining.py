"""Running `auto_interp` on a test's project and looking at what it left."""

from __future__ import annotations

from typing import Any

from sae_assets.engine.progress import silent
from sae_assets.runners.interpret import auto_interp
from sae_assets.runners.interpretation_estimate import InterpretationEstimate, estimate_cost
from sae_assets.runners.interpretation_report import InterpretationReport
from sae_assets.settings import AutoInterpSettings
from sae_assets.store.explanations import explanation_history, explanations_of
from sae_assets.store.failures import failures_of
from sae_assets.store.kept_documents import (
    ExplanationDocument,
    ExplanationFailureDocument,
    ExplanationVersionDocument,
)
from sae_assets_tests.interpretation.llm_server import LLMServer
from sae_assets_tests.project import SAE_ID, TinyProject

FEW = [1, 4, 9]
BUDGET = ("max_cost", "max_tokens", "max_workers")


def settings_of(
    project: TinyProject, llm: LLMServer | None, features: list[int] | str | None, **changes: Any
) -> AutoInterpSettings:
    """Limits and workers among the changes are those of the run, all others of `auto_interp`."""
    limits = {name: changes.pop(name) for name in BUDGET if name in changes}
    return project.interpret_settings(llm and llm.base_url, features=features, auto_interp=changes, **limits)


def explain(
    project: TinyProject, llm: LLMServer, features: list[int] | str | None = FEW, **changes: Any
) -> InterpretationReport:
    return auto_interp(settings_of(project, llm, features, **changes), data=project.data, progress=silent)


def estimate(project: TinyProject, features: list[int] | str | None = FEW, **changes: Any) -> InterpretationEstimate:
    """What a run would cost, with no endpoint at hand."""
    return estimate_cost(settings_of(project, None, features, **changes), data=project.data, progress=silent)


def stored(project: TinyProject) -> list[ExplanationDocument]:
    with project.store() as store:
        return explanations_of(store, SAE_ID, "default")


def story(project: TinyProject, index: int) -> list[ExplanationVersionDocument]:
    """All explanations of a feature, newest first."""
    with project.store() as store:
        return explanation_history(store, SAE_ID, "default", index)


def failures(project: TinyProject) -> list[ExplanationFailureDocument]:
    with project.store() as store:
        return failures_of(store, SAE_ID, "default")
