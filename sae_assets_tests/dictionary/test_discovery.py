"""Checkpoints are found two levels below a root, and the incomplete ones say what is missing."""

import shutil
from pathlib import Path

import pytest

from sae_assets.dictionary.discovery import checkpoint_folder, find_checkpoints
from sae_assets.settings import UserError

FIXTURE = Path(__file__).parent / "fixtures" / "relu-inference"


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


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "config.json").unlink(), "it has no config.json"),
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
