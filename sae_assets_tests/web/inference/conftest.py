"""Tests here count the processes that they start."""

import pytest

from sae_assets_tests.child_processes import leave_out_those_of_others


@pytest.fixture(autouse=True, scope="module")
def others() -> None:
    leave_out_those_of_others()
