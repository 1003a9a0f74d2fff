"""The example files load as they are, hold every field, and their comments tell the true defaults."""

import re
import tomllib

import pytest

from sae_assets.settings import (
    AnalysisSettings,
    AnalyzeSAESettings,
    AutoInterpSettings,
    DirectLogitAttributeSettings,
)
from sae_assets.settings.example import example_toml
from sae_assets.settings.load import load_settings

MODELS = [AnalysisSettings, AnalyzeSAESettings, DirectLogitAttributeSettings, AutoInterpSettings]


@pytest.mark.parametrize("model", MODELS)
def test_the_example_loads_unchanged(tmp_path, model):
    (tmp_path / "analysis.toml").write_text(example_toml(model))
    loaded = load_settings(tmp_path / "analysis.toml", model)
    assert set(loaded.model_fields_set) >= {name for name, field in model.model_fields.items() if field.is_required()}


@pytest.mark.parametrize("model", MODELS)
def test_a_default_that_is_uncommented_changes_nothing(model):
    lines = example_toml(model).splitlines()
    loaded = model.model_validate(tomllib.loads("\n".join(lines)))
    is_active, tried = True, 0
    for number, line in enumerate(lines):
        if re.match(r"#?\[", line):
            is_active = not line.startswith("#")
        elif is_active and re.match(r"#\w", line) and not line.endswith(")"):
            changed = "\n".join([*lines[:number], line[1:], *lines[number + 1 :]])
            assert model.model_validate(tomllib.loads(changed)) == loaded, line
            tried += 1
    assert tried > 2


@pytest.mark.parametrize("model", MODELS)
def test_every_setting_has_its_docstring_above_it(model):
    text = example_toml(model)
    schema = model.model_json_schema()
    for table in (schema, *schema["$defs"].values()):
        for name, field in table.get("properties", {}).items():
            comment = "".join(f"# {line}\n" for line in field["description"].splitlines())
            assert re.search(re.escape(comment) + rf"#?(\[+[\w.-]*{name}[\w.-]*\]+$|{name} = .)", text, re.MULTILINE), (
                name
            )


def test_commented_tables_load_too_once_they_are_uncommented():
    text = re.sub(r"^#(\[)", r"\1", example_toml(AnalyzeSAESettings), flags=re.MULTILINE)
    text = re.sub(r"^#(\w+ = (?!\().*)$", r"\1", text, flags=re.MULTILINE)
    loaded = AnalyzeSAESettings.model_validate(tomllib.loads(text))
    assert [source.type for source in loaded.activation_factory.sources] == ["dataset", "activations"]
    assert loaded.mongo is not None
    assert loaded.analyzer.subsamples["non_activating"].max_length == 50


def test_nothing_of_the_environment_gets_into_an_example(monkeypatch):
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MONGO_URI", "MONGO_DB"):
        monkeypatch.setenv(variable, "mongodb://somebody:hidden@host")
    assert not any("hidden" in example_toml(model) or "****" in example_toml(model) for model in MODELS)
