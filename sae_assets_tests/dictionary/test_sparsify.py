"""Checkpoints that sparsify wrote give what sparsify gives, and what is damaged or not read is one sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sae_assets.dictionary.checkpoint import checkpoint_config
from sae_assets.dictionary.config import SAEConfig
from sae_assets.dictionary.formats import format_of
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder
from sae_assets.settings import PretrainedSAE, UserError

FIXTURES = Path(__file__).parent / "fixtures" / "sparsify"
ALL = sorted(path.parent.name for path in FIXTURES.glob("*/cfg.json"))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return shutil.copytree(FIXTURES / "layers.1", tmp_path / "run" / "layers.1")


def config_of(checkpoint: Path) -> SAEConfig:
    return checkpoint_config(PretrainedSAE(pretrained_name_or_path=str(checkpoint)))


def change_config(**values: object) -> Callable[[Path], object]:
    def apply(checkpoint: Path) -> None:
        path = checkpoint / "cfg.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return apply


def change_weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], object]:
    def apply(checkpoint: Path) -> None:
        weights = load_file(checkpoint / "sae.safetensors")
        change(weights)
        save_file(weights, checkpoint / "sae.safetensors")

    return apply


def truncate(checkpoint: Path) -> None:
    file = checkpoint / "sae.safetensors"
    file.write_bytes(file.read_bytes()[:300])


@pytest.mark.parametrize("name", ALL)
def test_features_and_reconstruction_agree_with_sparsify(name):
    sae = AbstractSparseAutoEncoder.from_pretrained(FIXTURES / name)
    expected = load_file(FIXTURES / name / "expected.safetensors")
    x, features = expected["x"], expected["feature_acts"]
    torch.testing.assert_close(sae.encode(x), features, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sae.decode(features, x), expected["reconstructed"], rtol=1e-5, atol=1e-5)
    active = sae.active_features(x)
    found = torch.zeros_like(features).index_put((active.token, active.feature), active.value)
    torch.testing.assert_close(found, features, rtol=1e-5, atol=1e-5)


def test_weights_in_bfloat16_are_computed_with_in_float32(checkpoint):
    decoder = load_file(checkpoint / "sae.safetensors")["W_dec"].bfloat16()
    change_weights(lambda weights: weights.update(W_dec=decoder))(checkpoint)
    assert torch.equal(AbstractSparseAutoEncoder.from_pretrained(checkpoint).decoder, decoder.float())


@pytest.mark.parametrize(
    ("folder", "is_transcoder", "hook_points"),
    [
        ("layers.10", False, ("blocks.10.hook_resid_post",) * 2),
        ("h.3", True, ("blocks.3.hook_resid_pre", "blocks.3.hook_resid_post")),
        ("layers.10.mlp", False, ("blocks.10.mlp.hook_out",) * 2),
        ("layers.10.mlp", True, ("blocks.10.mlp.hook_in", "blocks.10.mlp.hook_out")),
        ("layers.2.self_attn", False, ("blocks.2.attn.hook_out",) * 2),
        ("layers.0.attention/seed1", False, ("blocks.0.attn.hook_out",) * 2),
        ("embed_tokens", False, ("hook_embed", "hook_embed")),
        ("embed_tokens", True, (None, None)),
        ("layers.10.mlp.gate_proj", False, (None, None)),
        ("my-sae", False, (None, None)),
    ],
)
def test_hook_points_follow_the_folder_where_it_is_a_module_of_transformers(
    checkpoint, folder, is_transcoder, hook_points
):
    change_config(transcode=is_transcoder)(checkpoint)
    config = config_of(shutil.copytree(checkpoint, checkpoint.parent.parent / "other" / folder))
    assert (config.hook_point_in, config.hook_point_out) == hook_points
    assert config.model_name is None


def test_hook_points_are_where_the_module_of_transformers_is(tiny_model):
    from sae_assets.language_model.model import TransformerLensLanguageModel
    from sae_assets.settings import LanguageModelConfig

    model = TransformerLensLanguageModel(LanguageModelConfig(model_from_pretrained_path=str(tiny_model), device="cpu"))
    given = {}

    def keep(name: str):
        return lambda module, inputs, output: given.update({name: output[0] if isinstance(output, tuple) else output})

    transformers_model = model.bridge.original_model
    assert isinstance(transformers_model, torch.nn.Module)
    points = {
        "layers.1": "blocks.1.hook_resid_post",
        "layers.1.mlp": "blocks.1.mlp.hook_out",
        "layers.1.self_attn": "blocks.1.attn.hook_out",
        "embed_tokens": "hook_embed",
    }
    for module in points:
        transformers_model.get_submodule(f"model.{module}").register_forward_hook(keep(module))
    tokens = torch.arange(10).view(2, 5)
    with torch.no_grad():
        transformers_model(tokens)
    for module, hook_point in points.items():
        torch.testing.assert_close(model.activations(tokens, [hook_point])[hook_point], given[module])


@pytest.mark.parametrize("folder", ["layers.1", "layers.1/seed0"])
def test_the_model_is_what_the_run_recorded(checkpoint, tmp_path, folder):
    copy = shutil.copytree(checkpoint, tmp_path / "other" / folder)
    (tmp_path / "other" / "config.json").write_text(json.dumps({"model": "EleutherAI/pythia-70m", "sae": {}}))
    assert config_of(copy).model_name == "EleutherAI/pythia-70m"


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (truncate, "sae.safetensors' are damaged and cannot be read"),
        (lambda c: (c / "sae.safetensors").unlink(), r"it has no weights such as sae.safetensors \(sparsify\)"),
        (lambda c: (c / "cfg.json").unlink(), "is incomplete: it has no cfg.json"),
        (lambda c: (c / "cfg.json").write_text("{"), "cfg.json' is damaged: it is not valid JSON"),
        (change_config(d_in=None), "cfg.json' is not usable: 'd_in'"),
        (change_config(k=0), "'k': Input should be greater than or equal to 1"),
        (change_config(activation="groupmax"), "'activation': Input should be 'topk'"),
        (change_config(signed=True), "'signed': Input should be False"),
        (change_config(embed_skip=True), "'embed_skip': Input should be False"),
        (change_config(gram_lookup=True), "'gram_lookup': Input should be False"),
        (change_config(d_in=32), r"encoder.weight of shape \(32, 16\) where .* asks for \(64, 32\)"),
        (change_config(skip_connection=True), r"incomplete: \['W_skip'\] are missing"),
        (change_weights(lambda w: w.update(W_skip=torch.zeros(16, 16))), r"not expected \['W_skip'\]"),
        (change_weights(lambda w: w.pop("W_dec")), r"incomplete: \['W_dec'\] are missing"),
        (change_weights(lambda w: w["b_dec"].fill_(torch.nan)), "NaN or infinite value"),
    ],
)
def test_what_is_damaged_or_not_read_is_one_sentence(checkpoint, damage, sentence):
    damage(checkpoint)
    with pytest.raises(UserError, match=sentence):
        AbstractSparseAutoEncoder.from_pretrained(checkpoint)


@pytest.mark.parametrize("missing", [None, "cfg.json", "sae.safetensors"])
def test_the_format_is_found_by_what_is_in_the_folder(checkpoint, missing):
    if missing:
        (checkpoint / missing).unlink()
    assert format_of(checkpoint).name == "sparsify"
