"""Direct logit attribution equals the dense product, in both variants and whatever the blocks."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets.analysis import logits as module
from sae_assets.analysis.logits import FeatureLogits, attribute_logits
from sae_assets.analysis.row_statistics import N_BINS
from sae_assets.engine.progress import Step
from sae_assets.language_model.model import TransformerLensLanguageModel
from sae_assets.settings import DirectLogitAttributorConfig, LanguageModelConfig, UserError

RAW = DirectLogitAttributorConfig(variant="raw", top_k=4)
NORM = DirectLogitAttributorConfig(variant="norm", top_k=4)
TENSORS = [field.name for field in fields(FeatureLogits) if field.name != "variant"]


def rms_norm(x: torch.Tensor) -> torch.Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * torch.linspace(0.5, 2, x.shape[-1])


def layer_norm(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.layer_norm(x, x.shape[-1:], torch.linspace(0.5, 2, x.shape[-1]))


def weights(n_features: int, d_model: int, vocab: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_features, d_model, generator=generator), torch.randn(d_model, vocab, generator=generator)


def whole_numbers(n_features: int, d_model: int, vocab: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights whose products are exact in float32, whatever the order of the sums, and full of ties."""
    decoder, unembedding = weights(n_features, d_model, vocab, seed)
    return decoder.round(), unembedding.round()


def assert_same(one: FeatureLogits, other: FeatureLogits) -> None:
    assert one.variant == other.variant
    for name in TENSORS:
        assert torch.equal(getattr(one, name), getattr(other, name)), name


def assert_close(one, other) -> None:
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


shapes = st.tuples(st.integers(1, 12), st.integers(1, 6), st.integers(1, 80), st.integers(0, 10**6))


@settings(max_examples=30, deadline=None)
@given(case=shapes, variant=st.sampled_from(["raw", "rms", "layer"]))
def test_logits_equal_a_dense_reference(case, variant):
    decoder, unembedding = weights(*case)
    norm = {"raw": None, "rms": rms_norm, "layer": layer_norm}[variant]
    result = attribute_logits(decoder, unembedding, RAW if norm is None else NORM, norm)
    directions = decoder if norm is None else norm(decoder)
    dense = (directions.double() @ unembedding.double()).numpy()
    assert_close(result.top_logits, -np.sort(-dense, axis=1)[:, :4])
    assert_close(result.bottom_logits, np.sort(dense, axis=1)[:, :4])
    for tokens, logits in ((result.top_tokens, result.top_logits), (result.bottom_tokens, result.bottom_logits)):
        assert_close(np.take_along_axis(dense, tokens.numpy(), axis=1), logits)
    assert_close(result.mean, dense.mean(1))
    assert_close(result.std, dense.std(1))
    assert_close(result.minimum, dense.min(1))
    assert_close(result.maximum, dense.max(1))
    assert (result.histogram.sum(1) == unembedding.shape[1]).all()


@settings(max_examples=30, deadline=None)
@given(case=shapes)
def test_equal_logits_are_ranked_by_token_id(case):
    decoder, unembedding = whole_numbers(*case)
    result = attribute_logits(decoder, unembedding, RAW, None)
    dense = decoder @ unembedding
    for largest_first, tokens in ((True, result.top_tokens), (False, result.bottom_tokens)):
        expected = torch.sort(dense, dim=1, descending=largest_first, stable=True).indices[:, :4]
        assert torch.equal(tokens, expected)


@settings(max_examples=30, deadline=None)
@given(n_features=st.integers(1, 5), vocab=st.integers(2, 300), seed=st.integers(0, 10**6))
def test_histogram_equals_numpys(n_features, vocab, seed):
    logits, _ = weights(n_features, vocab, 1, seed)
    result = attribute_logits(logits, torch.eye(vocab), RAW, None)
    for feature, values in enumerate(logits.double().numpy()):
        expected, edges = np.histogram(values, N_BINS, (values.min(), values.max()))
        # Rounding decides only about logits on an edge between two bins.
        on_edge = np.isclose(values[:, None], edges[1:-1], rtol=0, atol=1e-5).sum()
        assert np.abs(np.cumsum(result.histogram[feature]) - np.cumsum(expected)).max() <= on_edge


