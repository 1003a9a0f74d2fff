"""A checkpoint is found on disk before it is looked for on the hub, and what is not there is one sentence."""

import shutil
from pathlib import Path

import pytest
import torch

from sae_assets.dictionary.checkpoint import checkpoint_format
from sae_assets.dictionary.locate import locate
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder
from sae_assets.settings import PretrainedSAE, UserError

FIXTURES = Path(__file__).parent / "fixtures" / "lm_saes"
REPOSITORY = "models--someone--saes"
NEWEST, OLDER = "1" * 40, "2" * 40


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a hub that is out of reach, with two revisions of a repository `someone/saes`."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / REPOSITORY
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(NEWEST)
    (repository / "refs" / "v1").write_text(OLDER)
    shutil.copytree(FIXTURES / "relu-inference", repository / "snapshots" / NEWEST)
    shutil.copytree(FIXTURES / "relu-token-norm", repository / "snapshots" / NEWEST / "a" / "layer-3")
    shutil.copytree(FIXTURES / "topk-decoder-norm", repository / "snapshots" / OLDER)
    return repository


@pytest.mark.parametrize(
    ("options", "fixture"),
    [
        ({"pretrained_name_or_path": "someone/saes"}, "relu-inference"),
        ({"pretrained_name_or_path": "someone/saes:a/layer-3"}, "relu-token-norm"),
        ({"pretrained_name_or_path": "someone/saes", "revision": "v1"}, "topk-decoder-norm"),
        ({"pretrained_name_or_path": "someone/saes", "revision": OLDER}, "topk-decoder-norm"),
    ],
)
def test_a_name_on_the_hub_is_read_at_its_revision(hub, options, fixture):
    x = torch.randn(5, 16)
    found = AbstractSparseAutoEncoder.from_pretrained(PretrainedSAE(**options))
    assert torch.equal(found.encode(x), AbstractSparseAutoEncoder.from_pretrained(FIXTURES / fixture).encode(x))
    assert checkpoint_format(PretrainedSAE(**options)) == "lm-saes"


def test_what_is_on_disk_wins_over_the_hub(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FIXTURES / "batchtopk", tmp_path / "someone" / "saes")
    assert locate("someone/saes").folder == Path("someone/saes")


@pytest.mark.parametrize(
    ("name", "revision", "sentence"),
    [
        ("someone/saes", "v2", "the revision 'v2' of 'someone/saes' cannot be fetched from the Hugging Face hub"),
        ("someone/other", None, "'someone/other' is not here, and 'someone/other' cannot be fetched"),
        ("someone/saes:a/layer-4", None, "'someone/saes' on the Hugging Face hub has no folder 'a/layer-4'"),
        ("someone/saes:a", None, "holds no checkpoint of a format that is known; these are read: .*lm-saes"),
        ("some/one/else", None, "There is no checkpoint 'some/one/else': neither a folder, a weight file nor `repo_id"),
        ("fixture", None, "There is no checkpoint 'fixture'.*; the nearest beside it is 'fixtures'"),
        ("here/layer-5", None, "There is no checkpoint 'here/layer-5'.*; the nearest beside it is 'layer-4'"),
    ],
)
def test_what_is_not_there_is_one_sentence(hub, tmp_path, monkeypatch, name, revision, sentence):
    monkeypatch.chdir(tmp_path)
    for folder in ("fixtures", "here/layer-4"):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(UserError, match=sentence):
        locate(name, revision)


def test_a_folder_of_no_known_format_is_told_those_that_are(tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(UserError, match=r"holds no checkpoint of a format that is known; these are read: .*lm-saes"):
        locate(str(tmp_path))
