"""The options of the architecture, each against its definition written out."""

import pytest
import torch

from sae_assets.dictionary.checkpoint import save_checkpoint
from sae_assets.dictionary.config import SAEConfig
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder, SparseAutoEncoder

D_MODEL, D_SAE = 8, 64


def autoencoder(**options) -> SparseAutoEncoder:
    """One with random weights that gives out what its definition says without any scaling, but for the options."""
    plain = {"norm_activation": "inference", "sparsity_include_decoder_norm": False, "act_fn": "relu"}
    config = SAEConfig.model_validate(plain | {"d_model": D_MODEL, "expansion_factor": D_SAE / D_MODEL} | options)
    sae = SparseAutoEncoder(config).requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for name, weights in sae.state_dict().items():
        weights.copy_(torch.rand(weights.shape, generator=generator) * 2 - float(name != "threshold"))
    return sae


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(30, D_MODEL, generator=torch.Generator().manual_seed(1)) * 3 + 1


def test_a_feature_is_active_strictly_above_its_threshold(x):
    sae = autoencoder(act_fn="jumprelu")
    hidden = torch.addmm(sae.b_E, x, sae.W_E)
    sae.threshold[5] = hidden[0, 5].clamp(min=0)
    assert torch.equal(sae.encode(x), torch.where(hidden > sae.threshold, hidden, 0.0))
    assert sae.encode(x)[0, 5] == 0


def test_layer_norm_takes_the_mean_and_the_deviation_off_and_puts_them_back(x):
    sae = autoencoder(norm_activation="layer-norm")
    mean, deviation = x.mean(1, keepdim=True), x.std(1, keepdim=True)
    features = torch.relu((x - mean) / (deviation + 1e-5) @ sae.W_E + sae.b_E)
    torch.testing.assert_close(sae.encode(x), features)
    torch.testing.assert_close(sae(x), (features @ sae.W_D + sae.b_D) * deviation + mean)
    torch.testing.assert_close(sae.decode(features), features @ sae.W_D + sae.b_D)
    assert not sae.is_batch_dependent


@pytest.mark.parametrize("norm", ["token-wise", "layer-norm"])
def test_what_is_scaled_only_before_it_is_encoded_is_not_scaled_back(x, norm):
    sae = autoencoder(norm_activation=norm, denormalize_output=False)
    assert torch.equal(sae(x), sae.decode(sae.encode(x)))


@pytest.mark.parametrize("norm", ["inference", "token-wise"])
def test_a_skip_connection_maps_raw_activations(x, norm):
    sae, without = autoencoder(norm_activation=norm, skip_connection=True), autoencoder(norm_activation=norm)
    without.load_state_dict({name: value for name, value in sae.state_dict().items() if name != "W_skip"})
    assert torch.equal(sae.encode(x), without.encode(x))
    torch.testing.assert_close(sae(x), without(x) + x @ sae.W_skip)
    assert torch.equal(sae.decode(sae.encode(x)), without.decode(sae.encode(x)))


def test_a_batchtopk_with_a_threshold_depends_on_no_other_token(x):
    sae = autoencoder(act_fn="batchtopk", top_k=4, sparsity_include_decoder_norm=True)
    assert sae.is_batch_dependent
    features = sae.encode(x)
    norm = sae.W_D.norm(dim=1)
    smallest = (features * norm)[features > 0].min()
    sae.fix_threshold(float(smallest) * 0.9999)
    assert not sae.is_batch_dependent
    torch.testing.assert_close(sae.encode(x), features)
    torch.testing.assert_close(sae.encode(x[:1]), features[:1])


@pytest.mark.parametrize(
    "options",
    [
        {"act_fn": "jumprelu", "norm_activation": "layer-norm", "skip_connection": True},
        {"act_fn": "jumprelu", "norm_activation": "token-wise", "denormalize_output": False},
        {"act_fn": "topk", "top_k": 5, "norm_activation": "layer-norm"},
    ],
)
def test_every_option_outlives_saving_and_active_features_agree(x, tmp_path, options):
    sae = autoencoder(**options)
    save_checkpoint(sae, tmp_path / "sae")
    again = AbstractSparseAutoEncoder.from_pretrained(tmp_path / "sae")
    assert again.config == sae.config
    torch.testing.assert_close(again.encode(x), sae.encode(x))
    torch.testing.assert_close(again(x), sae(x))
    active = sae.active_features(x)
    found = torch.zeros(len(x), D_SAE).index_put((active.token, active.feature), active.value)
    assert torch.equal(found, sae.encode(x)) and len(active.value) > len(x)
