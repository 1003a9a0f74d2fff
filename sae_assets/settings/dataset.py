"""Settings of a text dataset."""

from __future__ import annotations

from sae_assets.settings.base import Settings


class DatasetConfig(Settings):
    """A dataset of documents: a hub name, a folder of `save_to_disk`, or local text, JSONL or Parquet files."""

    dataset_name_or_path: str = "openwebtext"
    """Name on the Hugging Face hub, or a local file or folder."""
    cache_dir: str | None = None
    """Folder for downloaded data; the Hugging Face default where not set."""
    is_dataset_on_disk: bool = False
    """The path is a folder written by `Dataset.save_to_disk`; such folders are also recognised by themselves."""
    split: str = "train"
    """Split of a hub dataset."""
    text_column: str = "text"
    """Column that holds the text of a document."""
    revision: str | None = None
    """Revision (commit, tag or branch) of a hub dataset."""
