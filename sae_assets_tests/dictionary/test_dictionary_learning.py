"""Checkpoints that dictionary_learning wrote give what it gives, and what is damaged or not read is one sentence."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sae_assets.dictionary.checkpoint import checkpoint_config
from sae_assets.dictionary.formats import format_of
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder
from sae_assets.settings import PretrainedSAE, UserError

FIXTURES = Path(__file__).parent / "fixtures" / "dictionary_learning"
ALL = sorted(path.parent.name for path in FIXTURES.glob("*/config.json"))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return shutil.copytree(FIXTURES / "batchtopk", tmp_path / "sae")


def change_config(section: str, **values: object) -> Callable[[Path], object]:
    def apply(checkpoint: Path) -> None:
        path = checkpoint / "config.json"
        config = json.loads(path.read_text())
        path.write_text(json.dumps(config | {section: config[section] | values}))

    return apply


def change_weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], object]:
    def apply(checkpoint: Path) -> None:
        weights = torch.load(checkpoint / "ae.pt", weights_only=True)
        change(weights)
        torch.save(weights, checkpoint / "ae.pt")

    return apply


def truncate(checkpoint: Path) -> None:
    file = checkpoint / "ae.pt"
    file.write_bytes(file.read_bytes()[:2000])


class WritesAFile:
    """What a pickle with code in it looks like: unpickled, it would write a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ALL)
def test_features_and_reconstruction_agree_with_dictionary_learning(name):
    sae = AbstractSparseAutoEncoder.from_pretrained(FIXTURES / name)
    expected = load_file(FIXTURES / name / "expected.safetensors")
    x, features = expected["x"], expected["feature_acts"]
    torch.testing.assert_close(sae.encode(x), features, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sae.decode(features), expected["reconstructed"], rtol=1e-5, atol=1e-5)
    active = sae.active_features(x)
    found = torch.zeros_like(features).index_put((active.token, active.feature), active.value)
    torch.testing.assert_close(found, features, rtol=1e-5, atol=1e-5)


def test_only_a_batchtopk_without_its_threshold_depends_on_the_batch():
    dependent = [name for name in ALL if AbstractSparseAutoEncoder.from_pretrained(FIXTURES / name).is_batch_dependent]
    assert dependent == ["batchtopk-no-threshold"]


def test_a_batchtopk_from_before_there_were_thresholds_depends_on_the_batch(checkpoint):
    change_weights(lambda weights: weights.pop("threshold"))(checkpoint)
    sae = AbstractSparseAutoEncoder.from_pretrained(checkpoint)
    assert (sae.is_batch_dependent, sae.config.top_k) == (True, 5)


def test_the_two_names_of_the_matryoshka_class_are_one(tmp_path):
    copy = shutil.copytree(FIXTURES / "matryoshka", tmp_path / "sae")
    change_config("trainer", dict_class="MatroyshkaBatchTopKSAE")(copy)
    x = torch.randn(5, 16)
    expected = AbstractSparseAutoEncoder.from_pretrained(FIXTURES / "matryoshka").encode(x)
    assert torch.equal(AbstractSparseAutoEncoder.from_pretrained(copy).encode(x), expected)


@pytest.mark.parametrize(
    ("name", "io", "hook_point"),
    [
        ("resid_post_layer_8", "out", "blocks.8.hook_resid_post"),
        ("resid_out_layer3", "out", "blocks.3.hook_resid_post"),
        ("resid_post_layer_8", "in", None),
        ("mlp_layer_8", "out", None),
        (None, "out", None),
    ],
)
def test_the_hook_point_follows_the_submodule_name_where_it_leaves_no_doubt(checkpoint, name, io, hook_point):
    change_config("trainer", submodule_name=name)(checkpoint)
    change_config("buffer", io=io)(checkpoint)
    config = checkpoint_config(PretrainedSAE(pretrained_name_or_path=str(checkpoint)))
    assert (config.hook_point_in, config.hook_point_out) == (hook_point, hook_point)
    assert config.model_name == "EleutherAI/pythia-70m-deduped"


def test_weights_of_an_earlier_step_are_read_by_their_file(checkpoint):
    (checkpoint / "checkpoints").mkdir()
    earlier = (checkpoint / "ae.pt").rename(checkpoint / "checkpoints" / "ae_100.pt")
    x = load_file(checkpoint / "expected.safetensors")["x"]
    expected = AbstractSparseAutoEncoder.from_pretrained(FIXTURES / "batchtopk").encode(x)
    assert torch.equal(AbstractSparseAutoEncoder.from_pretrained(earlier).encode(x), expected)
    shutil.copy(FIXTURES / "batchtopk-no-threshold" / "ae.pt", earlier)
    with pytest.raises(UserError, match=r"ae_100\.pt' were saved before their threshold was learnt; take later ones"):
        AbstractSparseAutoEncoder.from_pretrained(earlier)


def test_code_in_the_weights_is_not_run(checkpoint, tmp_path):
    for save in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2))):
        save({"W_enc": WritesAFile(tmp_path / "written")}, checkpoint / "ae.pt")
        with pytest.raises(UserError, match=r"ae\.pt' are no plain tensors; only these are loaded"):
            AbstractSparseAutoEncoder.from_pretrained(checkpoint)
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (truncate, "ae.pt' are damaged and cannot be read"),
        (lambda c: (c / "ae.pt").unlink(), r"it has no weights such as ae.pt \(dictionary_learning\)"),
        (lambda c: (c / "config.json").unlink(), "is incomplete: it has no config.json"),
        (lambda c: (c / "config.json").write_text("[]"), "config.json' is not usable: it holds no JSON object"),
        (change_config("trainer", dict_class="CrossCoder"), "of the class 'CrossCoder'; these are read: AutoEncoder, "),
        (change_config("trainer", activation_dim="wide"), "'trainer.activation_dim': Input should be a valid integer"),
        (change_config("trainer", activation_dim=8), r"encoder.weight of shape \(40, 16\) where .* for \(40, 8\)"),
        (change_config("trainer", dict_class="JumpReluAutoEncoder"), r"incomplete: \['W_dec', 'W_enc', 'b_enc'\]"),
        (change_config("trainer", k=7), "of another checkpoint than their config.json: they have k = 5, it has 7"),
        (change_config("trainer", dict_class="AutoEncoderTopK", k=None), "'trainer.k' is missing"),
        (change_config("buffer", io="in_and_out"), "'buffer.io': Input should be 'in' or 'out'"),
        (change_weights(lambda w: w.update(more=torch.zeros(1))), r"not expected \['more'\]"),
        (change_weights(lambda w: w["b_dec"].fill_(torch.inf)), "NaN or infinite value"),
    ],
)
def test_what_is_damaged_or_not_read_is_one_sentence(checkpoint, damage, sentence):
    damage(checkpoint)
    with pytest.raises(UserError, match=sentence):
        AbstractSparseAutoEncoder.from_pretrained(checkpoint)


@pytest.mark.parametrize("missing", [None, "config.json", "ae.pt"])
def test_the_format_is_found_by_what_is_in_the_folder(checkpoint, missing):
    if missing:
        (checkpoint / missing).unlink()
    assert format_of(checkpoint).name == "dictionary_learning"
