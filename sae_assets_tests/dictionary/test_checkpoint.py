"""Checkpoints are found under all their names, written back unchanged, and damage is one sentence."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sae_assets.dictionary.checkpoint import checkpoint_config, checkpoint_identity, save_checkpoint
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder, SparseAutoEncoder
from sae_assets.settings import PretrainedSAE, UserError

FIXTURE = Path(__file__).parent / "fixtures" / "jumprelu-dataset-norm"


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    return shutil.copytree(FIXTURE, tmp_path / "sae")


def rewrite(checkpoint: Path, change) -> None:
    weights = load_file(checkpoint / "sae_weights.safetensors")
    change(weights)
    save_file(weights, checkpoint / "sae_weights.safetensors")


def test_weights_are_found_under_every_name(checkpoint):
    x = torch.randn(5, 16)
    expected = AbstractSparseAutoEncoder.from_pretrained(FIXTURE).encode(x)
    weights = load_file(checkpoint / "sae_weights.safetensors")
    (checkpoint / "sae_weights.safetensors").unlink()
    (checkpoint / "checkpoints").mkdir()
    torch.save(weights, checkpoint / "checkpoints" / "final.pt")
    for path in (checkpoint, checkpoint / "checkpoints" / "final.pt"):
        assert torch.equal(AbstractSparseAutoEncoder.from_pretrained(path).encode(x), expected)
    (checkpoint / "checkpoints" / "final.pt").unlink()
    torch.save({"sae": weights}, checkpoint / "sae_weights.pt")
    assert torch.equal(AbstractSparseAutoEncoder.from_pretrained(checkpoint, device="cpu").encode(x), expected)


def test_a_saved_checkpoint_loads_as_it_was(tmp_path):
    sae = AbstractSparseAutoEncoder.from_pretrained(FIXTURE, fold_activation_scale=False)
    assert isinstance(sae, SparseAutoEncoder)
    save_checkpoint(sae, tmp_path / "copy")
    again = AbstractSparseAutoEncoder.from_pretrained(PretrainedSAE(pretrained_name_or_path=str(tmp_path / "copy")))
    x = torch.randn(5, 16)
    assert torch.equal(again.encode(x), AbstractSparseAutoEncoder.from_pretrained(FIXTURE).encode(x))


def test_identity_follows_the_contents_and_not_the_place(checkpoint):
    before = checkpoint_identity(str(checkpoint))
    assert before == checkpoint_identity(str(FIXTURE))
    rewrite(checkpoint, lambda weights: weights["W_E"].mul_(2))
    assert checkpoint_identity(str(checkpoint)) != before
    assert checkpoint_config(str(checkpoint)).d_sae == 64


def _truncate(checkpoint: Path) -> None:
    file = checkpoint / "sae_weights.safetensors"
    file.write_bytes(file.read_bytes()[:500])


def _evil(checkpoint: Path) -> None:
    (checkpoint / "sae_weights.safetensors").unlink()
    torch.save({"W_E": Path("x")}, checkpoint / "sae_weights.pt")


def _config(**change):
    def apply(checkpoint: Path) -> None:
        path = checkpoint / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))

    return apply


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_truncate, "are damaged and cannot be read"),
        (_evil, "are no plain tensors"),
        (lambda c: (c / "config.json").unlink(), "it has no config.json"),
        (lambda c: (c / "config.json").write_text("{"), "it is not valid JSON"),
        (lambda c: (c / "sae_weights.safetensors").unlink(), "it has no weights such as sae_weights.safetensors"),
        (lambda c: rewrite(c, lambda w: w.pop("b_E")), r"missing \['b_E'\]"),
        (lambda c: rewrite(c, lambda w: w.update(b_E=torch.zeros(3))), r"b_E of shape \(3,\) where .* \(64,\)"),
        (lambda c: rewrite(c, lambda w: w["W_D"].fill_(torch.nan)), "NaN or infinite value in W_D"),
        (_config(sae_type="crosscoder"), "of type 'crosscoder'; the types read are"),
        (_config(act_fn="gelu"), "'act_fn'"),
        (shutil.rmtree, "There is no checkpoint"),
    ],
)
def test_a_broken_checkpoint_is_one_sentence(checkpoint, damage, sentence):
    damage(checkpoint)
    with pytest.raises(UserError, match=sentence):
        AbstractSparseAutoEncoder.from_pretrained(checkpoint)


def test_a_missing_checkpoint_names_its_nearest_sibling(checkpoint):
    with pytest.raises(UserError, match="the nearest beside it is 'sae'"):
        AbstractSparseAutoEncoder.from_pretrained(checkpoint.parent / "sea")


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="set `device` to 'cpu'"):
        AbstractSparseAutoEncoder.from_pretrained(FIXTURE, device="cuda:9")
