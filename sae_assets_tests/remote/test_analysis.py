"""A whole analysis whose data folder and results are not on the local file system."""

import pytest
import s3fs
import torch
from upath import UPath

from sae_assets import analyze_sae, direct_logit_attribute
from sae_assets.activations.context_file import read_contexts
from sae_assets.analysis.logits_file import read_logits
from sae_assets.analysis.summary_file import read_summaries
from sae_assets.disk.atomic import write_json
from sae_assets.disk.layout import DataFolder, data_folder
from sae_assets.engine.progress import silent
from sae_assets.settings import UserError
from sae_assets_tests.project import N_TOKENS
from sae_assets_tests.remote.object_store import CREDENTIALS


def files_below(folder: UPath) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_results_are_those_of_a_local_folder(remote, tiny_project, tmp_path):
    data = DataFolder(remote / "data")
    settings = tiny_project.analyze_settings(output_dir=str(remote / "results"))
    summaries = analyze_sae(settings, data=data, progress=silent)
    local = tiny_project.analyze_settings(output_dir=str(tmp_path / "results"))
    assert summaries.n_analyzed_tokens == N_TOKENS
    expected = analyze_sae(local, data=tiny_project.data, progress=silent)
    assert torch.equal(summaries.act_times, expected.act_times)
    assert torch.equal(summaries.max_feature_acts, expected.max_feature_acts)
    assert files_below(remote / "results") == ["contexts.parquet", "summaries.parquet"]
    assert files_below(data.sources) == ["00000.parquet", "contexts.parquet", "manifest.json", "source.json"]
    stored = read_summaries(remote / "results" / "summaries.parquet").summaries
    sampled = [context.context_idx for context in read_contexts(remote / "results" / "contexts.parquet")]
    assert sampled == sorted(stored.sampled_contexts)


def test_an_analysis_is_used_again(remote, tiny_project):
    data = DataFolder(remote / "data")
    settings = tiny_project.analyze_settings(output_dir=str(remote / "results"))
    analyze_sae(settings, data=data, progress=silent)
    written = (remote / "results" / "summaries.parquet").read_bytes()
    steps = []
    analyze_sae(settings, data=data, progress=steps.append)
    assert (remote / "results" / "summaries.parquet").read_bytes() == written
    assert {step.name for step in steps} <= {"contexts"}


def test_logits_lie_where_they_are_asked_for(remote, tiny_project):
    settings = tiny_project.logits_settings(output_dir=str(remote))
    logits = direct_logit_attribute(settings, data=tiny_project.data, progress=silent)
    assert torch.equal(read_logits(remote / "logits.parquet").logits.top_tokens, logits.top_tokens)


def test_without_an_address_the_store_is_asked_for_in_one_sentence(remote, tiny_project):
    sentence = r"^The bundled MongoDB needs a local data folder and '?(memory|s3)://.* is none; set .*MONGO_URI"
    with pytest.raises(UserError, match=sentence):
        analyze_sae(tiny_project.analyze_settings(), data=DataFolder(remote), progress=silent)


def test_the_file_scheme_is_a_local_folder(tmp_path):
    assert DataFolder(UPath(f"file://{tmp_path}")).mongo == tmp_path / "mongo"
    write_json(UPath(f"file://{tmp_path}/deep/file.json"), 1)
    assert (tmp_path / "deep" / "file.json").exists()


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("nonsense://bucket/data", "cannot be reached: Unsupported filesystem: 'nonsense'"),
        ("gs://bucket/data", "needs a package that is not installed .*; for s3://, run `pip install 'sae-assets"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_sentence(place, why):
    for use in (data_folder, lambda place: DataFolder(UPath("data")).checkpoint("a", "b", output_dir=place)):
        with pytest.raises(UserError, match=f"^The folder '{place}' {why}.*\\.$"):
            use(place)


def test_a_store_that_lets_no_one_in_is_one_sentence_before_any_work(tiny_project, tmp_path, monkeypatch):
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    s3fs.S3FileSystem.clear_instance_cache()
    settings = tiny_project.analyze_settings(output_dir="s3://bucket/results")
    sentence = r"^The folder 's3://bucket/results' cannot be reached: Unable to locate credentials\.$"
    with pytest.raises(UserError, match=sentence):
        analyze_sae(settings, data=DataFolder(UPath(tmp_path / "data")), progress=silent)
    assert list(tmp_path.iterdir()) == []
    s3fs.S3FileSystem.clear_instance_cache()
