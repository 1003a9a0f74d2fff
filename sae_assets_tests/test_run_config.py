"""The run config has the fields of the settings, with their descriptions and defaults, and fills in none of them."""

import json
from typing import Any

import dagster as dg
import pytest

from sae_assets.run_config import RunSettings, dagster_schema, settings_resource
from sae_assets.settings import AnalysisSettings

MADE_BY_FACTORIES = {
    "hook_points": [],
    "ignore_positions": [],
    "prices": {},
    "request_options": {},
    "scorer_type": ["detection", "fuzzing"],
    "subsamples": {
        "top_activations": {"proportion": 1.0, "n_samples": 10, "max_length": None},
        "non_activating": {"proportion": 0.3, "n_samples": 20, "max_length": 50},
    },
}
"""Defaults that a JSON schema does not hold."""
OF_THE_ENVIRONMENT = {"openai_base_url", "model", "base_url", "dimensions"}
"""Fields without a default in the schema, where their names are also those of fields that have one."""


@dg.asset
def settings_of_the_run(settings: dg.ResourceParam[RunSettings]) -> dict:
    return settings.values


def run_with(config: dict) -> dict:
    result = dg.materialize(
        [settings_of_the_run],
        resources={"settings": settings_resource},
        run_config={"resources": {"settings": {"config": config}}} if config else {},
    )
    return result.output_for_node("settings_of_the_run")


def test_schema_and_models_are_equal_in_names_descriptions_and_defaults():
    schema = AnalysisSettings.model_json_schema()
    compared: set[str] = set()
    _compare(dagster_schema(AnalysisSettings), [schema], schema["$defs"], compared)
    assert {"total_analyzing_tokens", "proportion", "is_dataset_tokenized", "path", "top_k", "min_l0"} <= compared


def _compare(fields: dict[str, dg.Field], tables: list[dict], definitions: dict, compared: set[str]) -> None:
    """Hold the fields against the tables of a JSON schema; several tables are the members of a union."""
    names = {
        name for table in tables for name, entry in table["properties"].items() if '"password"' not in json.dumps(entry)
    }
    assert fields.keys() == names
    for name, field in fields.items():
        entries = [table["properties"][name] for table in tables if name in table["properties"]]
        entry = entries[0]
        inner = _inner_tables(entry, definitions)
        assert field.description is not None
        assert field.description.startswith(entry["description"])
        assert not field.is_required
        assert not field.default_provided
        assert field.description.removeprefix(entry["description"]).strip() == _expected(name, entries, tables, inner)
        config_type: Any = field.config_type
        while hasattr(config_type, "inner_type"):
            config_type = config_type.inner_type
        if inner:
            _compare(config_type.fields, inner, definitions, compared)
        elif choices := _choices(entries, definitions):
            assert {value.config_value for value in config_type.enum_values} == choices
        compared.add(name)


def _expected(name: str, entries: list[dict], tables: list[dict], inner: list[dict]) -> str:
    """What stands after the docstring."""
    titles = [table["title"] for table in tables if name in table["properties"]]
    only = f"Only in: {', '.join(titles)}. " if len(titles) < len(tables) else ""
    is_tag = len({entry.get("default", "") for entry in entries if "const" in entry}) > 1
    if is_tag or any(name in table.get("required", ()) for table in tables):
        return only + "Required in the settings."
    if "default" not in entries[0] and (name in OF_THE_ENVIRONMENT or (inner and name not in MADE_BY_FACTORIES)):
        return ""
    default = entries[0]["default"] if "default" in entries[0] else MADE_BY_FACTORIES[name]
    return f"{only}Default: {'not set' if default is None else json.dumps(default)}."


def _parts(entry: dict, definitions: dict) -> list[dict]:
    """The schema itself, or those that it refers to or is a union of, down through lists and maps."""
    if "$ref" in entry:
        return _parts(definitions[entry["$ref"].rpartition("/")[2]], definitions)
    for key in ("anyOf", "oneOf"):
        if key in entry:
            return [part for one in entry[key] for part in _parts(one, definitions)]
    for key in ("items", "additionalProperties"):
        if isinstance(entry.get(key), dict):
            return _parts(entry[key], definitions)
    return [entry]


def _inner_tables(entry: dict, definitions: dict) -> list[dict]:
    return [part for part in _parts(entry, definitions) if "properties" in part]


def _choices(entries: list[dict], definitions: dict) -> set[str]:
    parts = [part for entry in entries for part in _parts(entry, definitions)]
    return {choice for part in parts for choice in part.get("enum", [part["const"]] if "const" in part else [])}


def test_the_resource_gives_what_the_run_config_sets_and_nothing_else():
    config = {
        "analyzer": {"total_analyzing_tokens": 1000},
        "activation_factory": {"target": "activations-2d", "sources": [{"type": "dataset", "name": "corpus"}]},
        "datasets": {"corpus": {"split": "test"}, "other": None},
        "auto_interp": {
            "scorer_type": ["fuzzing"],
            "activation_threshold": 1,
            "request_options": {"temperature": 0, "stop": ["a"], "metadata": {"run": "1"}},
            "prices": {"my-model": {"input": 1, "output": 2}},
            "hard_negatives": "decoder",
        },
        "model_name": None,
        "features": "0-99, alive, sample 10",
        "max_cost": 1.5,
    }
    assert run_with(config) == config
    assert run_with({"features": [3, 4]}) == {"features": [3, 4]}
    assert AnalysisSettings.model_validate(run_with(config)).auto_interp.scorer_type == ["fuzzing"]


def test_a_run_without_config_sets_nothing():
    assert run_with({}) == {}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"analyser": {}}, 'unexpected config entry "analyser"'),
        ({"checks": {"max_10": 3}}, 'unexpected config entry "max_10"'),
        ({"auto_interp": {"openai_api_key": "secret"}}, 'unexpected config entry "openai_api_key"'),
        ({"activation_factory": {"target": "ACTIVATIONS_2D"}}, "not in enum type"),
        ({"max_workers": "many"}, "max_workers"),
    ],
)
def test_dagster_refuses_at_launch_what_the_settings_do_not_know(config, words):
    with pytest.raises(dg.DagsterInvalidConfigError, match=words):
        run_with(config)


def test_the_launchpad_sees_every_nested_field_with_its_description():
    definitions = dg.Definitions(assets=[settings_of_the_run], resources={"settings": settings_resource})
    job = definitions.resolve_implicit_global_asset_job_def()
    snapshots = job.get_job_snapshot().config_schema_snapshot.all_config_snaps_by_key.values()
    described = {field.name: field.description or "" for snapshot in snapshots for field in snapshot.fields or ()}
    assert described["top_k"] == (
        "Tokens to keep at either end: the most promoted and the most suppressed. Default: 10."
    )
    assert described["pack_documents"].endswith("Default: true.")
