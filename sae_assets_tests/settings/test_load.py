"""Settings load by the same names from TOML, YAML and JSON, and every mistake is one sentence with its line."""

import json
import tomllib

import pytest
import yaml

from sae_assets.settings import AnalyzeSAESettings, UserError
from sae_assets.settings.load import load_settings

SEED_TOML = """\
sae_name = "pythia-160m-sae"
sae_series = "pythia-sae"
model_name = "pythia-160m"
output_dir = "analysis_results"
[sae]
pretrained_name_or_path = "results"
[model]
model_name = "EleutherAI/pythia-160m"
device = "cuda"
dtype = "torch.float16"
[datasets."SlimPajama-3B"]
dataset_name_or_path = "Hzfinfdu/SlimPajama-3B"
[activation_factory]
target = "activations-2d"
hook_points = ["blocks.6.hook_resid_post"]
batch_size = 32
context_size = 1024
[[activation_factory.sources]]
type = "dataset"
name = "SlimPajama-3B"
[mongo]
mongo_uri = "localhost"
[analyzer]
total_analyzing_tokens = 10_000_000
"""


def test_the_seed_file_loads_unchanged_and_equal_in_all_three_formats(tmp_path):
    values = tomllib.loads(SEED_TOML)
    (tmp_path / "a.toml").write_text(SEED_TOML)
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(values))
    (tmp_path / "a.json").write_text(json.dumps(values))
    loaded = [load_settings(tmp_path / f"a.{suffix}", AnalyzeSAESettings) for suffix in ("toml", "yaml", "json")]
    assert loaded[0] == loaded[1] == loaded[2]
    assert loaded[0].activation_factory.sources[0].name == "SlimPajama-3B"
    assert loaded[0].analyzer.total_analyzing_tokens == 10_000_000


MISTAKES = {
    ("batch_size = 32", "batch_sise = 32"): (
        "line 16: unknown key 'batch_sise' in [activation_factory]; the nearest is 'batch_size'."
    ),
    ("sae_series", "sae_serie"): "line 2: unknown key 'sae_serie'; the nearest is 'sae_series'.",
    ('name = "SlimPajama-3B"', 'nam = "S"'): (
        "line 20: unknown key 'nam' in [activation_factory.sources.0]; the nearest is 'name'."
    ),
    ("10_000_000", "0"): ("line 24: 'analyzer.total_analyzing_tokens': input should be greater than or equal to 1."),
    ('"torch.float16"', '"torch.float61"'): (
        "line 10: 'model.dtype': unknown dtype 'torch.float61'; the nearest is 'torch.float16'."
    ),
    ('sae_name = "pythia-160m-sae"\n', ""): "'sae_name' is missing.",
    ("batch_size = 32", "batch_size = = 32"): "not valid TOML: Invalid value (at line 16, column 14).",
}


@pytest.mark.parametrize(("change", "sentence"), MISTAKES.items())
def test_a_mistake_is_one_sentence_with_its_line(tmp_path, change, sentence):
    path = tmp_path / "analysis.toml"
    path.write_text(SEED_TOML.replace(*change))
    with pytest.raises(UserError) as caught:
        load_settings(path, AnalyzeSAESettings)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).endswith(sentence)


def test_lines_of_yaml_and_json_are_named_too(tmp_path):
    values = tomllib.loads(SEED_TOML)
    values["activation_factory"]["batch_sise"] = 3
    for suffix, text in (("yaml", yaml.safe_dump(values)), ("json", json.dumps(values, indent=2))):
        path = tmp_path / f"a.{suffix}"
        path.write_text(text)
        line = next(n for n, content in enumerate(text.splitlines(), start=1) if "batch_sise" in content)
        with pytest.raises(UserError, match=f"line {line}: unknown key 'batch_sise'"):
            load_settings(path, AnalyzeSAESettings)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("missing.toml", None, "does not exist"),
        ("settings.ini", "x", "must end in"),
        ("list.yaml", "- 1", "must hold a table"),
        ("bad.json", "{", "line 1: not valid JSON"),
        ("bad.yaml", "a: [1", "not valid YAML"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path, name, text, sentence):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=sentence):
        load_settings(tmp_path / name, AnalyzeSAESettings)
