"""Where the settings of a checkpoint come from: the run config, the files near it, and what it says about itself."""

from __future__ import annotations

import re
from functools import reduce
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from sae_assets.settings.analysis import AnalysisSettings
from sae_assets.settings.errors import UserError
from sae_assets.settings.load import SUFFIXES, read_settings_file, validated
from sae_assets.settings.locate import line_of


class CheckpointFacts(NamedTuple):
    """What a checkpoint's own config says, so that no settings need to."""

    hook_point: str | None = None
    """Point of the model whose activations the checkpoint encodes."""
    model_name: str | None = None
    """Language model that the checkpoint was trained on."""
    config_file: str = "config.json"
    """File of the checkpoint's folder that says so."""


class Layer(NamedTuple):
    """One place that sets some of the settings."""

    source: Path
    """The file, or "the run config"."""
    values: dict[str, Any]
    """What it sets, not yet validated."""


def checkpoint_settings(
    folder: Path, run_config: dict[str, Any], known: CheckpointFacts, project: Path
) -> AnalysisSettings:
    """The settings of the checkpoint in `folder`, which is `<root>/<series>/<name>`.

    The first that sets a key wins: the run config, the `analysis.toml` (or .yaml, .yml, .json) of the checkpoint, that
    of its series, that of the project, the checkpoint's own config. Tables are merged, lists replaced.

    Raises:
        UserError: nothing is set, a value does not fit, or one contradicts the checkpoint; the sentence names the
            place that the value comes from.
    """
    files = [_settings_file(place) for place in dict.fromkeys((folder, folder.parent, project))]
    layers = [
        Layer(Path("the run config"), run_config),
        *(Layer(file, read_settings_file(file)) for file in files if file),
    ]
    layers = [layer for layer in layers if layer.values]
    if not layers:
        raise UserError(
            f"The checkpoint '{folder.parent.name}/{folder.name}' has no settings: put an analysis.toml into {folder}, "
            f"{folder.parent} or {project}; `sae-assets config example analysis` prints one."
        )
    # Last of all comes what the checkpoint says, which no sentence needs to blame.
    layers_and_facts = [*(layer.values for layer in layers), _as_settings(known)]
    settings = _validated(reduce(_merged, layers_and_facts), layers)
    hook_point = _hook_point(settings, layers, known, folder / known.config_file)
    if hook_point and not settings.activation_factory.hook_points:
        settings.activation_factory.hook_points = [hook_point]
    _check_hook_points(settings, layers, hook_point, folder / known.config_file)
    _check_model(settings, layers, known, folder / known.config_file)
    return settings


def _settings_file(folder: Path) -> Path | None:
    found = [file for suffix in SUFFIXES if (file := folder / f"analysis{suffix}").is_file()]
    if len(found) > 1:
        raise UserError(f"{folder} has {found[0].name} and {found[1].name}; keep one of them.")
    return found[0] if found else None


def _as_settings(known: CheckpointFacts) -> dict[str, Any]:
    if known.model_name is None:
        return {}
    return {"model_name": known.model_name, "model": {"model_name": known.model_name}}


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """All keys of both; where both have one, tables are merged and of anything else the first is taken."""
    both = {
        key: _merged(first[key], second[key])
        for key in first.keys() & second.keys()
        if isinstance(first[key], dict) and isinstance(second[key], dict)
    }
    return second | first | both


def _validated(values: dict[str, Any], layers: list[Layer]) -> AnalysisSettings:
    try:
        return AnalysisSettings.model_validate(values)
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
        # A list comes from one layer as a whole: what lies inside it needs no looking up.
        keys = [str(part) for part in takewhile(lambda part: not isinstance(part, int), mistake["loc"])]
        if mistake["type"] == "unknown_key" and len(keys) == len(mistake["loc"]):
            keys.append(mistake.get("ctx", {})["key"])
    return validated(values, AnalysisSettings, _origin(layers, keys).source)


def _origin(layers: list[Layer], keys: list[str]) -> Layer:
    """The layer that a merged value comes from; for a missing one, the most general that has the table around it."""
    holders = [(layer, layer.values) for layer in layers]
    for key in keys:
        inner = [(layer, values[key]) for layer, values in holders if isinstance(values, dict) and key in values]
        if not inner:
            return holders[-1][0]
        holders = inner if isinstance(inner[0][1], dict) else inner[:1]
    return holders[0][0]


def _hook_point(settings: AnalysisSettings, layers: list[Layer], known: CheckpointFacts, config: Path) -> str | None:
    """Which hook point the checkpoint reads: what it says itself, else `sae.hook_point`; None where neither is set."""
    asked = settings.sae.hook_point
    if known.hook_point and asked not in (None, known.hook_point):
        raise UserError(
            f"{_place(layers, 'sae', 'hook_point')}: sae.hook_point is {asked!r}, but {config} says "
            f"{known.hook_point!r}; leave hook_point out."
        )
    if not known.hook_point and not asked and not settings.activation_factory.hook_points:
        raise UserError(
            f"{_place(layers, 'sae', 'hook_point')}: sae.hook_point is not set, and {config} does not say which hook "
            "point the checkpoint reads; set it to a name like 'blocks.6.hook_resid_post'."
        )
    return known.hook_point or asked


def _check_hook_points(settings: AnalysisSettings, layers: list[Layer], hook_point: str | None, config: Path) -> None:
    hook_points = settings.activation_factory.hook_points
    if hook_point and hook_point not in hook_points:
        says = "sae.hook_point is" if settings.sae.hook_point else f"{config} says"
        raise UserError(
            f"{_place(layers, 'activation_factory', 'hook_points')}: activation_factory.hook_points is {hook_points}, "
            f"but {says} {hook_point!r}; name that one too, or leave hook_points out."
        )


def _check_model(settings: AnalysisSettings, layers: list[Layer], known: CheckpointFacts, config: Path) -> None:
    model = settings.model
    if not known.model_name or not model or model.model_from_pretrained_path or Path(model.model_name).exists():
        return  # a local folder may have any name
    if not _may_be_the_same_model(model.model_name, known.model_name):
        raise UserError(
            f"{_place(layers, 'model', 'model_name')}: model.model_name is {model.model_name!r}, but {config} says "
            f"{known.model_name!r}; where both are one model, leave model.model_name out."
        )


def _may_be_the_same_model(name: str, other: str) -> bool:
    """Whether two names could mean one model: "EleutherAI/pythia-160m" and "pythia-160m", "gpt2" and "gpt2-small"."""
    short, long = sorted((re.sub(r"[\W_]", "", part.rpartition("/")[2]).lower() for part in (name, other)), key=len)
    return short in long


def _place(layers: list[Layer], *keys: str) -> str:
    source = _origin(layers, list(keys)).source
    line = line_of(source, keys)
    return f"{source}, line {line}" if line else str(source)
