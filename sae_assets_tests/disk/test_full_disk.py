"""A full disk is one sentence, and leaves nothing half-written."""

import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from sae_assets.disk.atomic import atomic_write, write_json
from sae_assets.disk.room import FullDiskError, free_bytes, in_units
from sae_assets_tests.disk.small_disk import small_disk

DISK_BYTES = 500 * 4096
SENTENCE = (
    r"^The disk is full: the file '.*/deep/file' did not fit, of which \d+\.\d [kM]B were written, and "
    r"\d+\.\d [kM]B are free in '.*/deep'; make room and run again\.$"
)


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", DISK_BYTES) as folder:
        yield folder


def write_bytes(path):
    with path.open("wb") as file:
        for _ in range(30):
            file.write(bytes(100_000))


def write_parquet(path):
    table = pa.table({"a": pa.array(range(500_000))})
    with pq.ParquetWriter(path, table.schema, compression="none", use_dictionary=False) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("write", [write_bytes, write_parquet])
def test_what_does_not_fit_is_a_sentence_and_the_old_file_stays(disk, write):
    write_json(disk / "deep" / "file", "old")
    with pytest.raises(FullDiskError, match=SENTENCE), atomic_write(UPath(disk / "deep" / "file")) as temporary:
        write(temporary)
    assert [path.name for path in (disk / "deep").iterdir()] == ["file"]
    assert (disk / "deep" / "file").read_text() == '"old"\n'


def test_another_failure_of_the_disk_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "file"):
        (tmp_path / "missing").read_bytes()


def test_the_sentence_survives_the_way_to_another_process():
    error = pickle.loads(pickle.dumps(FullDiskError("The disk is full.")))
    assert (type(error), str(error)) == (FullDiskError, "The disk is full.")


def test_what_is_free_is_known_before_the_folder_exists(disk):
    assert free_bytes(UPath(disk / "not" / "yet")) == free_bytes(disk) == DISK_BYTES
    assert free_bytes(UPath("memory://anywhere")) is None


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(0, "0.0 kB"), (1500, "1.5 kB"), (64 << 20, "67.1 MB"), (3 << 30, "3.2 GB"), (2e12, "2.0 TB")]
)
def test_sizes_are_written_for_people(n_bytes, text):
    assert in_units(n_bytes) == text
