"""Neuronpedia's importer, as far as its rules go: what it reads out of a folder, and what it refuses.

Written down from `app/api/admin/import/route.ts`, `lib/db/import.ts`, `lib/utils/s3.ts` and `prisma/schema.prisma` in
`apps/webapp/` of https://github.com/hijohnnylin/neuronpedia (commit ebb8426). Rows go into tables of these columns; `!`
marks those that must not be null, `=` those of them that have a default.
"""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

MOST_FILES = 1000
"""Files of a kind that are listed in one request; there is no second one."""
TABLES = {
    "SourceRelease": "name!text visibility=text isNewUi=bool featured=bool description!text descriptionShort:text "
    "urls:text[] creatorEmail:text creatorName!text creatorNameShort:text creatorId!text "
    "defaultSourceSetName:text defaultSourceId:text defaultUmapSourceIds:text[] createdAt=time",
    "Model": "id!text displayNameShort=text displayName=text creatorId!text tlensId:text dimension:int "
    "visibility=text defaultSourceSetName:text defaultSourceId:text inferenceEnabled=bool instruct=bool "
    "layers!int neuronsPerLayer!int createdAt=time owner!text updatedAt=time website:text",
    "SourceSet": "modelId!text name!text hasDashboards=bool visibility=text description!text type=text "
    "creatorName!text urls:text[] creatorEmail:text creatorId!text releaseName:text defaultOfModelId:text "
    "defaultRange=int defaultShowBreaks=bool showDfa=bool showCorrelated=bool showHeadAttribution=bool "
    "showUmap=bool createdAt=time",
    "Source": "id!text modelId!text hasDashboards=bool inferenceEnabled=bool saelensRelease:text saelensSaeId:text "
    "hfRepoId:text hfFolderId:text visibility=text defaultOfModelId:text setName!text creatorId!text "
    "hasUmap=bool hasUmapLogSparsity=bool hasUmapClusters=bool num_prompts:int num_tokens_in_prompt:int "
    "dataset:text notes:text createdAt=time",
    "Neuron": "modelId!text layer!text index!text sourceSetName:text creatorId:text createdAt=time "
    "maxActApprox:float hasVector=bool vector:float[] vectorLabel:text vectorDefaultSteerStrength:float "
    "hookName:text topkCosSimIndices:int[] topkCosSimValues:float[] neuron_alignment_indices:int[] "
    "neuron_alignment_values:float[] neuron_alignment_l1:float[] correlated_neurons_indices:int[] "
    "correlated_neurons_pearson:float[] correlated_neurons_l1:float[] correlated_features_indices:int[] "
    "correlated_features_pearson:float[] correlated_features_l1:float[] neg_str:text[] neg_values:float[] "
    "pos_str:text[] pos_values:float[] frac_nonzero=float freq_hist_data_bar_heights:float[] "
    "freq_hist_data_bar_values:float[] logits_hist_data_bar_heights:float[] "
    "logits_hist_data_bar_values:float[] decoder_weights_dist:float[]",
    "Activation": "id!text tokens:text[] dataIndex:text index!text layer!text modelId!text dataSource:text "
    "maxValue!float maxValueTokenIndex!int minValue!float values:float[] dfaValues:float[] "
    "dfaTargetIndex:int dfaMaxValue:float creatorId!text createdAt=time lossValues:float[] "
    "logitContributions:text binMin:float binMax:float binContains:float qualifyingTokenIndex:int",
    "Explanation": "id!text modelId!text layer!text index!text description!text authorId!text triggeredByUserId:text "
    "notes:text typeName:text explanationModelName:text createdAt=time updatedAt=time",
}
CONFIG = (
    ("release.jsonl", "SourceRelease"),
    ("model.jsonl", "Model"),
    ("sourceset.jsonl", "SourceSet"),
    ("source.jsonl", "Source"),
)
BATCHES = (("features", "Neuron"), ("activations", "Activation"), ("explanations", "Explanation"))
KEYS = {"Neuron": ("modelId", "layer", "index"), "Activation": ("id",), "Explanation": ("id",)}


