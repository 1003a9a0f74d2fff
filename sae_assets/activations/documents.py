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


def documents_of(name: str, dataset: DatasetConfig | Iterable[Any], is_tokenized: bool) -> Iterator[Document]:
    """The documents of a dataset given by settings or as an object of the `datasets` library.

    Raises:
        UserError: it cannot be read, or has no column of text (or of token ids).
    """
    cfg = dataset if isinstance(dataset, DatasetConfig) else DatasetConfig(dataset_name_or_path=name)
    rows = _rows(dataset) if isinstance(dataset, DatasetConfig) else dataset
    for index, row in enumerate(rows):
        if is_tokenized:
            yield Document(index, None, list(row[_token_column(row, name)]))
        else:
            yield Document(index, _text(row, cfg.text_column, name), None)


def dataset_identity(cfg: DatasetConfig) -> dict[str, Any]:
    """What of a dataset decides its documents: a hub name with its revision, or the contents of local files."""
    path = Path(cfg.dataset_name_or_path)
    contents: Any = {"name": cfg.dataset_name_or_path, "revision": cfg.revision}
    if path.exists():
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        contents = [file_identity(file) for file in files]
    return {"contents": contents, "split": cfg.split, "text_column": cfg.text_column}


def _rows(cfg: DatasetConfig) -> Iterator[Any]:
    """The rows of a dataset; of a streamed one, only reading them shows whether its files are whole."""
    from datasets.exceptions import DatasetsError

    try:
        yield from _load(cfg)
    except (DatasetsError, ConnectionError, ValueError, KeyError, OSError) as error:
        raise _unreadable(cfg, error) from error


def _load(cfg: DatasetConfig) -> Dataset | IterableDataset:
    """The dataset that the settings name, streamed where it can be."""
    import datasets

    location = cfg.dataset_name_or_path
    path = Path(location)
    if cfg.is_dataset_on_disk or (path / "state.json").exists() or (path / "dataset_dict.json").exists():
        loaded = datasets.load_from_disk(location)
        if not isinstance(loaded, datasets.DatasetDict):
            return loaded
        if cfg.split not in loaded:
            raise unknown("split", cfg.split, map(str, loaded), where=f"the dataset {location!r}")
        return loaded[cfg.split]
    if path.exists():
        return _load_files(path)
    return datasets.load_dataset(
        location, split=cfg.split, revision=cfg.revision, cache_dir=cfg.cache_dir, streaming=True
    )


def _unreadable(cfg: DatasetConfig, error: Exception) -> UserError:
    location = cfg.dataset_name_or_path
    if Path(location).exists():
        reason = str(error).strip().split("\n")[0].rstrip(".")
        return UserError(f"The dataset {location!r} cannot be read: {reason}.")
    return UserError(
        f"The dataset {location!r} (split {cfg.split!r}) is neither a local file or folder nor on the Hugging Face "
        "hub as far as can be reached; check `dataset_name_or_path`."
    )


def _load_files(path: Path) -> Dataset | IterableDataset:
    """Local files as one streamed dataset; a `.txt` file is one document."""
    import datasets

    files = sorted(file for file in path.rglob("*") if file.suffix in LOADERS) if path.is_dir() else [path]
    kinds = {LOADERS.get(file.suffix) for file in files}
    if len(kinds) != 1 or None in kinds:
        raise UserError(
            f"The dataset {str(path)!r} must be a file, or a folder of files, of one kind: {', '.join(LOADERS)}."
        )
    # The readers of `datasets` stumble over a file without a byte.
    files = [file for file in files if file.stat().st_size]
    if not files:
        raise UserError(f"The dataset {str(path)!r} is empty.")
    options: dict[str, Any] = {"sample_by": "document"} if kinds == {"text"} else {}
    return datasets.load_dataset(
        str(kinds.pop()), data_files=[str(file) for file in files], split="train", streaming=True, **options
    )


def _token_column(row: dict[str, Any], name: str) -> str:
    for column in TOKEN_COLUMNS:
        if column in row:
            return column
    raise unknown("token column", TOKEN_COLUMNS[0], row.keys(), where=f"the tokenized dataset {name!r}")


def _text(row: dict[str, Any], column: str, name: str) -> str:
    if column not in row:
        raise unknown("text column", column, row.keys(), where=f"the dataset {name!r}")
    text = row[column]
    if text is not None and not isinstance(text, str):
        raise UserError(
            f"The column {column!r} of the dataset {name!r} holds {type(text).__name__} values and no text; set "
            "`text_column`, or `is_dataset_tokenized` where it holds token ids."
        )
    return text or ""
