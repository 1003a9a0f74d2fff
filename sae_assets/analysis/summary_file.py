"""`summaries.parquet`: what an analysis found out, one row a feature.

| column | type | meaning |
| --- | --- | --- |
| index | int64 | the feature |
| act_times, act_contexts | int64 | tokens and contexts on which it is active |
| density | double | share of the analysed tokens on which it is active |
| max | float | largest activation |
| mean, variance | double | of the values above 0 |
| histogram | list of int64 | values above 0 by size; the edges are `magnitude.HISTOGRAM.edges` |
| decoder_norm, encoder_norm, cosine | float | of its two directions; see `DictionaryGeometry` |
| neighbours | list of (index, cosine) | the nearest decoders |
| coactive | list of (index, cosine) | the features most active on the same tokens; see `coactive_features` |
| samples_<name> | list of (context_idx, peak, start, stop, positions, values) | a subsample; see `FeatureSamples` |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float32, Int64
from torch import Tensor
from upath import UPath

from sae_assets.analysis.geometry import DictionaryGeometry
from sae_assets.analysis.magnitude import HISTOGRAM
from sae_assets.analysis.result_table import (
    ResultTable,
    StructLists,
    blocks_of,
    flat,
    lengths,
    list_column,
    matrix,
    matrix_column,
    open_table,
    struct_lists,
    table_about,
    write_table,
)
from sae_assets.analysis.samples import NO_CONTEXT, FeatureSamples
from sae_assets.analysis.summaries import FeatureSummaries

METADATA_KEY = b"sae_assets.summaries"
SAMPLES = "samples_"
"""What the name of a subsample's column begins with."""


@dataclass(frozen=True)
class SummariesAbout:
    """What summaries were made from; all of it can be written as JSON."""

    identity: str
    """Hash of all that decided the result."""
    sae_identity: str
    """Hash of the checkpoint's files."""
    source: str
    """Fingerprint of the activation source."""
    settings: dict[str, Any]
    """Settings of the run."""


class StoredSummaries(NamedTuple):
    """The content of a summaries file."""

    summaries: FeatureSummaries
    """Statistics and samples, bit for bit as they were written."""
    geometry: DictionaryGeometry
    """Norms and nearest decoders, bit for bit as they were written."""
    about: SummariesAbout
    """What they were made from."""


def write_summaries(
    path: UPath, summaries: FeatureSummaries, geometry: DictionaryGeometry, about: SummariesAbout
) -> None:
    """Writes the file, which appears when it is whole."""
    metadata = {
        "about": asdict(about),
        "n_analyzed_tokens": summaries.n_analyzed_tokens,
        "n_analyzed_contexts": summaries.n_analyzed_contexts,
        "n_neighbours": geometry.neighbour_idx.shape[1],
        "n_coactive": summaries.coactive_idx.shape[1],
        "subsamples": {name: samples.n_samples for name, samples in summaries.samples.items()},
    }
    write_table(path, _tables(summaries, geometry), METADATA_KEY, metadata)


def summaries_about(path: UPath) -> SummariesAbout | None:
    """What a file's summaries were made from; None where there is no file, or only a damaged one."""
    return table_about(path, METADATA_KEY, lambda metadata: SummariesAbout(**metadata["about"]))


