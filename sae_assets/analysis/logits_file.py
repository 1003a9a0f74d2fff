"""`logits.parquet`: direct logit attribution, one row a feature.

| column | type | meaning |
| --- | --- | --- |
| index | int64 | the feature |
| top_tokens, top_logits, top_texts | lists | the tokens that it promotes most, descending |
| bottom_tokens, bottom_logits, bottom_texts | lists | the tokens that it suppresses most, ascending |
| mean, std, minimum, maximum | float | of its logits over the vocabulary |
| histogram | list of int64 | tokens by logit, in 50 equal bins from the minimum to the maximum |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Int64
from upath import UPath

from sae_assets.analysis.logits import FeatureLogits
from sae_assets.analysis.result_table import (
    ResultTable,
    blocks_of,
    flat,
    list_column,
    matrix,
    matrix_column,
    open_table,
    table_about,
    write_table,
)

METADATA_KEY = b"sae_assets.logits"
_SCALARS = ("mean", "std", "minimum", "maximum")
_MATRICES = ("top_tokens", "top_logits", "bottom_tokens", "bottom_logits", "histogram")


class LogitsFile(NamedTuple):
    """The content of a logits file."""

    logits: FeatureLogits
    """The logits, bit for bit as they were written."""
    texts: dict[int, str]
    """The text of each token that some feature promotes or suppresses most, by its id."""


def write_logits(path: UPath, logits: FeatureLogits, token_text: Callable[[int], str], identity: str) -> None:
    """Writes the file, which appears when it is whole.

    `token_text` is asked once for each token that is named. `identity` is a hash of all that decided the result.
    """
    widths = {name: getattr(logits, name).shape[1] for name in _MATRICES}
    metadata = {"identity": identity, "variant": logits.variant, "widths": widths}
    write_table(path, _tables(logits, token_text), METADATA_KEY, metadata)


def logits_about(path: UPath) -> str | None:
    """The identity of a file's logits; None where there is no file, or only a damaged one."""
    return table_about(path, METADATA_KEY, lambda metadata: metadata["identity"])


def read_logits(path: UPath) -> LogitsFile:
    """What `write_logits` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    with open_table(path, METADATA_KEY, "direct_logit_attributions") as table:
        return LogitsFile(_logits(table), _texts(table.columns))


def _tables(logits: FeatureLogits, token_text: Callable[[int], str]) -> Iterator[pa.Table]:
    tokens = torch.cat([logits.top_tokens.flatten(), logits.bottom_tokens.flatten()]).unique().numpy()
    texts = pa.array([token_text(token) for token in tokens.tolist()], pa.string())

    def text_lists(of: Int64[np.ndarray, "feature k"]) -> pa.Array:
        return list_column(texts.take(pa.array(np.searchsorted(tokens, of.reshape(-1)))), np.full(len(of), of.shape[1]))

    index = np.arange(len(logits.mean))
    for rows in blocks_of(len(index)):
        columns: dict[str, Any] = {"index": index[rows]}
        for end in ("top", "bottom"):
            ids = getattr(logits, f"{end}_tokens")[rows].numpy()
            columns[f"{end}_tokens"] = matrix_column(ids)
            columns[f"{end}_logits"] = matrix_column(getattr(logits, f"{end}_logits")[rows].numpy())
            columns[f"{end}_texts"] = text_lists(ids)
        columns |= {name: getattr(logits, name)[rows].numpy() for name in _SCALARS}
        columns["histogram"] = matrix_column(logits.histogram[rows].numpy())
        yield pa.table(columns)


def _logits(table: ResultTable) -> FeatureLogits:
    columns, metadata = table
    arrays = {name: columns[name].to_numpy() for name in _SCALARS}
    arrays |= {name: matrix(columns[name], width) for name, width in metadata["widths"].items()}
    # Copies, because what Arrow gives out cannot be written to.
    return FeatureLogits(metadata["variant"], **{name: torch.from_numpy(a.copy()) for name, a in arrays.items()})


def _texts(columns: pa.Table) -> dict[int, str]:
    texts: dict[int, str] = {}
    for end in ("top", "bottom"):
        tokens, first = np.unique(flat(columns[f"{end}_tokens"]).to_numpy(), return_index=True)
        texts |= zip(tokens.tolist(), flat(columns[f"{end}_texts"]).take(pa.array(first)).to_pylist(), strict=True)
    return texts
