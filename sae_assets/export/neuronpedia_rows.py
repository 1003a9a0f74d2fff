"""The rows that Neuronpedia's importer reads, one class a table; each field is a column of that table.

The importer is `apps/webapp/lib/db/import.ts` with the route `apps/webapp/app/api/admin/import` of
https://github.com/hijohnnylin/neuronpedia (commit ebb8426); the tables are in `apps/webapp/prisma/schema.prisma` there,
and its own converters write the classes of `utils/neuronpedia-utils/neuronpedia_utils/db_models`. What it asks for:

- `release`, `model`, `sourceset` and `source` are created by Prisma, which refuses a field that the table lacks.
- Of a batch file, the keys of the first row are the columns that are inserted: every row must have the same ones.
  Columns left out get their default; a null where none is allowed fails the whole file, and so does one without rows.
- `layer` is the id of the source. Rows with an id that is there already are passed over.
- The type and the model of an explanation must be in tables of Neuronpedia's own, so they are told in `notes` instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sae_assets.analysis.magnitude import HISTOGRAM
from sae_assets.export.features import active_samples, whole_window
from sae_assets.export.neuronpedia_source import CREATOR_ID, NeuronpediaSource
from sae_assets.store.explanations import known_scores
from sae_assets.store.features import StoredFeature


@dataclass(frozen=True)
class NeuronRow:
    """`features/batch-N.jsonl.gz`, table `Neuron`: a feature. What we do not compute has the table's default."""

    modelId: str
    """The model."""
    layer: str
    """Id of the source."""
    index: str
    """The feature."""
    sourceSetName: str
    """The source set."""
    creatorId: str
    """The account of public data."""
    createdAt: str
    """When the analysis was published, in ISO 8601."""
    maxActApprox: float
    """Largest activation."""
    hookName: str | None
    """Where in the model the SAE reads."""
    topkCosSimIndices: list[int]
    """The nearest other features by the cosine of their decoders."""
    topkCosSimValues: list[float]
    """These cosines."""
    neg_str: list[str]
    """The output tokens that the feature suppresses most."""
    neg_values: list[float]
    """Their logits."""
    pos_str: list[str]
    """Those that it promotes most."""
    pos_values: list[float]
    """Their logits."""
    frac_nonzero: float
    """Density."""
    freq_hist_data_bar_heights: list[float]
    """Active tokens by activation, in our bins of 8 an octave from the first to the last that is not empty."""
    freq_hist_data_bar_values: list[float]
    """The middle of each bin."""
    logits_hist_data_bar_heights: list[float]
    """Tokens of the vocabulary by logit, in equal bins."""
    logits_hist_data_bar_values: list[float]
    """The middle of each bin."""


@dataclass(frozen=True)
class ActivationRow:
    """`activations/batch-N.jsonl.gz`, table `Activation`: a sample context on which a feature is active."""

    id: str
    """Its id."""
    modelId: str
    """The model."""
    layer: str
    """Id of the source."""
    index: str
    """The feature."""
    creatorId: str
    """The account of public data."""
    createdAt: str
    """When the analysis was published, in ISO 8601."""
    dataSource: str
    """Our dataset."""
    dataIndex: str
    """Place of the context's document in it."""
    tokens: list[str]
    """Pieces that join to the original text; those that share a character are one."""
    values: list[float]
    """Activation of each piece, 0 where the feature is silent."""
    maxValue: float
    """The largest of these."""
    maxValueTokenIndex: int
    """Where it is."""
    minValue: float
    """The smallest of these."""


@dataclass(frozen=True)
class ExplanationRow:
    """`explanations/batch-N.jsonl.gz`, table `Explanation`: the explanation that counts."""

    id: str
    """Its id."""
    modelId: str
    """The model."""
    layer: str
    """Id of the source."""
    index: str
    """The feature."""
    description: str
    """The explanation."""
    authorId: str
    """The account of public data."""
    createdAt: str
    """When the analysis was published, in ISO 8601."""
    notes: str
    """Who explained, and the scores."""


Row = NeuronRow | ActivationRow | ExplanationRow