@dataclass
class Database:
    """What was imported: rows by table."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {table: [] for table in TABLES})
    _keys: set[tuple[str, ...]] = field(default_factory=set)

    def import_source(self, root: Path, model_id: str, source_id: str) -> None:
        """Imports `root/<model id>/<source id>`, where `root` is what the bucket has under `v1/`."""
        folder = root / model_id / source_id
        for name, table in CONFIG:
            if self.rows[table]:  # what exists is left as it is
                continue
            for line in filter(None, (folder / name).read_text(encoding="utf-8").split("\n")):
                self._create(table, json.loads(line))
        for name, table in BATCHES:
            files = sorted((folder / name).glob("*.jsonl.gz"))
            assert len(files) <= MOST_FILES
            for file in files:
                self._insert(table, gzip.decompress(file.read_bytes()).decode())
        self._check_references(model_id, source_id)

    def _create(self, table: str, row: dict[str, Any]) -> None:
        assert not set(row) - set(_columns(table)), "Prisma refuses fields that the table lacks"
        self._add(table, row)

    def _insert(self, table: str, text: str) -> None:
        lines = text.replace("\\u0000", " ").strip().split("\n")
        rows = [json.loads(line, parse_constant=_refused) for line in lines]  # fails on a file without a row
        columns = [name for name in rows[0] if name in _columns(table)]
        assert all(list(row) == list(rows[0]) for row in rows), "every row has the keys of the first"
        for row in rows:
            assert "\0" not in json.dumps(row, ensure_ascii=False), "PostgreSQL has no NUL"
            given = {name: row[name] for name in columns}
            key = (table, *(given[name] for name in KEYS[table]))
            if key not in self._keys:  # ON CONFLICT DO NOTHING
                self._keys.add(key)
                self._add(table, given)

    def _add(self, table: str, row: dict[str, Any]) -> None:
        for name, (mark, kind) in _columns(table).items():
            assert mark != "!" or row.get(name) is not None, f"{table}.{name} must not be null"
            assert mark != "=" or name not in row or row[name] is not None, f"{table}.{name} must not be null"
            if row.get(name) is not None:
                _check(row[name], kind)
        self.rows[table].append(row)

    def _check_references(self, model_id: str, source_id: str) -> None:
        (release,), (model,), (source_set,), (source,) = (self.rows[table] for _, table in CONFIG)
        assert model["id"] == source_set["modelId"] == source["modelId"] == model_id
        assert source_set["releaseName"] == release["name"]
        assert (source["setName"], source["id"]) == (source_set["name"], source_id)
        layer, _, set_name = source_id.partition("-")
        assert layer.isdigit() and set_name.split("__")[0] == source_set["name"], "the id says layer and set"
        neurons = {neuron["index"] for neuron in self.rows["Neuron"]}
        for table in ("Neuron", "Activation", "Explanation"):
            for row in self.rows[table]:
                assert (row["modelId"], row["layer"]) == (model_id, source_id) and row["index"] in neurons
                assert row.get("sourceSetName", source_set["name"]) == source_set["name"]
                assert row.get("typeName") is None and row.get("explanationModelName") is None, "not in their tables"


def _columns(table: str) -> dict[str, tuple[str, str]]:
    """Mark and type of each column."""
    columns = {}
    for one in TABLES[table].split():
        mark = next(char for char in one if char in "!=:")
        name, kind = one.split(mark)
        columns[name] = (mark, kind)
    return columns


def _check(value: Any, kind: str) -> None:
    if kind.endswith("[]"):
        assert isinstance(value, list)
        for one in value:
            _check(one, kind.removesuffix("[]"))
    elif kind == "int":
        assert type(value) is int and -(2**31) <= value < 2**31
    elif kind == "float":
        assert type(value) in (int, float) and math.isfinite(value)
    elif kind == "time":
        datetime.fromisoformat(value)
    else:
        assert type(value) is {"text": str, "bool": bool}[kind], (value, kind)


def _refused(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")
