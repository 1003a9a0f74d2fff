"""What other formats compute otherwise is what the one architecture computes with changed weights; in float64."""

import pytest
import torch

from sae_assets.dictionary.formats.equivalents import bias_without_subtraction, gated_as_jumprelu, unit_decoder

D_MODEL, D_SAE = 8, 200


@pytest.fixture
def x() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(50, D_MODEL, dtype=torch.float64)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_a_gated_encoder_is_a_jumprelu(x):
    weight, b_gate, b_mag, r_mag = normal(D_MODEL, D_SAE), normal(D_SAE), normal(D_SAE), normal(D_SAE)
    product = x @ weight
    gated = torch.relu(product * r_mag.exp() + b_mag) * (product + b_gate > 0)
    encoder = gated_as_jumprelu(weight, b_gate, b_mag, r_mag)
    hidden = x @ encoder.weight + encoder.bias
    torch.testing.assert_close(torch.where(hidden > encoder.threshold, hidden, 0), gated)
    # Both kinds of features were tried: those that the gate decides, and those that are open before they are above 0.
    assert (encoder.threshold > 0).any() and (encoder.threshold == 0).any()


def test_a_subtracted_bias_is_part_of_the_encoder_s(x):
    weight, bias, subtracted = normal(D_MODEL, D_SAE), normal(D_SAE), normal(D_MODEL)
    folded = bias_without_subtraction(weight, bias, subtracted)
    torch.testing.assert_close(x @ weight + folded, (x - subtracted) @ weight + bias)


def test_features_times_the_norm_of_their_decoder_reconstruct_the_same(x):
    weight, bias, decoder = normal(D_MODEL, D_SAE), normal(D_SAE), normal(D_SAE, D_MODEL)
    decoder[3] = 0
    features = torch.relu((x @ weight + bias) * decoder.norm(dim=1))
    folded = unit_decoder(weight, bias, decoder)
    found = torch.relu(x @ folded.W_E + folded.b_E)
    torch.testing.assert_close(found, features)
    torch.testing.assert_close(found @ folded.W_D, torch.relu(x @ weight + bias) @ decoder)
    assert (folded.W_D.norm(dim=1) - (torch.arange(D_SAE) != 3).double()).abs().max() < 1e-12
