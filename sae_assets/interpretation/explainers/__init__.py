"""The ways to ask for an explanation, by the name that settings use."""

from sae_assets.interpretation.explainers import delphi, neuronpedia, openai
from sae_assets.interpretation.explainers.explainer import Explainer

EXPLAINERS: dict[str, Explainer] = {
    "openai": Explainer("openai", openai.prompt_fields),
    "delphi": Explainer("delphi", delphi.prompt_fields),
    "neuronpedia": Explainer("neuronpedia", neuronpedia.prompt_fields),
}
"""Every explainer."""

__all__ = ["EXPLAINERS", "Explainer"]
