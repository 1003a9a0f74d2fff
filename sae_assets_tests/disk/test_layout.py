"""Names become folders only where that is safe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from sae_assets.disk.layout import DataFolder, checked_key, checked_name
from sae_assets.settings import UserError

DATA = DataFolder(UPath("/data"))


@pytest.mark.parametrize("key", ["demo/smollm2-l10", "a/b", "run 1/step_1000", "Llama3.1-8B/L15R-8x"])
def test_ordinary_keys_are_taken_as_they_are(key):
    assert "/".join(checked_key(key)) == key


@pytest.mark.parametrize(
    "key", ["", "a", "a/", "/a", "..", "../x", "a/..", "a/../b", "a/b/c", "a\\b/c", "a/.b", "a/b\n"]
)
def test_keys_that_could_leave_the_folder_are_refused(key):
    with pytest.raises(UserError):
        checked_key(key)


@given(name=st.text(max_size=12))
def test_a_name_that_is_taken_is_one_folder_below(name):
    try:
        checked_name(name, "name")
    except UserError:
        return
    folder = DATA.checkpoint("series", name).path
    assert folder.parent.parent == UPath("/data/checkpoints/series")
    assert folder.parent.name == name


def test_every_file_has_its_place():
    folder = DATA.checkpoint("demo", "smollm2-l10")
    assert str(folder.summaries) == "/data/checkpoints/demo/smollm2-l10/default/summaries.parquet"
    assert str(DATA.source("f00d").chunks("blocks.0.hook_resid_post")) == (
        "/data/sources/f00d/chunks/blocks.0.hook_resid_post"
    )


def test_answers_lie_in_the_data_folder_or_where_a_database_can(monkeypatch):
    assert (str(DATA.answers), str(DATA.batches)) == ("/data/answers.sqlite", "/data/batches.sqlite")
    elsewhere = DataFolder(UPath("memory://bucket/data"))
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/me/cache")
    assert str(elsewhere.answers) == "/home/me/cache/sae-assets/answers.sqlite"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert str(elsewhere.batches) == "/home/me/.cache/sae-assets/batches.sqlite"
