"""Folders that are not on the local file system: in memory, and on an S3 server."""

from collections.abc import Iterator

import pytest
from upath import UPath

from sae_assets_tests.remote.object_store import object_store


@pytest.fixture(scope="session")
def bucket() -> Iterator[UPath]:
    """An S3 bucket."""
    with object_store() as root:
        yield root


@pytest.fixture(params=["memory", "s3"])
def remote(request, tmp_path) -> UPath:
    """A folder of this test's own."""
    if request.param == "memory":
        return UPath(f"memory://{tmp_path.name}")
    return request.getfixturevalue("bucket") / tmp_path.name
