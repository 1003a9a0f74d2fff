"""What a checkpoint is called on Neuronpedia, and the four files that say so."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sae_assets.settings.errors import UserError
from sae_assets.store.lookup import FoundAnalysis

CREATOR_ID = "clkht01d40000jv08hvalcvly"
"""The account of public data on Neuronpedia and in its local database; the default of its own converters."""
_ID = r"[A-Za-z0-9](?:[A-Za-z0-9.-]|_(?!_))*"
"""In the name of a source, `__` would separate the set from what follows."""


@dataclass(frozen=True)
class NeuronpediaNames:
    """The names that a user may choose; None for what the checkpoint suggests."""

    model_id: str | None = None
    """The model: "gemma-2-2b"."""
    source_set: str | None = None
    """The SAEs that differ in nothing but their layer: "res-16k"."""
    layer: int | None = None
    """Layer of the SAE."""
    release: str | None = None
    """What the source set was published with: "gemma-scope"."""
    creator: str | None = None
    """Who made it, as it is shown."""


@dataclass(frozen=True)
class NeuronpediaSource:
    """A checkpoint under the names of Neuronpedia."""

    model_id: str
    """The model."""
    source_set: str
    """The source set."""
    layer: int
    """Layer of the SAE."""
    release: str
    """The release."""
    creator: str
    """Who made it."""
    hook_point: str | None
    """Where in the model the SAE reads."""
    model_name: str | None
    """The model as we know it."""
    title: str
    """The checkpoint, `series/name`."""
    n_tokens: int
    """Tokens analysed."""
    created_at: str
    """When the analysis was published, in ISO 8601."""

    @property
    def source_id(self) -> str:
        """Id of the source, by which Neuronpedia knows the layer, too: "12-res-16k"."""
        return f"{self.layer}-{self.source_set}"

    @property
    def files(self) -> Mapping[str, dict[str, Any]]:
        """The only row of each of the four files, by the file's name."""
        common = {"creatorId": CREATOR_ID, "createdAt": self.created_at, "visibility": "PUBLIC"}
        return {
            "release.jsonl": {
                "name": self.release,
                "description": self.release,
                "descriptionShort": self.release,
                "urls": [],
                "creatorName": self.creator,
                "creatorNameShort": self.creator,
                **common,
            },
            "model.jsonl": {
                "id": self.model_id,
                "displayName": self.model_id,
                "displayNameShort": self.model_id,
                "tlensId": self.model_name,
                "instruct": self.model_id.endswith(("-it", "-instruct")),
                "layers": 0,
                "neuronsPerLayer": 0,
                "owner": "",
                "updatedAt": self.created_at,
                **common,
            },
            "sourceset.jsonl": {
                "modelId": self.model_id,
                "name": self.source_set,
                "description": self.title,
                "creatorName": self.creator,
                "urls": [],
                "releaseName": self.release,
                **common,
            },
            "source.jsonl": {
                "id": self.source_id,
                "modelId": self.model_id,
                "setName": self.source_set,
                "inferenceEnabled": False,
                "notes": f"{self.title}, {self.n_tokens:,} tokens analysed by sae_assets",
                **common,
            },
        }

    def write(self, folder: Path) -> None:
        """Writes the four files."""
        for name, row in self.files.items():
            (folder / name).write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")


def neuronpedia_source(found: FoundAnalysis, names: NeuronpediaNames) -> NeuronpediaSource:
    """The names of a published analysis on Neuronpedia.

    Raises:
        UserError: a name cannot be one there, or the checkpoint suggests none; it says which option gives it.
    """
    sae = found.sae
    layer = names.layer if names.layer is not None else _layer_of(sae.hook_point)
    if layer is None:
        raise UserError(f"The hook point {sae.hook_point!r} of {sae.id!r} names no layer; give --layer.")
    if names.model_id is None and sae.model_name is None:
        raise UserError(f"It is not known which language model {sae.id!r} was trained on; give --model-id.")
    assert found.analysis.published_at is not None
    return NeuronpediaSource(
        model_id=_checked("--model-id", names.model_id) or _slug((sae.model_name or "").rstrip("/").split("/")[-1]),
        source_set=_checked("--source-set", names.source_set) or _slug(f"{sae.series}-{sae.name}"),
        layer=layer,
        release=_checked("--release", names.release) or _slug(sae.series),
        creator=names.creator or sae.series,
        hook_point=sae.hook_point,
        model_name=sae.model_name,
        title=sae.id,
        n_tokens=found.analysis.n_analyzed_tokens,
        created_at=found.analysis.published_at.isoformat(),
    )


def _layer_of(hook_point: str | None) -> int | None:
    found = re.search(r"\b(?:blocks|layers|h)\.(\d+)\b", hook_point or "")
    return int(found[1]) if found else None


def _checked(option: str, name: str | None) -> str | None:
    if name is not None and not re.fullmatch(_ID, name):
        raise UserError(
            f"{option} {name!r} cannot be a name on Neuronpedia; begin with a letter or a digit and use letters, "
            "digits, '.', '-' and single '_' only."
        )
    return name


def _slug(text: str) -> str:
    """The text as a name on Neuronpedia."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "unnamed"
