"""Documents come whole and in order from every kind of dataset, and a mistake is one sentence."""

import json
import shutil
from pathlib import Path

import datasets
import pytest

from sae_assets.activations.documents import dataset_identity, documents_of
from sae_assets.settings import DatasetConfig, UserError
from sae_assets_tests.activations.corpora import rows, write_jsonl

TEXTS = ["First one.\nWith a second line.\n", "日本語 👩‍🚀", "third"]


def texts_at(path: Path, **changes) -> list[str | None]:
    cfg = DatasetConfig(dataset_name_or_path=str(path), **changes)
    return [document.text for document in documents_of("web", cfg, is_tokenized=False)]


@pytest.mark.parametrize(
    ("name", "write", "expected"),
    [
        ("one.txt", lambda path: path.write_text(TEXTS[0], encoding="utf-8"), TEXTS[:1]),
        ("all.jsonl", lambda path: write_jsonl(path, TEXTS), TEXTS),
        ("all.json", lambda path: path.write_text(json.dumps(rows(TEXTS)), encoding="utf-8"), TEXTS),
        ("all.parquet", lambda path: datasets.Dataset.from_list(rows(TEXTS)).to_parquet(path), TEXTS),
    ],
)
def test_a_local_file_gives_its_documents(tmp_path, name, write, expected):
    path = tmp_path / name
    write(path)
    assert texts_at(path) == expected


def test_a_folder_gives_the_documents_of_its_files_by_name(tmp_path):
    (tmp_path / "b").mkdir()
    for name, text in (("c.txt", TEXTS[2]), ("a.txt", TEXTS[0]), ("b/x.txt", TEXTS[1]), ("empty.txt", "")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "README.md").write_text("no document", encoding="utf-8")
    assert texts_at(tmp_path) == TEXTS


def test_a_folder_of_save_to_disk_is_recognised(tmp_path):
    datasets.Dataset.from_list(rows(TEXTS)).save_to_disk(tmp_path / "saved")
    assert texts_at(tmp_path / "saved") == TEXTS
    assert texts_at(tmp_path / "saved", is_dataset_on_disk=True) == TEXTS


def test_a_saved_dataset_dict_gives_the_split(tmp_path):
    splits = {"train": rows(TEXTS), "validation": rows(TEXTS[:1])}
    saved = datasets.DatasetDict({name: datasets.Dataset.from_list(of) for name, of in splits.items()})
    saved.save_to_disk(tmp_path / "saved")
    assert texts_at(tmp_path / "saved") == TEXTS
    assert texts_at(tmp_path / "saved", split="validation") == TEXTS[:1]
    with pytest.raises(UserError, match=r"^Unknown split 'validate' in .*; the nearest is 'validation'\.$"):
        texts_at(tmp_path / "saved", split="validate")


@pytest.mark.parametrize("column", ["tokens", "input_ids"])
def test_a_tokenized_dataset_gives_token_ids(column):
    dataset = datasets.Dataset.from_list([{column: [5, 6]}, {column: []}, {column: [7]}])
    documents = list(documents_of("web", dataset, is_tokenized=True))
    assert [document.token_ids for document in documents] == [[5, 6], [], [7]]
    assert [document.text for document in documents] == [None, None, None]
    assert [document.index for document in documents] == [0, 1, 2]


def test_text_may_lie_in_another_column(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"body": "yes", "text": "no"}\n{"body": null, "text": "no"}\n', encoding="utf-8")
    assert texts_at(path, text_column="body") == ["yes", ""]


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        ("tekst", r"^Unknown text column 'tekst' in the dataset 'web'; the nearest is 'text'\.$"),
        ("id", r"^The column 'id' of the dataset 'web' holds int values and no text; set `text_column`.*\.$"),
    ],
)
def test_a_column_without_text_is_one_sentence(tmp_path, column, sentence):
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": 5, "text": "yes"}\n', encoding="utf-8")
    with pytest.raises(UserError, match=sentence):
        texts_at(path, text_column=column)


def test_a_missing_token_column_names_the_nearest():
    with pytest.raises(UserError, match=r"^Unknown token column 'tokens' in .* 'web'; the nearest is 'token'\.$"):
        list(documents_of("web", [{"token": [5], "x": 1}], is_tokenized=True))


@pytest.mark.parametrize(
    ("files", "place", "sentence"),
    [
        ({}, "missing.txt", r"neither a local file or folder nor on the Hugging Face hub"),
        ({"a.txt": b"a", "b.jsonl": b"{}"}, ".", r"must be a file, or a folder of files, of one kind: \.txt, \.jsonl"),
        ({"a.csv": b"a"}, "a.csv", r"must be a file, or a folder of files, of one kind"),
        ({}, ".", r"must be a file, or a folder of files, of one kind"),
        ({"a.jsonl": b""}, "a.jsonl", r"is empty"),
        ({"a.txt": b"abc\xff"}, "a.txt", r"cannot be read: 'utf-8' codec can't decode byte 0xff in position 3"),
        ({"a.jsonl": b'{"text": "a"}\n{"text": no\n'}, "a.jsonl", r"cannot be read: JSON parse error"),
        ({"a.parquet": b"PAR1 and more"}, "a.parquet", r"cannot be read: Parquet magic bytes"),
        ({"state.json": b"{}"}, ".", r"cannot be read: "),
    ],
)
def test_a_dataset_that_cannot_be_read_is_one_sentence(tmp_path, files, place, sentence):
    for name, contents in files.items():
        (tmp_path / name).write_bytes(contents)
    with pytest.raises(UserError, match=rf"^The dataset '[^\n]*{sentence}[^\n]*\.$"):
        texts_at(tmp_path / place)


def test_identity_changes_with_contents_and_not_with_place(tmp_path):
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    here = write_jsonl(tmp_path / "here" / "web.jsonl", TEXTS)
    there = write_jsonl(tmp_path / "there" / "web.jsonl", TEXTS)
    assert dataset_identity(here) == dataset_identity(there)
    as_folder = DatasetConfig(dataset_name_or_path=str(tmp_path / "here"))
    moved = shutil.copytree(tmp_path / "here", tmp_path / "elsewhere" / "web")
    assert dataset_identity(as_folder) == dataset_identity(DatasetConfig(dataset_name_or_path=str(moved)))
    write_jsonl(tmp_path / "there" / "web.jsonl", [*TEXTS[:2], "thirD"])
    assert dataset_identity(here) != dataset_identity(there)


@pytest.mark.parametrize("change", [{"split": "test"}, {"text_column": "body"}, {"revision": "abc"}])
def test_identity_of_a_hub_dataset_changes_with_what_is_read_of_it(change):
    assert dataset_identity(DatasetConfig()) != dataset_identity(DatasetConfig(**change))
