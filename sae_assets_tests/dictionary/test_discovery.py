"""Checkpoints are found two levels below a root, and the incomplete ones say what is missing."""

import shutil
from pathlib import Path

import pytest

from sae_assets.dictionary.discovery import checkpoint_folder, find_checkpoints
from sae_assets.dictionary.formats import FORMATS
from sae_assets.dictionary.locate import locate
from sae_assets.settings import UserError

FIXTURES = Path(__file__).parent / "fixtures"
FIXTURE = FIXTURES / "lm_saes" / "relu-inference"


@pytest.fixture
def root(tmp_path) -> Path:
    shutil.copytree(FIXTURE, tmp_path / "series" / "first")
    shutil.copytree(FIXTURE, tmp_path / "series" / "second")
    (tmp_path / "series" / ".hidden").mkdir()
    (tmp_path / "series" / "analysis.toml").touch()
    return tmp_path


def test_checkpoints_are_found_by_their_keys(root):
    assert [found.key for found in find_checkpoints([root])] == ["series/first", "series/second"]
    assert all(found.problem() is None for found in find_checkpoints([root]))


def test_the_first_root_wins(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(FIXTURE, other / "series" / "first")
    assert checkpoint_folder([other, root], "series/first") == other / "series" / "first"
    assert len(find_checkpoints([other, root])) == 2


@pytest.mark.parametrize("checkpoint_format", FORMATS, ids=[each.name for each in FORMATS])
def test_checkpoints_of_every_format_are_complete_until_their_weights_are_cut_short(checkpoint_format, tmp_path):
    folders = [path.parent for path in FIXTURES.rglob("expected.safetensors") if checkpoint_format.fits(path.parent)]
    for number, folder in enumerate(folders):
        shutil.copytree(folder, tmp_path / "series" / str(number))
    found = find_checkpoints([tmp_path])
    assert found and [checkpoint.problem() for checkpoint in found] == [None] * len(folders)
    for checkpoint in found:
        weights = locate(str(checkpoint.folder)).weights
        weights.write_bytes(weights.read_bytes()[:-40])
        assert "damaged" in (checkpoint.problem() or "")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json (lm-saes)"),
        (lambda folder: (folder / "sae_weights.safetensors").unlink(), "it has no weights"),
        (
            lambda folder: (folder / "sae_weights.safetensors").write_bytes(
                (folder / "sae_weights.safetensors").read_bytes()[:-1]
            ),
            "",
        ),
    ],
)
def test_an_incomplete_checkpoint_has_a_problem(root, damage, sentence):
    damage(root / "series" / "first")
    first = find_checkpoints([root])[0]
    assert first.problem() is not None and sentence in first.problem()


def test_an_unknown_key_names_the_nearest(root):
    with pytest.raises(UserError, match="the nearest is 'series/first'"):
        checkpoint_folder([root], "series/frist")


def test_a_key_that_leaves_the_root_is_refused(root):
    with pytest.raises(UserError, match="cannot be used as a folder"):
        checkpoint_folder([root / "series"], "../series")
