"""Cursors come back as they were, and nothing else passes for one."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.settings.errors import UserError
from sae_assets.web.cursor import Cursor


@given(st.floats(allow_nan=False), st.integers(0, 2**31), st.booleans())
def test_a_cursor_comes_back_as_it_was(key: float, index: int, is_backward: bool):
    cursor = Cursor(of="list", key=key, index=index, is_backward=is_backward)
    assert Cursor.decoded(cursor.encoded(), "list") == cursor


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_what_is_no_cursor_is_one_sentence(text: str):
    with pytest.raises(UserError, match="leave it out to begin with the first page"):
        Cursor.decoded(text, "list")


def test_a_cursor_of_another_list_is_refused():
    with pytest.raises(UserError, match="belongs to no page of this list"):
        Cursor.decoded(Cursor(of="one", key=0, index=0).encoded(), "other")
