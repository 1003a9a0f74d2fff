"""From a folder that SAELens saved to a feature in the store, by the settings file that the docs show."""

import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sae_assets.store.documents import SAEDocument
from sae_assets.store.reading import read_feature
from sae_assets_tests.processes import run_command
from sae_assets_tests.project import HOOK_POINT, TinyProject, write_text

REPOSITORY = Path(__file__).parents[2]
CHECKPOINT = REPOSITORY / "sae_assets_tests" / "dictionary" / "fixtures" / "saelens" / "tiny-model"
DOCS = (REPOSITORY / "docs" / "checkpoints.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```toml\n(.*?)```", DOCS.partition("## SAELens")[2], re.DOTALL)[0]
N_TOKENS = 2000


@pytest.fixture
def project(tmp_path: Path, tiny_model: Path, tiny_project: TinyProject) -> Iterator[TinyProject]:
    """A folder with a model, a text and the checkpoint at the places that the docs name, and with no settings."""
    with TinyProject(tmp_path / "project", tiny_model, tmp_path / "project" / "text.jsonl").served() as project:
        shutil.copytree(CHECKPOINT, project.root / shown()["sae"]["pretrained_name_or_path"])
        write_text(project.text)
        yield project


def shown() -> dict[str, Any]:
    return tomllib.loads(SHOWN)


def test_the_file_of_the_docs_has_at_most_ten_lines():
    assert 0 < len(SHOWN.splitlines()) <= 10


def test_a_checkpoint_of_saelens_becomes_features_by_the_file_of_the_docs(project):
    # The places and names of the docs, but for the model, which is not on this machine, and how much is read.
    replaced = {
        '"gpt2"': json.dumps(str(project.model)),
        "blocks.8.hook_resid_pre": HOOK_POINT,
        "= 128": "= 64",
        "1_000_000": str(N_TOKENS),
    }
    text = SHOWN
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    (project.root / "analyze.toml").write_text(text, encoding="utf-8")
    result = run_command(project, "analyze", "analyze.toml")
    assert result.returncode == 0, result.stderr
    found = re.fullmatch(r"gpt2-small/res-8: (\d+) of 32 features are alive on 2,000 tokens, L0 .*\n", result.stdout)
    assert found and int(found[1]) > 0

    sae_id = "gpt2-small/res-8"
    with project.store() as store:
        sae = SAEDocument.model_validate(store["saes"].find_one({"_id": sae_id}))
        features = [read_feature(store, sae_id, "default", index) for index in range(32)]
    assert (sae.hook_point, sae.d_sae) == (HOOK_POINT, 32)
    alive = [feature for feature in features if feature.statistics.act_times > 0]
    assert len(alive) == int(found[1])
    assert all(feature.samples["top_activations"][0].peak > 0 for feature in alive)
