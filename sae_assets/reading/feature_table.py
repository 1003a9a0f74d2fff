"""All features of an analysis as one Arrow table, a row a feature."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sae_assets.web.catalogue import Columns, PromotedTokens
from sae_assets.web.explained import ExplainedFeatures


def feature_table(columns: Columns, explained: ExplainedFeatures) -> pa.Table:
    """The columns that docs/reading.md describes; null where a feature has no explanation, score or output token."""
    features, tokens = columns.features, columns.tokens
    return pa.table(
        {
            "index": np.arange(features.d_sae),
            "density": features.density,
            "act_times": features.act_times,
            "act_contexts": features.act_contexts,
            "max_act": features.max_act,
            "mean_act": features.mean_act,
            "explanation": pa.array(explained.texts, pa.string(), mask=~explained.is_explained),
            **{f"score_{name}": pa.array(explained.scores[name], from_pandas=True) for name in explained.scorers},
            "top_tokens": pa.nulls(features.d_sae, pa.list_(pa.string())) if tokens is None else _texts(tokens),
            "top_logit": pa.nulls(features.d_sae, pa.float32()) if tokens is None else tokens.maximum,
        }
    )


def _texts(tokens: PromotedTokens) -> pa.Array:
    n_tokens, d_sae = tokens.place.shape
    texts = pa.array(tokens.texts, pa.string()).take(pa.array(tokens.place.T.ravel()))
    return pa.ListArray.from_arrays(np.arange(d_sae + 1, dtype=np.int32) * n_tokens, texts)
