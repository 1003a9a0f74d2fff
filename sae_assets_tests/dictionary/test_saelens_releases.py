"""`release:sae_id` is looked up in the table of an installed sae-lens, never imported, and found on the hub."""

import shutil
import sys
from pathlib import Path

import pytest
import torch

from sae_assets.dictionary.checkpoint import checkpoint_config, checkpoint_identity
from sae_assets.dictionary.formats.saelens_releases import Release, release_of
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder
from sae_assets.settings import PretrainedSAE, UserError

FIXTURES = Path(__file__).parent / "fixtures" / "saelens"
TABLE = """\
gpt2-small-res-jb:
  config_overrides:
    model_from_pretrained_kwargs:
      center_writing_weights: true
  conversion_func: null
  model: gpt2-small
  repo_id: jbloom/GPT2-Small-SAEs-Reformatted
  saes:
  - id: blocks.8.hook_resid_pre
    path: folder-of-layer-8
gpt2-small-mlp-tm:
  config_overrides:
    normalize_activations: expected_average_only_in
  conversion_func: null
  model: gpt2-small
  repo_id: tommmcgrath/gpt2-small-mlp-out-saes
  saes:
  - id: blocks.0.hook_mlp_out
    norm_scaling_factor: 2.5
    path: sae_group:v1
gemma-scope-2b-pt-res-canonical:
  conversion_func: gemma_2
  model: gemma-2-2b
  repo_id: google/gemma-scope-2b-pt-res
  saes:
  - id: layer_0/width_16k/canonical
    path: layer_0/width_16k/average_l0_105
"""
CENTRED = {"model_from_pretrained_kwargs": {"center_writing_weights": True}}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sae-lens that has a table and breaks when it is imported."""
    package = tmp_path / "site" / "sae_lens"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "pretrained_saes.yaml").write_text(TABLE)
    monkeypatch.syspath_prepend(package.parent)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a hub that is out of reach."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def cached(hub: Path, release: Release, fixture: str) -> None:
    """Puts a checkpoint where a download of the release would have left it."""
    repository = hub / f"models--{release.repo_id.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    shutil.copytree(FIXTURES / fixture, repository / "snapshots" / ("0" * 40) / release.path)


def test_a_release_is_a_place_on_the_hub_and_what_it_corrects(installed):
    repo_id = "jbloom/GPT2-Small-SAEs-Reformatted"
    assert release_of("gpt2-small-res-jb:blocks.8.hook_resid_pre") == Release(repo_id, "folder-of-layer-8", CENTRED)
    overrides = {"normalize_activations": "expected_average_only_in", "norm_scaling_factor": 2.5}
    found = release_of("gpt2-small-mlp-tm:blocks.0.hook_mlp_out")
    assert found == Release("tommmcgrath/gpt2-small-mlp-out-saes", "sae_group:v1", overrides)
    found = release_of("gemma-scope-2b-pt-res-canonical:layer_0/width_16k/canonical")
    assert found == Release("google/gemma-scope-2b-pt-res", "layer_0/width_16k/average_l0_105", {})


@pytest.mark.parametrize("name", ["google/gemma-scope-2b-pt-res:layer_0", "google/gemma-scope-2b-pt-res", "my-sae"])
def test_other_names_are_no_releases_and_need_no_table(name):
    assert release_of(name) is None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("gpt2-small-res-jp:blocks.8.hook_resid_pre", "Unknown SAELens release .* nearest is 'gpt2-small-res-jb'"),
        ("gpt2-small-res-jb:blocks.8", "Unknown SAE 'blocks.8' in .*; the nearest is 'blocks.8.hook_resid_pre'"),
    ],
)
def test_a_mistyped_release_names_the_nearest(installed, name, sentence):
    with pytest.raises(UserError, match=sentence):
        AbstractSparseAutoEncoder.from_pretrained(name)


def test_without_saelens_the_way_to_its_table_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "sae_lens", None)
    with pytest.raises(UserError, match="`pip install --no-deps sae-lens`"):
        AbstractSparseAutoEncoder.from_pretrained("gpt2-small-res-jb:blocks.8.hook_resid_pre")


def test_a_release_is_read_with_its_corrections(installed, hub):
    name = "gpt2-small-res-jb:blocks.8.hook_resid_pre"
    release = release_of(name)
    assert release
    cached(hub, release, "standard-none")
    sae, plain = (AbstractSparseAutoEncoder.from_pretrained(place) for place in (name, FIXTURES / "standard-none"))
    x = torch.randn(7, 16)
    centred = x - x.mean(dim=-1, keepdim=True)
    torch.testing.assert_close(sae.encode(x), plain.encode(centred), rtol=1e-5, atol=1e-5)
    pretrained = PretrainedSAE(pretrained_name_or_path=name)
    assert checkpoint_config(pretrained).hook_point_in == "blocks.0.hook_resid_post"
    local = PretrainedSAE(pretrained_name_or_path=str(FIXTURES / "standard-none"))
    assert checkpoint_identity(pretrained) != checkpoint_identity(local)


def test_a_release_that_is_not_here_says_that_the_hub_is_out_of_reach(installed, hub):
    with pytest.raises(UserError, match="'jbloom/GPT2-Small-SAEs-Reformatted' cannot be fetched"):
        AbstractSparseAutoEncoder.from_pretrained("gpt2-small-res-jb:blocks.8.hook_resid_pre")