def neuron_row(feature: StoredFeature, source: NeuronpediaSource) -> NeuronRow:
    """The feature itself."""
    logits, statistics = feature.logits, feature.statistics
    (filled,) = feature.histogram.nonzero()
    bins = slice(int(filled[0]), int(filled[-1]) + 1) if len(filled) else slice(0)
    edges = np.zeros(1) if logits is None else np.linspace(logits.minimum, logits.maximum, len(logits.histogram) + 1)
    return NeuronRow(
        modelId=source.model_id,
        layer=source.source_id,
        index=str(feature.index),
        sourceSetName=source.source_set,
        creatorId=CREATOR_ID,
        createdAt=source.created_at,
        maxActApprox=statistics.max_act,
        hookName=source.hook_point,
        topkCosSimIndices=[one.index for one in feature.neighbours],
        topkCosSimValues=[one.cosine for one in feature.neighbours],
        neg_str=[] if logits is None else [token.text for token in logits.bottom],
        neg_values=[] if logits is None else [token.logit for token in logits.bottom],
        pos_str=[] if logits is None else [token.text for token in logits.top],
        pos_values=[] if logits is None else [token.logit for token in logits.top],
        frac_nonzero=statistics.density,
        freq_hist_data_bar_heights=feature.histogram[bins].astype(float).tolist(),
        freq_hist_data_bar_values=_middles(HISTOGRAM.edges)[bins].tolist(),
        logits_hist_data_bar_heights=[] if logits is None else logits.histogram.astype(float).tolist(),
        logits_hist_data_bar_values=_middles(edges).tolist(),
    )


def activation_rows(feature: StoredFeature, source: NeuronpediaSource) -> Iterator[ActivationRow]:
    """Its active sample contexts, strongest first."""
    for sample in active_samples(feature):
        window = whole_window(sample)
        if not window.pieces:
            continue
        values = window.activations
        content = (window.context_idx, window.text, values.tobytes().hex())
        yield ActivationRow(
            id=_id_of(source.model_id, source.source_id, feature.index, *content),
            modelId=source.model_id,
            layer=source.source_id,
            index=str(feature.index),
            creatorId=CREATOR_ID,
            createdAt=source.created_at,
            dataSource=sample.context.dataset,
            dataIndex=str(sample.context.document_idx),
            tokens=list(window.pieces),
            values=[float(str(value)) for value in values],  # the shortest number that is the same float32
            maxValue=float(str(values.max())),
            maxValueTokenIndex=int(values.argmax()),
            minValue=float(str(values.min())),
        )


def explanation_rows(feature: StoredFeature, source: NeuronpediaSource) -> Iterator[ExplanationRow]:
    """Its explanation, if there is one."""
    stored = feature.explanation
    if stored is None:
        return
    scores = "".join(f"; {scorer} {value:.3f}" for scorer, value in known_scores(stored).items())
    by = "by hand" if stored.is_by_hand else f"by {stored.model or 'a model'}, prompt {stored.explainer or 'unknown'}"
    yield ExplanationRow(
        id=_id_of(source.model_id, source.source_id, feature.index, stored.text, by, scores),
        modelId=source.model_id,
        layer=source.source_id,
        index=str(feature.index),
        description=stored.text,
        authorId=CREATOR_ID,
        createdAt=stored.created_at.isoformat(),
        notes=f"{by}{scores}",
    )


def json_line(row: Row) -> str:
    """The row as a line that the importer reads back as it is.

    PostgreSQL has no NUL, and the importer makes a space of every `\\u0000` that it finds in a file, even of one whose
    backslash is escaped and a part of the text.
    """
    line = _json(vars(row))
    if r"\u0000" in line:
        line = _json({name: _without_nul(value) for name, value in vars(row).items()})
    return line.replace(r"\\u0000", r"\u005cu0000")


def _json(values: dict[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _without_nul(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\0", " ")
    return [_without_nul(one) for one in value] if isinstance(value, list) else value


def _id_of(*content: str | int) -> str:
    """An id in the form of a cuid that another export of the same content has, too: importing it again adds nothing."""
    return "c" + hashlib.blake2b(repr(content).encode(), digest_size=12).hexdigest()


def _middles(edges: np.ndarray) -> np.ndarray:
    return (edges[:-1] + edges[1:]) / 2