def test_the_largest_logit_falls_in_the_last_bin_and_equal_logits_in_the_first():
    unembedding = torch.arange(101.0)[None]
    result = attribute_logits(torch.tensor([[1.0], [0.0]]), unembedding, RAW, None)
    assert result.histogram[0].tolist() == [2] * 49 + [3]
    assert result.histogram[1].tolist() == [101] + [0] * 49
    assert result.std[1] == 0


def test_result_does_not_depend_on_the_block_size(monkeypatch):
    decoder, unembedding = whole_numbers(23, 5, 60, 0)
    whole = attribute_logits(decoder, unembedding, RAW, None)
    for n_rows in (1, 4, 22):
        monkeypatch.setattr(module, "BLOCK_BYTES", 4 * 60 * n_rows)
        assert_same(attribute_logits(decoder, unembedding, RAW, None), whole)


def test_a_feature_does_not_depend_on_how_many_follow():
    decoder, unembedding = weights(9, 7, 300, 0)
    whole = attribute_logits(decoder, unembedding, NORM, rms_norm)
    for n_features in (1, 2, 5):
        some = attribute_logits(decoder[:n_features], unembedding, NORM, rms_norm)
        for name in TENSORS:
            assert torch.equal(getattr(some, name), getattr(whole, name)[:n_features]), name


def test_the_variant_raw_takes_no_norm():
    decoder, unembedding = weights(5, 4, 30, 0)
    assert_same(
        attribute_logits(decoder, unembedding, RAW, layer_norm), attribute_logits(decoder, unembedding, RAW, None)
    )


def test_weights_in_half_precision_are_computed_in_float32():
    decoder, unembedding = (tensor.bfloat16() for tensor in weights(5, 16, 30, 0))
    assert_same(
        attribute_logits(decoder, unembedding, RAW, None),
        attribute_logits(decoder.float(), unembedding.float(), RAW, None),
    )


def test_a_real_models_norm_and_unembedding_give_the_change_of_its_logits(tiny_model):
    model = TransformerLensLanguageModel(LanguageModelConfig(model_name=str(tiny_model), device="cpu", dtype="float32"))
    decoder = torch.randn(6, model.d_model, generator=torch.Generator().manual_seed(0))
    result = attribute_logits(decoder, model.unembedding, NORM, model.final_norm)
    with torch.inference_mode():
        dense = model.bridge.ln_final(decoder) @ model.unembedding
        dense -= model.bridge.ln_final(torch.zeros_like(decoder)) @ model.unembedding
    np.testing.assert_allclose(result.top_logits, dense.topk(4).values, rtol=1e-4, atol=1e-5)


def test_widths_that_differ_are_one_sentence_with_both():
    with pytest.raises(UserError, match=r"decoder has d_model 4 and the unembedding has d_model 5; give the model"):
        attribute_logits(torch.ones(2, 4), torch.ones(5, 3), RAW, None)


def test_a_missing_norm_is_refused():
    with pytest.raises(UserError, match="'norm' needs the model's final norm"):
        attribute_logits(torch.ones(2, 4), torch.ones(4, 3), NORM, None)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("feature", [0, 4])
def test_logits_that_are_not_finite_are_refused(bad, feature, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * 3 * 2)
    decoder = torch.ones(5, 4)
    decoder[feature, 1] = bad
    with pytest.raises(UserError, match=f"logits of feature {feature} are NaN or infinite"):
        attribute_logits(decoder, torch.ones(4, 3), RAW, None)


def test_progress_reaches_the_total(monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * 3 * 2)
    steps: list[Step] = []
    attribute_logits(torch.ones(5, 4), torch.ones(4, 3), RAW, None, steps.append)
    assert [step.done for step in steps] == [0, 2, 4, 5]
    assert steps[0].total == 5
