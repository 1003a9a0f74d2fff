"""Checkpoints of Llama Scope give what sae-lens' loader makes of them, in lm-saes' units; damage is one sentence."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sae_assets.dictionary.checkpoint import checkpoint_config, checkpoint_format
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder
from sae_assets.settings import PretrainedSAE, UserError

FIXTURES = Path(__file__).parent / "fixtures" / "scopes" / "Llama3_1-8B-Base-LXR-8x"
RESIDUAL, MLP = "Llama3_1-8B-Base-L1R-8x", "Llama3_1-8B-Base-L2M-8x"
FACTOR = math.sqrt(16) / 6.3125
"""What the activations are scaled by, which sae-lens' features are in the units of."""


def load(folder: Path) -> AbstractSparseAutoEncoder:
    return AbstractSparseAutoEncoder.from_pretrained(folder)


def change_config(**values: object) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        path = folder / "hyperparams.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return apply


def change_weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        weights = load_file(folder / "checkpoints" / "final.safetensors")
        change(weights)
        save_file(weights, folder / "checkpoints" / "final.safetensors")

    return apply


def truncate(folder: Path) -> None:
    file = folder / "checkpoints" / "final.safetensors"
    file.write_bytes(file.read_bytes()[:300])


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return shutil.copytree(FIXTURES / RESIDUAL, tmp_path / "sae")


