"""Names of language models: those of TransformerLens, which checkpoints record, as those of the Hugging Face hub."""

from __future__ import annotations


def hub_name(name: str) -> str:
    """The name on the hub of a model that TransformerLens calls by another ("gpt2-small"), else `name` as it is."""
    if "/" in name:
        return name
    from transformer_lens.supported_models import get_official_model_name

    try:
        return get_official_model_name(name)
    except ValueError:
        return name
