"""Checkpoints written by the seed's own system give what that system gives.

In seven of the eight fixtures `x` is not the input that `feature_acts` were computed from (the transcoder's is): where
the two hook points are one, the generator kept the reconstruction's target instead, a tensor independent of the input.
Where a token has more active features than d_model, the input is recovered from them by least squares, and then all
features must agree, the silent ones too. For the rest the decoder is held against the fixture, and the encoder against
the definition written out in float64.
"""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sae_assets.dictionary.checkpoint import locate
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder, SparseAutoEncoder

FIXTURES = Path(__file__).parent / "fixtures" / "lm_saes"
ALL = sorted(path.name for path in FIXTURES.iterdir())
DENSE = ["jumprelu-dataset-norm", "relu-dataset-norm", "relu-inference", "relu-token-norm"]


def load(name: str):
    return AbstractSparseAutoEncoder.from_pretrained(FIXTURES / name), load_file(
        FIXTURES / name / "expected.safetensors"
    )


@pytest.mark.parametrize("name", ALL)
def test_decoder_agrees(name):
    sae, expected = load(name)
    torch.testing.assert_close(sae.decode(expected["feature_acts"]), expected["reconstructed"], rtol=1e-5, atol=1e-5)


def test_encoder_of_the_transcoder_agrees():
    sae, expected = load("transcoder-jumprelu")
    features = sae.encode(expected["x"])
    torch.testing.assert_close(features, expected["feature_acts"], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sae.decode(features), expected["reconstructed"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", DENSE)
def test_encoder_agrees_on_the_input_that_the_active_features_imply(name):
    sae, expected = load(name)
    features = expected["feature_acts"].flatten(0, 1).double()
    assert isinstance(sae, SparseAutoEncoder)
    weights, bias = sae.W_E.double(), sae.b_E.double()
    for row in features:
        active = row > 0
        if active.sum() <= sae.d_model:
            continue
        x = torch.linalg.lstsq(weights[:, active].T, (row - bias)[active][:, None]).solution[:, 0]
        torch.testing.assert_close(sae.encode(x[None].float())[0].double(), row, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_encoder_agrees_with_the_definition(name):
    sae, expected = load(name)
    config = AbstractSparseAutoEncoder.from_pretrained(FIXTURES / name, fold_activation_scale=False).config
    weights = {key: value.double() for key, value in load_file(locate(str(FIXTURES / name)).weights).items()}
    x = expected["x"].double()
    reference = x
    b_e, w_d = weights["b_E"], weights["W_D"]
    if config.norm_activation == "token-wise":
        reference = x * math.sqrt(config.d_model) / x.norm(dim=-1, keepdim=True)
    elif config.norm_activation == "dataset-wise":
        scale = {
            hook: math.sqrt(config.d_model) / float(weights[f"dataset_average_activation_norm.{hook}"])
            for hook in (config.hook_point_in, config.hook_point_out)
        }
        b_e = b_e / scale[config.hook_point_in]
        w_d = w_d * scale[config.hook_point_in] / scale[config.hook_point_out]
    hidden = reference @ weights["W_E"] + b_e
    if config.use_glu_encoder:
        hidden = hidden * torch.sigmoid(reference @ weights["W_E_glu"] + weights["b_E_glu"])
    gate = w_d.norm(dim=1) if config.sparsity_include_decoder_norm else torch.ones(config.d_sae, dtype=torch.float64)
    hidden = hidden * gate
    if config.act_fn == "jumprelu":
        active = hidden > weights["activation_function.log_jumprelu_threshold"].exp()
    elif config.act_fn == "topk":
        active = hidden >= hidden.topk(config.top_k).values[..., -1:]
    elif config.act_fn == "batchtopk":
        active = hidden >= hidden.flatten().topk(config.top_k * 18).values[-1]
    else:
        active = torch.ones_like(hidden, dtype=torch.bool)
    definition = torch.where(active & (hidden > 0), hidden / gate, 0.0)
    torch.testing.assert_close(sae.encode(expected["x"]).double(), definition, rtol=1e-5, atol=1e-5)


def test_unfolded_normalisation_scales_features_and_gives_the_same_reconstruction():
    folded, expected = load("relu-dataset-norm")
    unfolded = AbstractSparseAutoEncoder.from_pretrained(FIXTURES / "relu-dataset-norm", fold_activation_scale=False)
    factor = math.sqrt(16) / 7.5
    x = expected["x"]
    torch.testing.assert_close(unfolded.encode(x), folded.encode(x) * factor, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(unfolded(x), folded(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(unfolded.decoder * factor, folded.decoder, rtol=1e-5, atol=1e-6)


def test_token_wise_reconstruction_is_scaled_back_where_the_input_is_given():
    sae, expected = load("relu-token-norm")
    x = expected["x"]
    factor = math.sqrt(16) / x.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(sae(x) * factor, sae.decode(sae.encode(x)), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sae(3 * x), 3 * sae(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("is_folded", [True, False])
@pytest.mark.parametrize("name", ALL)
def test_active_features_are_what_is_encoded_above_zero(name, is_folded):
    sae = AbstractSparseAutoEncoder.from_pretrained(FIXTURES / name, fold_activation_scale=is_folded)
    x = load_file(FIXTURES / name / "expected.safetensors")["x"].flatten(0, 1)
    for tokens in (x, x.flip(0)):  # the second call uses the memory of the first
        features, active = sae.encode(tokens), sae.active_features(tokens)
        found = torch.zeros_like(features).index_put((active.token, active.feature), active.value)
        assert torch.equal(found, features)
        assert len(active.value) == (features > 0).sum()
        assert torch.equal(active.token, active.token.sort().values)
