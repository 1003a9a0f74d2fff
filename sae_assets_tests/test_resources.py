"""The settings of a checkpoint on disk are completed by what it records, and complete it where it records nothing."""

import json
import shutil
from pathlib import Path

import pytest

from sae_assets.resources import Checkpoints
from sae_assets.run_config import RunSettings
from sae_assets.settings import UserError

FIXTURES = Path(__file__).parent / "dictionary" / "fixtures"
SETTINGS = """\
[activation_factory]
sources = [{ type = "dataset", name = "corpus" }]
[analyzer]
total_analyzing_tokens = 1000
"""


def checkpoints(root: Path, fixture: str) -> Checkpoints:
    """A project with one checkpoint, `series/sae`, and settings that say nothing of hook point and model."""
    shutil.copytree(FIXTURES / fixture, root / "checkpoints" / "series" / "sae")
    (root / "checkpoints" / "series" / "analysis.toml").write_text(SETTINGS)
    return Checkpoints(roots=str(root / "checkpoints"), data_folder=str(root / "data"))


def test_hook_point_and_model_of_a_checkpoint_need_not_be_repeated(tmp_path):
    found = checkpoints(tmp_path, "saelens/standard-none").settings("series/sae", RunSettings({}))
    assert found.activation_factory.hook_points == ["blocks.0.hook_resid_post"]
    assert found.model is not None and found.model.model_name == "gpt2"  # recorded as "gpt2-small"


def test_a_hook_point_that_is_not_recorded_is_asked_for_and_taken(tmp_path):
    here = checkpoints(tmp_path, "lm_saes/relu-inference")
    config = here.folder("series/sae") / "config.json"
    values = json.loads(config.read_text()) | {"hook_point_in": None, "hook_point_out": None}
    config.write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"sae.hook_point is not set, and .*config.json does not say which hook point"):
        here.analysis("series/sae", RunSettings({}))
    run = here.analysis("series/sae", RunSettings({"sae": {"hook_point": "blocks.2.hook_mlp_out"}}))
    assert run.hook_point == "blocks.2.hook_mlp_out"
    assert run.checkpoint_format == "lm-saes"
