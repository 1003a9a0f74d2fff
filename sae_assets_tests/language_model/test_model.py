"""Activations equal Hugging Face's, end after the layer that is asked for, and mistakes are named."""

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

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


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_activations_equal_those_of_the_whole_model_bit_for_bit(tiny_model, dtype):
    model = TransformerLensLanguageModel(LanguageModelConfig(model_name=str(tiny_model), dtype=dtype))
    with torch.inference_mode():
        _, cache = model.bridge.run_with_cache(TOKENS, prepend_bos=False, return_type=None)
    names = [name for name in model.hook_points if name.startswith("blocks.1.") and name in cache]
    compared = [name for name in names if cache[name].shape[:2] == TOKENS.shape]
    assert {"blocks.1.hook_resid_pre", "blocks.1.hook_resid_post", "blocks.1.hook_mlp_out"} <= set(compared)
    for name in compared:
        assert torch.equal(model.activations(TOKENS, [name])[name], cache[name].flatten(2)), name


def test_activations_of_gpt2_equal_those_of_transformers(model, tmp_path):
    model.tokenizer.hugging_face.save_pretrained(tmp_path)
    GPT2LMHeadModel(GPT2Config(vocab_size=400, n_embd=32, n_layer=3, n_head=4)).save_pretrained(tmp_path)
    with torch.no_grad():
        hidden = GPT2LMHeadModel.from_pretrained(tmp_path)(TOKENS, output_hidden_states=True).hidden_states
    gpt2 = TransformerLensLanguageModel(LanguageModelConfig(model_name=str(tmp_path)))
    hook = "blocks.1.hook_resid_post"
    torch.testing.assert_close(gpt2.activations(TOKENS, [hook])[hook], hidden[2], rtol=1e-5, atol=1e-6)


def test_a_norm_is_wrapped_only_where_one_of_its_hook_points_is_asked_for(model):
    ran = []
    norms = [(i, name, getattr(block, name)) for i, block in enumerate(model.bridge.blocks) for name in ("ln1", "ln2")]
    handles = [norm.register_forward_hook(lambda *_, at=(i, name): ran.append(at)) for i, name, norm in norms]
    model.activations(TOKENS, ["blocks.1.hook_resid_post", "blocks.0.attn.hook_z"])
    elsewhere = ran.copy()
    model.activations(TOKENS, ["blocks.1.ln1.hook_scale", "blocks.0.hook_resid_mid"])
    for handle in handles:
        handle.remove()
    assert elsewhere == []
    assert ran == [(0, "ln2"), (1, "ln1")]


def test_hook_points_of_norms_are_there_again_after_a_pass_that_failed(model):
    with pytest.raises(IndexError):
        model.activations(torch.full((1, 1), 10**6), ["blocks.1.hook_resid_post"])
    _, cache = model.bridge.run_with_cache(TOKENS, prepend_bos=False, return_type=None)
    assert {"blocks.0.ln1.hook_scale", "blocks.1.ln2.hook_normalized"} <= set(cache)


@pytest.mark.parametrize("hook", ["embed.hook_in", "blocks.0.attn.hook_pattern", "rotary_emb.hook_cos"])
def test_hook_point_without_activations_of_tokens_is_refused(model, hook):
    with pytest.raises(UserError, match=f"Hook point '{hook}' of the model .* has no activations of tokens"):
        model.width(hook)


@pytest.mark.filterwarnings("ignore:.*gated-off hook")
def test_hook_point_that_nothing_goes_through_is_refused(model):
    with pytest.raises(UserError, match="has no activations of tokens"):
        model.width("blocks.0.attn.hook_result")


def test_width_is_that_of_the_activations(model):
    hooks = ["blocks.1.hook_resid_post", "blocks.0.attn.hook_k", "blocks.0.mlp.hook_post"]
    assert [model.width(hook) for hook in hooks] == [32, 16, 64]


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
