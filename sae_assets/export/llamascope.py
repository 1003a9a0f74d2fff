"""`export llamascope`: the Arrow columns of a LlamaScope 2 data set, which Neuronpedia's converter takes.

Read by `convert-llamascope-arrow-to-neuronpedia-export.py` in `utils/neuronpedia-utils/` of
https://github.com/hijohnnylin/neuronpedia (commit ebb8426): all files `*.arrow` of a folder, each an Arrow IPC stream.

| column | type | meaning |
| --- | --- | --- |
| feature_index | int64 | the feature |
| frac_nonzero | double | share of the analysed tokens on which it is above 0 |
| explanations | list of string | the current explanation; empty without |
| top_pos_logits_str, top_pos_logits_val | lists | the output tokens that it promotes most, most first; empty without |
| top_neg_logits_str, top_neg_logits_val | lists | those that it suppresses most, likewise |
| activations | list of struct | its active sample contexts, strongest first; see below |

An activation has `tokens` and `values`; `z_pattern_indices` and `z_pattern_values`, for attention, are null.
Tokens are pieces of text that join to the original: those that share a character are one, as active as the most active.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from sae_assets.engine.progress import Progress, silent
from sae_assets.export.features import active_samples, every_feature, whole_window
from sae_assets.export.folder import Exported, write_folder
from sae_assets.store.connection import Store
from sae_assets.store.features import StoredFeature
from sae_assets.store.lookup import FoundAnalysis
from sae_assets.store.set_documents import TokenLogitDocument

FILE = "features.arrow"
ROWS_A_BATCH = 256
"""Features in a record batch; what is held in memory."""
_TEXTS, _VALUES = pa.list_(pa.string()), pa.list_(pa.float64())
ACTIVATION = pa.struct(
    [
        ("tokens", _TEXTS),
        ("values", _VALUES),
        ("z_pattern_indices", pa.list_(pa.list_(pa.int64()))),
        ("z_pattern_values", _VALUES),
    ]
)
SCHEMA = pa.schema(
    [
        ("feature_index", pa.int64()),
        ("frac_nonzero", pa.float64()),
        ("explanations", _TEXTS),
        ("top_pos_logits_str", _TEXTS),
        ("top_pos_logits_val", _VALUES),
        ("top_neg_logits_str", _TEXTS),
        ("top_neg_logits_val", _VALUES),
        ("activations", pa.list_(ACTIVATION)),
    ]
)


def export_llamascope(store: Store, found: FoundAnalysis, folder: Path, progress: Progress = silent) -> Exported:
    """Writes all features of an analysis as one Arrow IPC stream.

    Raises:
        UserError: the folder holds something else, or another run replaced the analysis meanwhile.
    """

    def write(part: Path) -> Mapping[str, int]:
        n_features = n_samples = 0
        with pa.OSFile(str(part / FILE), "wb") as file, pa.ipc.new_stream(file, SCHEMA) as stream:
            for rows in _batches(map(_row, every_feature(store, found, progress))):
                stream.write_batch(pa.RecordBatch.from_pylist(rows, SCHEMA))
                n_features += len(rows)
                n_samples += sum(len(row["activations"]) for row in rows)
        return {"features": n_features, "samples": n_samples}

    return write_folder(folder, "llamascope", found.analysis.id, write)


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS_A_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _row(feature: StoredFeature) -> dict[str, Any]:
    windows = (whole_window(sample) for sample in active_samples(feature))
    top, bottom = ((), ()) if feature.logits is None else (feature.logits.top, feature.logits.bottom)
    return {
        "feature_index": feature.index,
        "frac_nonzero": feature.statistics.density,
        "explanations": [] if feature.explanation is None else [feature.explanation.text],
        "top_pos_logits_str": _texts(top),
        "top_pos_logits_val": _logits(top),
        "top_neg_logits_str": _texts(bottom),
        "top_neg_logits_val": _logits(bottom),
        "activations": [
            {"tokens": window.pieces, "values": window.activations.astype(float)} for window in windows if window.pieces
        ],
    }


def _texts(tokens: Sequence[TokenLogitDocument]) -> list[str]:
    return [token.text for token in tokens]


def _logits(tokens: Sequence[TokenLogitDocument]) -> list[float]:
    return [token.logit for token in tokens]
