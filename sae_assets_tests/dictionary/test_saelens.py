"""Checkpoints that sae-lens wrote give what sae-lens gives, and what is damaged or not read is one sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sae_assets.dictionary.checkpoint import checkpoint_config
from sae_assets.dictionary.formats.saelens import SAELens
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder
from sae_assets.settings import PretrainedSAE, UserError

FIXTURES = Path(__file__).parent / "fixtures" / "saelens"
ALL = sorted(path.parent.name for path in FIXTURES.glob("*/cfg.json"))
HOOK_POINT = "blocks.0.hook_resid_post"


def load(folder: Path) -> AbstractSparseAutoEncoder:
    return AbstractSparseAutoEncoder.from_pretrained(folder)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return shutil.copytree(FIXTURES / "standard-none", tmp_path / "sae")


def change_config(checkpoint: Path, **values: object) -> None:
    path = checkpoint / "cfg.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def change_weights(checkpoint: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    path = checkpoint / "sae_weights.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path)


@pytest.mark.parametrize("name", ALL)
def test_features_and_reconstruction_agree_with_saelens(name):
    sae, expected = load(FIXTURES / name), load_file(FIXTURES / name / "expected.safetensors")
    x, features = expected["x"], expected["feature_acts"]
    torch.testing.assert_close(sae.encode(x), features, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sae.decode(features, x), expected["reconstructed"], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sae(x), expected["reconstructed"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_active_features_are_what_is_encoded_above_zero(name):
    sae, x = load(FIXTURES / name), load_file(FIXTURES / name / "expected.safetensors")["x"]
    features, active = sae.encode(x), sae.active_features(x)
    found = torch.zeros_like(features).index_put((active.token, active.feature), active.value)
    torch.testing.assert_close(found, features, rtol=1e-6, atol=1e-6)
    assert torch.equal(found > 0, features > 0)
    assert not sae.is_batch_dependent


@pytest.mark.parametrize("name", ALL)
def test_hook_points_and_model_are_those_that_saelens_recorded(name):
    config = checkpoint_config(PretrainedSAE(pretrained_name_or_path=str(FIXTURES / name)))
    into = "blocks.0.attn.hook_z" if "hook-z" in name else HOOK_POINT
    out = "blocks.0.hook_mlp_out" if "transcoder" in name else into
    assert (config.hook_point_in, config.hook_point_out, config.model_name) == (into, out, "gpt2-small")
    assert (config.d_model, config.d_sae) == (32 if name == "tiny-model" else 16, 32)


def test_a_hook_point_that_is_not_recorded_is_taken_from_the_settings(checkpoint):
    change_config(checkpoint, metadata={"model_name": "gpt2-small"})
    pretrained = PretrainedSAE(pretrained_name_or_path=str(checkpoint))
    assert checkpoint_config(pretrained).hook_point_in is None
    named = pretrained.model_copy(update={"hook_point": HOOK_POINT})
    assert checkpoint_config(named).hook_point_in == HOOK_POINT


def test_a_scale_that_a_release_gives_is_folded_in(checkpoint):
    change_config(checkpoint, normalize_activations="expected_average_only_in")
    plain, x = load(checkpoint), torch.randn(7, 16)
    (checkpoint / "activation_scaler.json").write_text('{"scaling_factor": 2.5}')
    scaled = load(checkpoint)
    torch.testing.assert_close(scaled.encode(x), plain.encode(2.5 * x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(scaled(x), plain(2.5 * x) / 2.5, rtol=1e-5, atol=1e-5)
    (checkpoint / "activation_scaler.json").unlink()
    released = SAELens({"norm_scaling_factor": 2.5})
    weights = released.weights(checkpoint, released.config(checkpoint), checkpoint / "sae_weights.safetensors")
    torch.testing.assert_close(weights["W_E"], scaled.encoder)


def test_a_release_that_was_trained_on_centred_writing_weights_encodes_centred_activations(checkpoint):
    plain, x = load(checkpoint), torch.randn(7, 16) + 0.5
    metadata = json.loads((checkpoint / "cfg.json").read_text())["metadata"]
    kwargs = {"center_writing_weights": True}
    change_config(checkpoint, metadata=metadata | {"model_from_pretrained_kwargs": kwargs})
    centred = x - x.mean(dim=-1, keepdim=True)
    torch.testing.assert_close(load(checkpoint).encode(x), plain.encode(centred), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(plain.encode(x), plain.encode(centred), atol=1e-2)
    change_config(checkpoint, metadata=metadata)
    released = SAELens({"model_from_pretrained_kwargs": kwargs})
    weights = released.weights(checkpoint, released.config(checkpoint), checkpoint / "sae_weights.safetensors")
    torch.testing.assert_close(weights["W_E"], load(checkpoint).encoder - load(checkpoint).encoder.mean(dim=0))


def test_factors_of_finetuning_scale_the_decoder_where_the_config_says_so(checkpoint):
    plain, x, factor = load(checkpoint), torch.randn(7, 16), torch.rand(32) + 0.5
    change_weights(checkpoint, lambda weights: weights.update(scaling_factor=torch.ones(32)))
    torch.testing.assert_close(load(checkpoint)(x), plain(x))
    change_weights(checkpoint, lambda weights: weights.update(scaling_factor=factor))
    with pytest.raises(UserError, match="not expected"):
        load(checkpoint)
    change_config(checkpoint, finetuning_scaling_factor=True)
    torch.testing.assert_close(load(checkpoint)(x), plain.decode(plain.encode(x) * factor), rtol=1e-5, atol=1e-5)


def _truncated(checkpoint: Path) -> None:
    path = checkpoint / "sae_weights.safetensors"
    path.write_bytes(path.read_bytes()[:300])


def _pickled(checkpoint: Path) -> None:
    torch.save({"W_enc": print}, checkpoint / "sae_weights.safetensors")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_truncated, "are damaged and cannot be read"),
        (_pickled, "are damaged and cannot be read"),
        (lambda c: (c / "cfg.json").write_text("{"), "cfg.json' is damaged: it is not valid JSON"),
        (lambda c: (c / "cfg.json").write_text("[1]"), "it holds no JSON object"),
        (lambda c: (c / "cfg.json").unlink(), "incomplete: it has no cfg.json"),
        (lambda c: (c / "sae_weights.safetensors").unlink(), "no weights such as sae_weights.safetensors"),
        (lambda c: change_weights(c, lambda w: w.pop("b_enc")), r"\['b_enc'\] are missing"),
        (lambda c: change_weights(c, lambda w: w.update(b_new=torch.ones(2))), r"not expected \['b_new'\]"),
        (lambda c: change_weights(c, lambda w: w["W_dec"].fill_(torch.nan)), "NaN or infinite value in W_D"),
        (lambda c: change_config(c, d_in=24), r"W_enc of shape \(16, 32\) where .* \(24, 32\)"),
        (lambda c: change_config(c, d_sae="many"), "'d_sae': Input should be a valid integer"),
        (lambda c: change_config(c, architecture="gated"), r"\['b_gate', 'b_mag', 'r_mag'\] are missing"),
        (lambda c: change_config(c, architecture="temporal"), "'architecture': Input should be 'standard', 'gated'"),
        (lambda c: change_config(c, normalize_activations="covariance_whitening"), "'normalize_activations': Input"),
        (lambda c: change_config(c, activation_fn="tanh-relu"), "'activation_fn': Input should be 'relu' or 'topk'"),
        (lambda c: change_config(c, metadata={"hook_head_index": 3}), "encodes head 3 alone"),
        (lambda c: change_config(c, metadata="gpt2"), "'metadata': Input should be"),
        (lambda c: change_config(c, architecture="transcoder", d_out=24), "encodes 16 dimensions and reconstructs 24"),
    ],
)
def test_a_broken_checkpoint_is_one_sentence(checkpoint, damage, sentence):
    damage(checkpoint)
    with pytest.raises(UserError, match=sentence):
        load(checkpoint)


def test_centred_activations_of_one_norm_are_refused(checkpoint):
    metadata = {"hook_name": HOOK_POINT, "model_from_pretrained_kwargs": {"center_writing_weights": True}}
    change_config(checkpoint, normalize_activations="constant_norm_rescale", metadata=metadata)
    with pytest.raises(UserError, match="centred writing weights"):
        load(checkpoint)
