"""Several checkpoints in one call: each gets what it would get alone, and their chunks are read once."""

import pytest

from sae_assets import AnalyzeSAESettings, UserError, analyze_saes
from sae_assets.activations.chunks import ChunkFolder
from sae_assets_tests.project import TinyProject, write_sae
from sae_assets_tests.runners.published import analyze, assert_same

OTHER_HOOK_POINT = "blocks.1.hook_resid_post"


def settings_of(project: TinyProject, name: str, **changes) -> AnalyzeSAESettings:
    output_dir = str(project.root / "results" / name)
    return project.analyze_settings(sae_name=name, output_dir=output_dir, **changes)


def other_sae(project: TinyProject, name: str, **changes) -> dict:
    return {"sae": {"pretrained_name_or_path": str(write_sae(project.checkpoints / "tiny" / name, **changes))}}


@pytest.fixture
def read_chunks(monkeypatch) -> list[int]:
    """The numbers of the chunks that are read."""
    numbers: list[int] = []
    read = ChunkFolder.read

    def noted(folder: ChunkFolder, number: int):
        numbers.append(number)
        return read(folder, number)

    monkeypatch.setattr(ChunkFolder, "read", noted)
    monkeypatch.setattr("sae_assets.activations.chunks.CHUNK_BYTES", 20 * 64 * 32 * 4)
    return numbers


def test_checkpoints_on_one_source_share_one_read_of_its_chunks(fresh_project, read_chunks):
    first = settings_of(fresh_project, "first")
    second = settings_of(fresh_project, "second", **other_sae(fresh_project, "second", seed=1))
    together = analyze_saes([first, second], data=fresh_project.data)
    assert sorted(read_chunks) == list(range(len(read_chunks)))
    assert len(read_chunks) > 2
    alone = TinyProject(fresh_project.root / "alone", fresh_project.model, fresh_project.text)
    for settings, found in zip((first, second), together, strict=True):
        elsewhere = settings.model_copy(update={"output_dir": str(alone.root / settings.sae_name)})
        assert_same(found, analyze_saes([elsewhere], data=alone.data)[0])
    assert not (together[0].act_times == together[1].act_times).all()


def test_what_is_there_already_is_not_read_for(fresh_project, read_chunks):
    first = settings_of(fresh_project, "first")
    analyze_saes([first], data=fresh_project.data)
    n_chunks = len(read_chunks)
    analyze_saes([first], data=fresh_project.data)
    assert len(read_chunks) == n_chunks
    other = settings_of(fresh_project, "second", **other_sae(fresh_project, "second", seed=1))
    analyze_saes([other, first], data=fresh_project.data)
    assert len(read_chunks) == 2 * n_chunks


def test_other_hook_points_come_in_the_same_call(fresh_project):
    first = settings_of(fresh_project, "first")
    elsewhere = settings_of(
        fresh_project,
        "second",
        activation_factory={"hook_points": [OTHER_HOOK_POINT]},
        **other_sae(fresh_project, "second", hook_point=OTHER_HOOK_POINT),
    )
    found = analyze_saes([elsewhere, first], data=fresh_project.data)
    assert not (found[0].act_times == found[1].act_times).all()
    assert_same(found[1], analyze(fresh_project))


def test_a_checkpoint_that_does_not_fit_is_named_before_the_analysis(fresh_project):
    first = settings_of(fresh_project, "first")
    wide = settings_of(fresh_project, "wide", **other_sae(fresh_project, "wide", d_model=16))
    with pytest.raises(UserError, match=r"have d_model 32 and the checkpoint '.*wide' has d_model 16"):
        analyze_saes([first, wide], data=fresh_project.data)
    assert not (fresh_project.root / "results").exists()
