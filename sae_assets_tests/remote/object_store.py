"""A real S3 server on this machine, for tests of paths that are not local."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import s3fs
from upath import UPath

BUCKET = "sae-assets"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""The server asks for some, and takes any."""


@contextmanager
def object_store() -> Iterator[UPath]:
    """Runs a server on a free port of the loopback with an empty bucket, and the environment that leads to it."""
    command = [sys.executable, "-u", "-m", "moto.server", "--host", "127.0.0.1", "--port", "0"]
    before = dict(os.environ)
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=before | CREDENTIALS
    ) as server:
        try:
            os.environ |= CREDENTIALS | {"AWS_ENDPOINT_URL": _address(server)}
            s3fs.S3FileSystem.clear_instance_cache()  # an instance keeps the credentials it was made with
            s3fs.S3FileSystem().mkdir(BUCKET)
            yield UPath(f"s3://{BUCKET}")
        finally:
            server.terminate()
            os.environ.clear()
            os.environ.update(before)


def _address(server: subprocess.Popen[str]) -> str:
    assert server.stderr is not None
    for line in server.stderr:
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            # It tells every request, and would wait for a reader once the pipe is full.
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return found[0]
    raise RuntimeError("The S3 server ended before it listened.")