def read_summaries(path: UPath) -> StoredSummaries:
    """What `write_summaries` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    with open_table(path, METADATA_KEY, "feature_summaries") as table:
        return StoredSummaries(_summaries(table), _geometry(table), SummariesAbout(**table.metadata["about"]))


def _tables(summaries: FeatureSummaries, geometry: DictionaryGeometry) -> Iterator[pa.Table]:
    index = np.arange(summaries.d_sae)
    scalars = {
        "index": index,
        "act_times": summaries.act_times.numpy(),
        "act_contexts": summaries.act_contexts.numpy(),
        "density": summaries.density.numpy(),
        "max": summaries.max_feature_acts.numpy(),
        "mean": summaries.mean_acts.numpy(),
        "variance": summaries.variance_acts.numpy(),
        "decoder_norm": geometry.decoder_norm.numpy(),
        "encoder_norm": geometry.encoder_norm.numpy(),
        "cosine": geometry.cosine.numpy(),
    }
    for rows in blocks_of(summaries.d_sae):
        columns: dict[str, Any] = {name: values[rows] for name, values in scalars.items()}
        columns["histogram"] = matrix_column(summaries.histogram[rows].numpy())
        columns["neighbours"] = _neighbour_lists(geometry.neighbour_idx[rows], geometry.neighbour_cosine[rows])
        columns["coactive"] = _neighbour_lists(summaries.coactive_idx[rows], summaries.coactive_cosine[rows])
        for name, samples in summaries.samples.items():
            columns[SAMPLES + name] = _sample_lists(samples.of_features(rows.start, rows.stop))
        yield pa.table(columns)


def _neighbour_lists(idx: Int64[Tensor, "feature neighbour"], cosine: Float32[Tensor, "feature neighbour"]) -> pa.Array:
    exists = (idx != -1).numpy()
    return struct_lists(exists, {"index": idx.numpy()[exists], "cosine": cosine.numpy()[exists]})


def _sample_lists(samples: FeatureSamples) -> pa.Array:
    exists = (samples.context_idx != NO_CONTEXT).numpy()
    n_active = samples.offsets.diff().numpy().reshape(exists.shape)[exists]
    fields: dict[str, Any] = {
        name: getattr(samples, name).numpy()[exists] for name in ("context_idx", "peak", "start", "stop")
    }
    fields["positions"] = list_column(samples.positions.numpy(), n_active)
    fields["values"] = list_column(samples.values.numpy(), n_active)
    return struct_lists(exists, fields)


def _summaries(table: ResultTable) -> FeatureSummaries:
    columns, metadata = table
    coactive = StructLists.of(columns["coactive"], metadata["n_coactive"])
    return FeatureSummaries(
        n_analyzed_tokens=metadata["n_analyzed_tokens"],
        n_analyzed_contexts=metadata["n_analyzed_contexts"],
        act_times=_tensor(columns["act_times"]),
        act_contexts=_tensor(columns["act_contexts"]),
        max_feature_acts=_tensor(columns["max"]),
        mean_acts=_tensor(columns["mean"]),
        variance_acts=_tensor(columns["variance"]),
        histogram=_tensor(matrix(columns["histogram"], HISTOGRAM.n_bins)),
        coactive_idx=_tensor(coactive.placed("index", -1)),
        coactive_cosine=_tensor(coactive.placed("cosine", 0)),
        samples={name: _samples(columns[SAMPLES + name], n) for name, n in metadata["subsamples"].items()},
    )


def _geometry(table: ResultTable) -> DictionaryGeometry:
    columns, metadata = table
    neighbours = StructLists.of(columns["neighbours"], metadata["n_neighbours"])
    return DictionaryGeometry(
        decoder_norm=_tensor(columns["decoder_norm"]),
        encoder_norm=_tensor(columns["encoder_norm"]),
        cosine=_tensor(columns["cosine"]),
        neighbour_idx=_tensor(neighbours.placed("index", -1)),
        neighbour_cosine=_tensor(neighbours.placed("cosine", 0)),
    )


def _samples(column: pa.ChunkedArray, n_samples: int) -> FeatureSamples:
    lists = StructLists.of(column, n_samples)
    positions, values = lists.fields["positions"], lists.fields["values"]
    offsets = np.zeros(lists.exists.size + 1, dtype=np.int64)
    offsets[1:][lists.exists.reshape(-1)] = lengths(positions)
    return FeatureSamples(
        context_idx=_tensor(lists.placed("context_idx", NO_CONTEXT)),
        peak=_tensor(lists.placed("peak", 0)),
        start=_tensor(lists.placed("start", 0)),
        stop=_tensor(lists.placed("stop", 0)),
        offsets=_tensor(offsets.cumsum()),
        positions=_tensor(flat(positions)),
        values=_tensor(flat(values)),
    )


def _tensor(values: pa.ChunkedArray | np.ndarray) -> Tensor:
    # A copy, because what Arrow gives out cannot be written to.
    return torch.from_numpy(np.asarray(values).copy())
