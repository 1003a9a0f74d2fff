"""A folder of an export: whole or as it was, and nothing of anybody else is ever deleted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sae_assets.export.folder import MARKER, Exported, write_folder
from sae_assets.settings import UserError

ANALYSIS = "demo/l10/default"


def export(folder: Path, kind: str = "parquet", analysis: str = ANALYSIS, **texts: str) -> Exported:
    """Writes a file for each keyword, with this text."""

    def write(part: Path) -> dict[str, int]:
        for name, text in texts.items():
            (part / "deep").mkdir(exist_ok=True)
            (part / "deep" / name).write_text(text)
        return {"features": len(texts), "samples": 7}

    return write_folder(folder, kind, analysis, write)


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.rglob("*") if path.is_file() and path.name != MARKER}


def test_folder_is_made_with_what_was_written_and_said(tmp_path):
    exported = export(tmp_path / "new" / "out", one="1", two="22")
    assert texts(tmp_path / "new" / "out") == {"one": "1", "two": "22"}
    assert exported.n_bytes == 3
    assert exported.sentence == f"{ANALYSIS}: 2 features and 7 samples (0.0 kB) in '{tmp_path}/new/out'."


def test_second_run_replaces_all_files_of_the_first(tmp_path):
    export(tmp_path / "out", one="1", two="2")
    export(tmp_path / "out", one="changed")
    assert texts(tmp_path / "out") == {"one": "changed"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_run_that_fails_leaves_the_folder_as_it_was(tmp_path):
    export(tmp_path / "out", one="1")

    def fail(part: Path) -> dict[str, int]:
        (part / "half").write_text("written")
        raise UserError("no more")

    for folder in (tmp_path / "out", tmp_path / "other"):
        with pytest.raises(UserError, match="no more"):
            write_folder(folder, "parquet", ANALYSIS, fail)
    assert texts(tmp_path / "out") == {"one": "1"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_run_left_is_put_back_and_cleared_away(tmp_path):
    export(tmp_path / "out", one="1")
    (tmp_path / "out").rename(tmp_path / ".out.old")
    (tmp_path / ".out.part").mkdir()
    (tmp_path / ".out.part" / "half").write_text("written")
    with pytest.raises(UserError, match="holds the parquet export of 'demo/l10/default'"):
        export(tmp_path / "out", kind="html")
    assert texts(tmp_path / "out") == {"one": "1"}
    export(tmp_path / "out", one="2")
    assert texts(tmp_path / "out") == {"one": "2"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def add_a_file(folder: Path) -> None:
    export(folder, one="1")
    (folder / "notes.txt").write_text("mine")


def damage_the_marker(folder: Path) -> None:
    export(folder, one="1")
    (folder / MARKER).write_text("{")


def fill(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.tex").write_text("mine")


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        (lambda folder: folder.write_text("mine"), "{folder} is a file; name a folder for the export."),
        (fill, "The folder {folder} holds files that no export wrote, such as 'thesis.tex'; name another folder."),
        (
            damage_the_marker,
            "The folder {folder} holds files that no export wrote, such as 'deep/one'; name another folder.",
        ),
        (
            add_a_file,
            "The folder {folder} holds 'notes.txt', which the export before did not write and a new one would delete; "
            "move it elsewhere.",
        ),
        (
            lambda folder: export(folder, kind="html", one="1"),
            "The folder {folder} holds the html export of 'demo/l10/default'; name another folder, or delete it.",
        ),
        (
            lambda folder: export(folder, analysis="demo/l11/default", one="1"),
            "The folder {folder} holds the parquet export of 'demo/l11/default'; name another folder, or delete it.",
        ),
    ],
)
def test_foreign_files_are_refused_and_kept(tmp_path: Path, before: Callable[[Path], object], sentence: str):
    folder = tmp_path / "out"
    before(folder)
    kept = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as refused:
        export(folder, one="new")
    assert str(refused.value) == sentence.format(folder=repr(str(folder)))
    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == kept


def test_file_that_is_put_there_meanwhile_is_kept(tmp_path):
    def write(part: Path) -> dict[str, int]:
        fill(tmp_path / "out")
        return {"features": 1}

    with pytest.raises(UserError, match=r"'thesis\.tex'"):
        write_folder(tmp_path / "out", "parquet", ANALYSIS, write)
    assert texts(tmp_path / "out") == {"thesis.tex": "mine"}


def test_working_directory_is_not_replaced_under_its_user(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="is in use and cannot be replaced; name a folder in it"):
        export(Path(), one="1")
    assert list(tmp_path.iterdir()) == []


def test_two_exports_never_write_one_folder(tmp_path):
    def write(part: Path) -> dict[str, int]:
        with pytest.raises(UserError, match=r"Another export is writing .* wait until it has ended"):
            export(tmp_path / "out", one="1")
        return {"features": 1}

    write_folder(tmp_path / "out", "parquet", ANALYSIS, write)
