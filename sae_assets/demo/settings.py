"""What the demo analyses, read from the `analysis.toml` that the quick start shows, and where its parts are put."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sae_assets.settings import AnalysisSettings
from sae_assets.settings.load import load_settings

SERIES, NAME = "demo", "smollm2-l10"
HOOK_POINT = "blocks.10.hook_resid_post"
SETTINGS_FILE = Path(__file__).with_name("analysis.toml")
CHECKPOINT = Path(__file__).parent / "checkpoints" / SERIES / NAME
"""The trained checkpoint, in the package."""


@cache
def demo_settings() -> AnalysisSettings:
    """The settings in the demo's `analysis.toml`."""
    return load_settings(SETTINGS_FILE, AnalysisSettings)


def model_folder() -> Path:
    """Where the settings look for the language model, relative to the working directory."""
    model = demo_settings().model
    assert model is not None
    return Path(model.model_name)


def speeches_file() -> Path:
    """Where the settings look for the text."""
    datasets = demo_settings().datasets
    assert datasets is not None and datasets["speeches"] is not None
    return Path(datasets["speeches"].dataset_name_or_path)
