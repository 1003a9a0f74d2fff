"""Checkpoints are found under all their names, written back unchanged, and damage is one sentence."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sae_assets.dictionary.checkpoint import checkpoint_config, checkpoint_facts, checkpoint_identity, save_checkpoint
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder, SparseAutoEncoder
from sae_assets.settings import PretrainedSAE, UserError
from sae_assets.settings.layers import CheckpointFacts

FIXTURE = Path(__file__).parent / "fixtures" / "lm_saes" / "jumprelu-dataset-norm"


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    return shutil.copytree(FIXTURE, tmp_path / "sae")


def at(path: Path, **options) -> PretrainedSAE:
    return PretrainedSAE(pretrained_name_or_path=str(path), **options)


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
    before = checkpoint_identity(at(checkpoint))
    assert before == checkpoint_identity(at(FIXTURE))
    rewrite(checkpoint, lambda weights: weights["W_E"].mul_(2))
    assert checkpoint_identity(at(checkpoint)) != before
    assert checkpoint_config(at(checkpoint)).d_sae == 64


def test_a_hook_point_that_the_checkpoint_does_not_record_is_that_of_the_settings(checkpoint):
    _config(hook_point_in=None, hook_point_out=None, norm_activation="inference")(checkpoint)
    assert checkpoint_config(at(checkpoint)).hook_point_in is None
    named = at(checkpoint, hook_point="blocks.3.hook_mlp_out")
    assert checkpoint_config(named).hook_point_in == "blocks.3.hook_mlp_out"
    assert AbstractSparseAutoEncoder.from_pretrained(named).hook_point_in == "blocks.3.hook_mlp_out"


def test_another_hook_point_than_the_checkpoint_records_is_refused(checkpoint):
    recorded = checkpoint_config(at(checkpoint)).hook_point_in
    assert checkpoint_config(at(checkpoint, hook_point=recorded)).hook_point_in == recorded
    sentence = f"sae.hook_point is 'blocks.3.hook_mlp_out', but .*config.json says '{recorded}'; leave hook_point out"
    for read in (checkpoint_config, AbstractSparseAutoEncoder.from_pretrained):
        with pytest.raises(UserError, match=sentence):
            read(at(checkpoint, hook_point="blocks.3.hook_mlp_out"))


def test_what_settings_need_not_repeat_is_told_with_the_file_that_says_it(checkpoint):
    assert checkpoint_facts(checkpoint) == CheckpointFacts("blocks.1.hook_resid_post", None, "config.json")
    facts = checkpoint_facts(FIXTURE.parent.parent / "saelens" / "standard-none")
    assert facts == CheckpointFacts("blocks.0.hook_resid_post", "gpt2-small", "cfg.json")


def test_the_format_is_said(checkpoint, caplog):
    caplog.set_level("INFO")
    AbstractSparseAutoEncoder.from_pretrained(checkpoint)
    assert f"{checkpoint} is a checkpoint of lm-saes." in caplog.messages


def test_what_does_not_fit_is_left_out_where_loading_is_not_strict(checkpoint):
    rewrite(checkpoint, lambda weights: (weights.pop("b_D"), weights.update(more=torch.zeros(3))))
    sae = AbstractSparseAutoEncoder.from_pretrained(at(checkpoint, strict_loading=False))
    assert torch.equal(sae.decode(torch.zeros(1, 64)), torch.zeros(1, 16))


def _truncate(checkpoint: Path) -> None:
    file = checkpoint / "sae_weights.safetensors"
    file.write_bytes(file.read_bytes()[:500])


def _evil(checkpoint: Path) -> None:
    (checkpoint / "sae_weights.safetensors").unlink()
    torch.save({"W_E": Path("x")}, checkpoint / "sae_weights.pt")


def _runs_code(checkpoint: Path) -> None:
    (checkpoint / "sae_weights.safetensors").unlink()
    torch.save({"W_E": _Touch(checkpoint / "ran")}, checkpoint / "sae_weights.pt")


class _Touch:
    """What writes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


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
        (_runs_code, "are no plain tensors"),
        (lambda c: (c / "config.json").write_text("[]"), "it holds no JSON object"),
        (_config(d_model=24), r"of shape \(64, 16\) where config.json asks for \(96, 24\)"),
        (_config(d_model="wide"), "'d_model'"),
        (lambda c: rewrite(c, lambda w: w["b_E"].fill_(torch.inf)), "NaN or infinite value in b_E"),
        (lambda c: rewrite(c, lambda w: w.update(more=torch.zeros(1))), r"not expected \['more'\]"),
        (lambda c: (c / "config.json").unlink(), r"it has no .*config.json \(lm-saes\)"),
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
    assert not (checkpoint / "ran").exists()


def test_a_missing_checkpoint_names_its_nearest_sibling(checkpoint):
    with pytest.raises(UserError, match="the nearest beside it is 'sae'"):
        AbstractSparseAutoEncoder.from_pretrained(checkpoint.parent / "sea")


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="set `device` to 'cpu'"):
        AbstractSparseAutoEncoder.from_pretrained(FIXTURE, device="cuda:9")
