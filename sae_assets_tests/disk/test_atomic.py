"""A file is whole or not there."""

import pytest
from upath import UPath

from sae_assets.disk.atomic import atomic_write, write_json
from sae_assets.disk.identity import file_identity


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path) -> UPath:
    return UPath(tmp_path) if request.param == "local" else UPath(f"memory://{tmp_path.name}")


def test_file_appears_with_its_whole_content(folder):
    with atomic_write(folder / "deep" / "file") as temporary:
        temporary.write_bytes(b"content")
        assert not (folder / "deep" / "file").exists()
    assert (folder / "deep" / "file").read_bytes() == b"content"


def test_an_error_leaves_the_old_content_and_nothing_else(folder):
    write_json(folder / "file.json", {"a": 1})
    with pytest.raises(RuntimeError), atomic_write(folder / "file.json") as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert (folder / "file.json").read_text() == '{\n  "a": 1\n}\n'
    assert [path.name for path in folder.iterdir()] == ["file.json"]


def test_identity_sees_size_and_both_ends(tmp_path):
    file = tmp_path / "file"
    contents = [bytes(3 << 20), b"a" + bytes((3 << 20) - 1), bytes((3 << 20) - 1) + b"a", bytes((3 << 20) + 1)]
    identities = []
    for content in contents:
        file.write_bytes(content)
        identities.append(file_identity(file))
    assert len({tuple(identity.items()) for identity in identities}) == 4
