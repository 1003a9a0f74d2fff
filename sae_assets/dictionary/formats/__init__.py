"""The formats of checkpoints that are read, one file a format; which one a folder has is found by itself."""

from __future__ import annotations

from pathlib import Path

from sae_assets.dictionary.formats.checkpoint_format import CheckpointFormat
from sae_assets.dictionary.formats.dictionary_learning import DICTIONARY_LEARNING
from sae_assets.dictionary.formats.gemma_scope import GEMMA_SCOPE
from sae_assets.dictionary.formats.gemma_scope_2 import GEMMA_SCOPE_2
from sae_assets.dictionary.formats.llama_scope import LLAMA_SCOPE
from sae_assets.dictionary.formats.lm_saes import LM_SAES
from sae_assets.dictionary.formats.saelens import SAELENS
from sae_assets.dictionary.formats.sparsify import SPARSIFY
from sae_assets.settings.errors import UserError

FORMATS: tuple[CheckpointFormat, ...] = (
    SAELENS,
    SPARSIFY,
    DICTIONARY_LEARNING,
    GEMMA_SCOPE,
    GEMMA_SCOPE_2,
    LLAMA_SCOPE,
    LM_SAES,
)
"""In the order in which they are tried."""


def format_of(folder: Path) -> CheckpointFormat:
    """The format of the checkpoint in a folder.

    Raises:
        UserError: it is none of those that are known, or the file that says so is missing.
    """
    for checkpoint_format in FORMATS:
        if checkpoint_format.fits(folder):
            return checkpoint_format
    lacking = [
        f"{each.config_name} ({each.name})"
        for each in FORMATS
        if each.config_name and any((folder / name).is_file() for name in each.weight_names)
    ]
    if lacking:
        raise UserError(f"The checkpoint {str(folder)!r} is incomplete: it has no {' or '.join(lacking)}.")
    known = ", ".join(each.name for each in FORMATS)
    raise UserError(f"{str(folder)!r} holds no checkpoint of a format that is known; these are read: {known}.")
