"""Documents of a dataset, one at a time: from the hub, a `save_to_disk` folder, or local text, JSON, Parquet files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sae_assets.disk.identity import file_identity
from sae_assets.settings.dataset import DatasetConfig
from sae_assets.settings.errors import UserError, unknown

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

LOADERS = {".txt": "text", ".jsonl": "json", ".json": "json", ".parquet": "parquet"}
"""Local files that are read, and what reads them."""
TOKEN_COLUMNS = ("tokens", "input_ids")


class Document(NamedTuple):
    """One document, as text or as token ids."""

    index: int
    """Its place in the dataset, from 0."""
    text: str | None
    """Its text; None where the dataset is tokenized."""
    token_ids: list[int] | None
    """Its token ids; None where the dataset holds text."""


def load_dataset_of(cfg: DatasetConfig) -> Dataset | IterableDataset:
    """The dataset that the settings name, streamed where it can be.

    Raises:
        UserError: there is no such dataset, or it cannot be reached or read.
    """
    import datasets
    from datasets.exceptions import DatasetNotFoundError

    location = cfg.dataset_name_or_path
    path = Path(location)
    try:
        if cfg.is_dataset_on_disk or (path / "state.json").exists() or (path / "dataset_dict.json").exists():
            loaded = datasets.load_from_disk(location)
            return loaded[cfg.split] if isinstance(loaded, datasets.DatasetDict) else loaded
        if path.exists():
            return _load_files(path)
        return datasets.load_dataset(
            location, split=cfg.split, revision=cfg.revision, cache_dir=cfg.cache_dir, streaming=True
        )
    except (FileNotFoundError, DatasetNotFoundError, ConnectionError, ValueError, KeyError, OSError) as error:
        raise UserError(
            f"The dataset {location!r} (split {cfg.split!r}) is neither a local file or folder nor on the Hugging Face "
            "hub as far as can be reached; check `dataset_name_or_path`."
        ) from error


def documents_of(
    name: str, dataset: DatasetConfig | Iterable[dict[str, Any]], is_tokenized: bool
) -> Iterator[Document]:
    """The documents of a dataset given by settings or as an object of the `datasets` library.

    Raises:
        UserError: it cannot be read, or has no column of text (or of token ids).
    """
    cfg = dataset if isinstance(dataset, DatasetConfig) else DatasetConfig(dataset_name_or_path=name)
    rows = load_dataset_of(dataset) if isinstance(dataset, DatasetConfig) else dataset
    for index, row in enumerate(rows):
        if is_tokenized:
            yield Document(index, None, list(row[_token_column(row, name)]))
        elif cfg.text_column not in row:
            raise unknown("text column", cfg.text_column, row.keys(), where=f"the dataset {name!r}")
        else:
            yield Document(index, row[cfg.text_column] or "", None)


def dataset_identity(cfg: DatasetConfig) -> dict[str, Any]:
    """What of a dataset decides its documents: a hub name with its revision, or the contents of local files."""
    path = Path(cfg.dataset_name_or_path)
    contents: Any = {"name": cfg.dataset_name_or_path, "revision": cfg.revision}
    if path.exists():
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        contents = [file_identity(file) for file in files]
    return {"contents": contents, "split": cfg.split, "text_column": cfg.text_column}


def _load_files(path: Path) -> Dataset | IterableDataset:
    """Local files as one streamed dataset; a `.txt` file is one document."""
    import datasets

    files = sorted(file for file in path.rglob("*") if file.suffix in LOADERS) if path.is_dir() else [path]
    kinds = {LOADERS.get(file.suffix) for file in files}
    if len(kinds) != 1 or None in kinds:
        raise UserError(
            f"The dataset {str(path)!r} must be a file, or a folder of files, of one kind: {', '.join(LOADERS)}."
        )
    options: dict[str, Any] = {"sample_by": "document"} if kinds == {"text"} else {}
    return datasets.load_dataset(
        str(kinds.pop()), data_files=[str(file) for file in files], split="train", streaming=True, **options
    )


def _token_column(row: dict[str, Any], name: str) -> str:
    for column in TOKEN_COLUMNS:
        if column in row:
            return column
    raise unknown("token column", TOKEN_COLUMNS[0], row.keys(), where=f"the tokenized dataset {name!r}")
