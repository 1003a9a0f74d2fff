"""A mistake of the user ends a step with its sentence instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from sae_assets.settings import UserError


@contextmanager
def clear_failures() -> Iterator[None]:
    """Turns a `UserError`, or a failure of the disk, into a Dagster `Failure` with its text, which is not retried."""
    try:
        yield
    except UserError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from None
    except OSError as error:  # the disk is full, a folder cannot be written
        place = f"{error.filename}: " if error.filename else ""
        raise dg.Failure(description=f"{place}{error.strerror or error}.", allow_retries=False) from error