@pytest.mark.parametrize("name", [RESIDUAL, MLP])
@pytest.mark.parametrize("is_folded", [True, False])
def test_features_and_reconstruction_agree_with_saelens(name, is_folded):
    sae = AbstractSparseAutoEncoder.from_pretrained(FIXTURES / name, fold_activation_scale=is_folded)
    expected = load_file(FIXTURES / name / "expected.safetensors")
    x, features = expected["x"], expected["feature_acts"] / FACTOR
    torch.testing.assert_close(sae.encode(x), features, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sae.decode(features), expected["reconstructed"], rtol=1e-5, atol=1e-5)
    active = sae.active_features(x)
    found = torch.zeros_like(features).index_put((active.token, active.feature), active.value)
    torch.testing.assert_close(found, features, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("includes_decoder_norm", [True, False])
def test_a_transcoder_is_what_lm_saes_computes(checkpoint, includes_decoder_norm):
    norm_in, norm_out, threshold = 3.0, 1.25, 0.9
    change_weights(lambda w: w["decoder.weight"].mul_(torch.rand(32) + 0.5))(checkpoint)
    change_config(
        hook_point_in="blocks.1.ln2.hook_normalized",
        hook_point_out="blocks.1.hook_mlp_out",
        dataset_average_activation_norm={"in": norm_in, "out": norm_out},
        jump_relu_threshold=threshold,
        sparsity_include_decoder_norm=includes_decoder_norm,
    )(checkpoint)
    raw = load_file(checkpoint / "checkpoints" / "final.safetensors")
    weights = {name: value.double() for name, value in raw.items()}
    x = load_file(checkpoint / "expected.safetensors")["x"]
    scale_in, scale_out = math.sqrt(16) / norm_in, math.sqrt(16) / norm_out
    hidden = x.double() @ weights["encoder.weight"].T + weights["encoder.bias"] / scale_in
    decoder = weights["decoder.weight"].T * scale_in / scale_out
    score = hidden * decoder.norm(dim=1) if includes_decoder_norm else hidden
    features = torch.where(score > threshold, hidden, 0)
    assert 0.05 < (features > 0).double().mean() < 0.95
    sae = load(checkpoint)
    torch.testing.assert_close(sae.encode(x).double(), features, rtol=1e-5, atol=1e-5)
    expected = features @ decoder + weights["decoder.bias"] / scale_out
    torch.testing.assert_close(sae(x).double(), expected, rtol=1e-5, atol=1e-5)
    assert (sae.hook_point_in, sae.hook_point_out) == ("blocks.1.ln2.hook_normalized", "blocks.1.hook_mlp_out")


def test_weights_in_bfloat16_are_computed_with_in_float32(checkpoint):
    encoder = load_file(checkpoint / "checkpoints" / "final.safetensors")["encoder.weight"].bfloat16()
    change_weights(lambda weights: weights.update({"encoder.weight": encoder}))(checkpoint)
    assert torch.equal(load(checkpoint).encoder, encoder.T.float())


def test_a_checkpoint_without_a_bias_of_the_decoder_reconstructs_without_it(checkpoint):
    before, x = load(checkpoint), torch.randn(5, 16)
    change_config(use_decoder_bias=False)(checkpoint)
    change_weights(lambda weights: weights.pop("decoder.bias"))(checkpoint)
    after, silent = load(checkpoint), torch.zeros(5, 32)
    torch.testing.assert_close(after(x), before(x) - before.decode(silent), rtol=1e-5, atol=1e-5)


def test_hook_points_are_recorded_and_the_model_is_in_the_name_of_the_folder(checkpoint):
    pretrained = PretrainedSAE(pretrained_name_or_path=str(FIXTURES / MLP))
    config = checkpoint_config(pretrained)
    assert (config.hook_point_in, config.hook_point_out) == ("blocks.2.hook_mlp_out",) * 2
    assert config.model_name == "meta-llama/Llama-3.1-8B"
    assert checkpoint_format(pretrained) == "Llama Scope"
    assert checkpoint_config(PretrainedSAE(pretrained_name_or_path=str(checkpoint))).model_name is None


def test_the_weight_file_names_the_checkpoint_too(checkpoint):
    x = torch.randn(5, 16)
    by_file = AbstractSparseAutoEncoder.from_pretrained(checkpoint / "checkpoints" / "final.safetensors")
    assert torch.equal(by_file(x), load(checkpoint)(x))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (truncate, "final.safetensors' are damaged and cannot be read"),
        (lambda c: torch.save({"w": print}, c / "checkpoints" / "final.safetensors"), "damaged and cannot be read"),
        (
            lambda c: (c / "checkpoints" / "final.safetensors").unlink(),
            r"no weights such as checkpoints/final.safetensors \(Llama Scope\)",
        ),
        (lambda c: (c / "hyperparams.json").unlink(), r"incomplete: it has no hyperparams.json \(Llama Scope\)"),
        (lambda c: (c / "hyperparams.json").write_text("{"), "hyperparams.json' is damaged: it is not valid JSON"),
        (change_config(act_fn="topk"), "'act_fn': Input should be 'jumprelu'"),
        (change_config(jump_relu_threshold=None), "'jump_relu_threshold': Input should be a valid number"),
        (change_config(norm_activation="token-wise"), "'norm_activation': Input should be 'dataset-wise'"),
        (
            change_config(dataset_average_activation_norm={"in": 1.0}),
            "'dataset_average_activation_norm.out': Field required",
        ),
        (
            change_config(dataset_average_activation_norm={"in": 0, "out": 1}),
            "'dataset_average_activation_norm.in': Input should be greater than 0",
        ),
        (change_config(apply_decoder_bias_to_pre_encoder=True), "'apply_decoder_bias_to_pre_encoder': Input should"),
        (change_config(use_glu_encoder=True), "'use_glu_encoder': Input should be False"),
        (change_config(d_model=24), r"encoder.weight of shape \(32, 16\) where .* asks for \(32, 24\)"),
        (change_weights(lambda w: w.pop("decoder.bias")), r"incomplete: \['decoder.bias'\] are missing"),
        (change_weights(lambda w: w.update(more=torch.zeros(2))), r"not expected \['more'\]"),
        (change_weights(lambda w: w["encoder.bias"].fill_(torch.nan)), "NaN or infinite value in b_E"),
    ],
)
def test_what_is_damaged_or_not_read_is_one_sentence(checkpoint, damage, sentence):
    damage(checkpoint)
    with pytest.raises(UserError, match=sentence):
        load(checkpoint)
