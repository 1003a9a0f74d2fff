"""Activations equal Hugging Face's, end after the layer that is asked for, and mistakes are named."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from sae_assets.language_model.model import TransformerLensLanguageModel
from sae_assets.settings import LanguageModelConfig, UserError


@pytest.fixture(scope="module")
def model(tiny_model):
    return TransformerLensLanguageModel(LanguageModelConfig(model_name=str(tiny_model)))


TOKENS = torch.arange(3, 23).view(2, 10)


def test_activations_equal_the_hidden_states_of_transformers(model, tiny_model):
    reference = AutoModelForCausalLM.from_pretrained(tiny_model)
    with torch.no_grad():
        hidden = reference(TOKENS, output_hidden_states=True).hidden_states
    given = model.activations(TOKENS, ["blocks.0.hook_resid_post", "blocks.1.hook_resid_pre"])
    for activations in given.values():
        torch.testing.assert_close(activations, hidden[1], rtol=1e-5, atol=1e-5)


def test_padding_to_the_right_changes_nothing_before_it(model):
    padded = torch.cat([TOKENS, torch.full((2, 5), model.tokenizer.pad_id)], dim=1)
    hook = "blocks.1.hook_resid_post"
    given = model.activations(padded, [hook])[hook][:, :10]
    torch.testing.assert_close(given, model.activations(TOKENS, [hook])[hook], rtol=1e-5, atol=1e-6)


def test_forward_pass_stops_after_the_layer(model):
    ran = []
    layers = model.bridge.original_model.model.layers
    handles = [layer.register_forward_hook(lambda *_, i=i: ran.append(i)) for i, layer in enumerate(layers)]
    model.activations(TOKENS, ["blocks.0.hook_resid_post"])
    for handle in handles:
        handle.remove()
    assert ran == [0]


def test_heads_are_flattened(model):
    hook = "blocks.0.attn.hook_z"
    assert model.activations(TOKENS, [hook])[hook].shape == (2, 10, 32)


def test_final_norm_and_unembedding_give_the_logits(model, tiny_model):
    reference = AutoModelForCausalLM.from_pretrained(tiny_model)
    with torch.no_grad():
        logits = reference(TOKENS).logits
    hook = "blocks.1.hook_resid_post"
    residual = model.activations(TOKENS, [hook])[hook].flatten(0, 1)
    given = model.final_norm(residual) @ model.unembedding
    torch.testing.assert_close(given, logits.flatten(0, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"device": "cuda:7"}, "The device 'cuda:7' does not exist: 0 GPUs were found here; set `device` to 'cpu'."),
        (
            {"model_name": "no/such-model", "local_files_only": True},
            "neither a local folder nor on the Hugging Face hub",
        ),
        ({"backend": "tokenizer_only"}, "loads no weights"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_one_sentence(tiny_model, change, sentence):
    cfg = LanguageModelConfig(**({"model_name": str(tiny_model)} | change))
    with pytest.raises(UserError, match=sentence.replace("(", r"\(").replace(".", r"\.")):
        TransformerLensLanguageModel(cfg)


def test_unknown_hook_point_names_the_nearest(model):
    with pytest.raises(UserError, match=r"the nearest is .blocks\.0\.hook_resid_post."):
        model.activations(TOKENS, ["blocks.0.hook_resid_pots"])


def test_too_long_a_context_is_refused(model):
    with pytest.raises(UserError, match="longer than the 256"):
        model.activations(torch.zeros(1, 257, dtype=torch.long), ["blocks.0.hook_resid_post"])
