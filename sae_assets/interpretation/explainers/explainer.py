"""What an explainer is: a prompt template and the function that fills it from examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from sae_assets.interpretation.answers import ExplanationAnswer, ReasonedExplanationAnswer
from sae_assets.interpretation.records import ExampleWindow, FeatureExamples
from sae_assets.interpretation.templates import Prompt, load_prompt


class PromptFields(Protocol):
    """Turns the windows chosen for explaining into the fields of the explainer's template."""

    def __call__(
        self, feature: FeatureExamples, windows: Sequence[ExampleWindow], activation_threshold: float
    ) -> dict[str, str]: ...


class Explainer(NamedTuple):
    """One way to ask for an explanation."""

    name: str
    """Name in the settings and of the template `prompts/<name>.txt`."""
    prompt_fields: PromptFields
    """Fills the template."""

    def prompt(self, include_cot: bool) -> Prompt:
        """The template, asking for the reasoning before the answer or for the answer alone."""
        return load_prompt(self.name, self.answer(include_cot))

    def answer(self, include_cot: bool) -> type[ExplanationAnswer]:
        """The form of the answer."""
        return ReasonedExplanationAnswer if include_cot else ExplanationAnswer
