"""Checkpoints of Gemma Scope give what sae-lens' loaders make of them, and what is damaged is one sentence."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sae_assets.dictionary.checkpoint import checkpoint_config, checkpoint_format
from sae_assets.dictionary.discovery import find_checkpoints
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder
from sae_assets.settings import PretrainedSAE, UserError

FIXTURES = Path(__file__).parent / "fixtures" / "scopes"
RES = "gemma-scope-2b-pt-res/layer_1/width_16k/average_l0_71"
AFFINE = "gemma-scope-2-1b-pt/transcoder/layer_5_width_16k_l0_big_affine"
ALL = sorted(str(path.parent.relative_to(FIXTURES)) for path in FIXTURES.glob("gemma-*/**/expected.safetensors"))
PLACES = {
    RES: ("blocks.1.hook_resid_post", "blocks.1.hook_resid_post", "google/gemma-2-2b"),
    "gemma-scope-9b-it-res/layer_20/width_16k/average_l0_91": (
        "blocks.20.hook_resid_post",
        "blocks.20.hook_resid_post",
        "google/gemma-2-9b-it",
    ),
    "gemma-scope-2b-pt-res/embedding/width_4k/average_l0_44": ("hook_embed", "hook_embed", "google/gemma-2-2b"),
    "gemma-scope-2b-pt-mlp/layer_2/width_16k/average_l0_60": (
        "blocks.2.hook_mlp_out",
        "blocks.2.hook_mlp_out",
        "google/gemma-2-2b",
    ),
    "gemma-scope-9b-pt-att/layer_0/width_16k/average_l0_30": (
        "blocks.0.attn.hook_z",
        "blocks.0.attn.hook_z",
        "google/gemma-2-9b",
    ),
    "gemma-scope-2b-pt-transcoders/layer_3/width_16k/average_l0_76": (
        "blocks.3.ln2.hook_normalized",
        "blocks.3.hook_mlp_out",
        "google/gemma-2-2b",
    ),
    "gemma-scope-2-1b-pt/resid_post/layer_1_width_16k_l0_small": (
        "blocks.1.hook_resid_post",
        "blocks.1.hook_resid_post",
        "google/gemma-3-1b-pt",
    ),
    "gemma-scope-2-1b-pt/attn_out/layer_2_width_16k_l0_small": (
        "blocks.2.attn.hook_z",
        "blocks.2.attn.hook_z",
        "google/gemma-3-1b-pt",
    ),
    "gemma-scope-2-1b-pt/mlp_out/layer_3_width_16k_l0_small": (
        "blocks.3.hook_mlp_out",
        "blocks.3.hook_mlp_out",
        "google/gemma-3-1b-pt",
    ),
    "gemma-scope-2-1b-pt/transcoder/layer_4_width_16k_l0_small": (
        "blocks.4.mlp.hook_in",
        "blocks.4.hook_mlp_out",
        "google/gemma-3-1b-pt",
    ),
    AFFINE: ("blocks.5.mlp.hook_in", "blocks.5.hook_mlp_out", "google/gemma-3-1b-pt"),
}


def load(folder: Path) -> AbstractSparseAutoEncoder:
    return AbstractSparseAutoEncoder.from_pretrained(folder)


def place(folder: Path, hook_point: str | None = None) -> tuple[str | None, str | None, str | None]:
    config = checkpoint_config(PretrainedSAE(pretrained_name_or_path=str(folder), hook_point=hook_point))
    return config.hook_point_in, config.hook_point_out, config.model_name


def change_arrays(**values: np.ndarray | None) -> Callable[[Path], object]:
    """Puts arrays in the place of those of a `params.npz`; leaves out those that are None."""

    def apply(folder: Path) -> None:
        with np.load(folder / "params.npz") as archive:
            arrays = dict(archive) | values
        kept = {name: array for name, array in arrays.items() if array is not None}
        np.savez(folder / "params.npz", allow_pickle=True, **kept)

    return apply


def change_config(**values: object) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return apply


def change_tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        tensors = load_file(folder / "params.safetensors")
        change(tensors)
        save_file(tensors, folder / "params.safetensors")

    return apply


def truncate(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:300])


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return (self.target.touch, ())


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return shutil.copytree(FIXTURES / RES, tmp_path / "sae")


@pytest.fixture
def affine(tmp_path: Path) -> Path:
    return shutil.copytree(FIXTURES / AFFINE, tmp_path / "transcoder")


@pytest.mark.parametrize("name", ALL)
def test_features_and_reconstruction_agree_with_saelens(name):
    sae, expected = load(FIXTURES / name), load_file(FIXTURES / name / "expected.safetensors")
    x, features = expected["x"], expected["feature_acts"]
    torch.testing.assert_close(sae.encode(x), features, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sae.decode(features, x), expected["reconstructed"], rtol=1e-5, atol=1e-5)
    active = sae.active_features(x)
    found = torch.zeros_like(features).index_put((active.token, active.feature), active.value)
    torch.testing.assert_close(found, features, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_hook_points_and_model_are_those_of_the_release(name):
    assert place(FIXTURES / name) == PLACES[name]
    version = "Gemma Scope 2" if name.startswith("gemma-scope-2-") else "Gemma Scope"
    assert checkpoint_format(PretrainedSAE(pretrained_name_or_path=str(FIXTURES / name))) == version


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("somewhere", (None, None, None)),
        ("layer_3/width_16k/average_l0_71", (None, None, None)),
        ("gemma-scope-2b-pt-res/mine", (None, None, "google/gemma-2-2b")),
        (
            "models--google--gemma-scope-27b-pt-mlp/snapshots/0a1b/layer_10/width_131k/average_l0_9",
            ("blocks.10.hook_mlp_out", "blocks.10.hook_mlp_out", "google/gemma-2-27b"),
        ),
    ],
)
def test_what_the_folders_do_not_name_is_asked_for(checkpoint, tmp_path, inside, expected):
    folder = shutil.copytree(checkpoint, tmp_path / "copy" / inside)
    assert place(folder) == expected
    if expected[0] is None:
        assert place(folder, "blocks.7.hook_resid_post")[0] == "blocks.7.hook_resid_post"


def test_a_link_stands_for_the_folder_that_it_leads_to(tmp_path):
    (tmp_path / "gemma").mkdir()
    (tmp_path / "gemma" / "layer-1").symlink_to(FIXTURES / RES, target_is_directory=True)
    found = find_checkpoints([tmp_path])
    assert [(each.key, each.problem()) for each in found] == [("gemma/layer-1", None)]
    assert place(found[0].folder) == PLACES[RES]


def test_a_scaling_factor_of_one_changes_nothing_and_another_is_refused(checkpoint):
    before, x = load(checkpoint), torch.randn(5, 16)
    change_arrays(scaling_factor=np.ones(32, np.float32))(checkpoint)
    assert torch.equal(load(checkpoint)(x), before(x))
    change_arrays(scaling_factor=np.full(32, 2, np.float32))(checkpoint)
    with pytest.raises(UserError, match=r"not expected \['scaling_factor'\]"):
        load(checkpoint)


@pytest.mark.parametrize(
    ("model_name", "expected"),
    [
        ("gemma-v3-1b-it", "google/gemma-3-1b-it"),
        ("google/gemma-3-270m-pt", "google/gemma-3-270m"),
        ("google/gemma-3-270m-it", "google/gemma-3-270m-it"),
        (None, None),
    ],
)
def test_the_model_has_the_name_that_it_has_on_the_hub(affine, model_name, expected):
    change_config(model_name=model_name)(affine)
    assert place(affine)[2] == expected


def test_a_point_that_is_not_known_is_asked_for(affine):
    change_config(hf_hook_point_in="model.layers.5.mlp.gate_proj.output", hf_hook_point_out=None)(affine)
    assert place(affine)[:2] == (None, None)


def test_objects_in_the_arrays_run_no_code(checkpoint, tmp_path):
    target = tmp_path / "ran"
    change_arrays(b_enc=np.array([Trap(target)], dtype=object))(checkpoint)
    with pytest.raises(UserError, match=r"params.npz' are no plain arrays; only these are loaded"):
        load(checkpoint)
    np.array([Trap(target)], dtype=object).dump(checkpoint / "params.npz")
    with pytest.raises(UserError, match=r"params.npz' are no plain arrays; only these are loaded"):
        load(checkpoint)
    assert not target.exists()


def _overwrite_inside(folder: Path) -> None:
    """Changes bytes of an array, but not its checksum."""
    path = folder / "params.npz"
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("W_dec.npy").header_offset + 400
    content = bytearray(path.read_bytes())
    content[start : start + 8] = b"\xff" * 8
    path.write_bytes(content)


def _as_one_array(folder: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.ones(3))
    (folder / "params.npz").write_bytes(buffer.getvalue())


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (truncate("params.npz"), "params.npz' are damaged and cannot be read"),
        (_overwrite_inside, "params.npz' are damaged and cannot be read"),
        (_as_one_array, "params.npz' are no plain arrays"),
        (lambda c: (c / "params.npz").write_bytes(b""), "params.npz' are damaged and cannot be read"),
        (lambda c: (c / "params.npz").unlink(), "holds no checkpoint of a format that is known"),
        (change_arrays(b_enc=None), r"incomplete: \['b_enc'\] are missing"),
        (change_arrays(threshold=None), r"incomplete: \['threshold'\] are missing"),
        (change_arrays(b_enc=np.array(["a"])), "no plain arrays"),
        (change_arrays(b_dec=np.zeros(0)), "'d_model': Input should be greater than or equal to 1"),
        (change_arrays(b_dec=np.zeros(24)), r"W_enc of shape \(16, 32\) where .* asks for \(24, 32\)"),
        (change_arrays(b_dec=np.full(16, np.nan)), "NaN or infinite value in b_D"),
        (change_arrays(W_more=np.zeros(3)), r"not expected \['W_more'\]"),
    ],
)
def test_what_is_damaged_in_gemma_scope_is_one_sentence(checkpoint, damage, sentence):
    damage(checkpoint)
    with pytest.raises(UserError, match=sentence):
        load(checkpoint)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (truncate("params.safetensors"), "params.safetensors' are damaged and cannot be read"),
        (lambda c: torch.save({"w": print}, c / "params.safetensors"), "damaged and cannot be read"),
        (lambda c: (c / "params.safetensors").unlink(), r"no weights such as params.safetensors \(Gemma Scope 2\)"),
        (lambda c: (c / "config.json").unlink(), "incomplete: it has no config.json"),
        (lambda c: (c / "config.json").write_text("{"), "config.json' is damaged: it is not valid JSON"),
        (change_config(architecture="topk"), "'architecture': Input should be 'jump_relu'"),
        (change_config(hf_hook_point_in=["a", "b"]), "'hf_hook_point_in': Input should be a valid string"),
        (change_config(affine_connection=False), r"not expected \['affine_skip_connection'\]"),
        (change_tensors(lambda w: w.pop("b_dec")), r"incomplete: \['b_dec'\] are missing"),
        (change_tensors(lambda w: w.pop("affine_skip_connection")), r"\['affine_skip_connection'\] are missing"),
        (
            change_tensors(lambda w: w.update(w_dec=torch.zeros(32, 4, 16))),
            r"W_dec of shape \(32, 4, 16\) where .* asks for \(32, 16\)",
        ),
    ],
)
def test_what_is_damaged_in_gemma_scope_2_is_one_sentence(affine, damage, sentence):
    damage(affine)
    with pytest.raises(UserError, match=sentence):
        load(affine)
