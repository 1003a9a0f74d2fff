"""Text of the data on a page: every character is there, none of them does anything, active tokens are shaded."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.web.models.features import Sample, Segment
from sae_assets.web.pages.text import shade, shown, token, tokens, window

TAG = re.compile(r"<[^>]*>")
ESCAPE = re.compile(r'<i class="ctl">[^<]*</i>')


def read(markup: str) -> str:
    """What a browser makes of the markup."""
    return html.unescape(TAG.sub("", markup))


@given(st.text())
def test_shown_text_is_the_text_but_for_what_would_control_the_page(text):
    plain = read(ESCAPE.sub("", shown(text)))
    assert plain == "".join(char for char in text.replace("\r\n", "\n") if read(ESCAPE.sub("", shown(char))))
    assert not re.search(r"<(?!/?i\b)", shown(text))


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"),
        ("a\nb", 'a<i class="br">\n</i>b'),
        ("a\r\nb", 'a<i class="br">\n</i>b'),
        ("\tif x:", '<i class="tab">\t</i>if x:'),
        ("safe\u202eetxt", 'safe<i class="ctl">\\u202e</i>etxt'),
        ("\x00", '<i class="ctl">\\x00</i>'),
        ("\ud800", '<i class="ctl">\\ud800</i>'),
        ("日本語 👩‍🚀 שלום", "日本語 👩‍🚀 שלום"),
    ],
)
def test_text_of_every_kind_is_shown_right(text, markup):
    assert shown(text) == markup


@pytest.mark.parametrize(
    ("text", "seen"), [(" a", "·a"), ("a", "a"), ("  ", "··"), ("a ", "a·"), ("a b", "a b"), ("", ""), ("<b>", "<b>")]
)
def test_spaces_at_the_ends_of_an_output_token_are_signs(text, seen):
    assert read(token(text)) == seen


def test_shade_grows_with_the_activation_from_the_first_step_to_the_last():
    steps = [shade(k / 1000, 1.0) for k in range(1, 1001)]
    assert steps == sorted(steps)
    assert set(steps) == set(range(1, 10))
    assert shade(2.0, 1.0) == 9  # a text that somebody tries may go beyond what the analysis saw
    assert shade(1.0, 0.0) == 9


def test_active_tokens_are_marked_with_their_value_and_the_space_before_a_word_is_not():
    markup = tokens([Segment(text="from"), Segment(text=" country", activation=10.0, is_peak=True)], 10.0)
    assert markup == 'from <mark class="a9 peak" data-v="10.0">country</mark>'


def test_a_token_of_spaces_alone_is_marked():
    assert tokens([Segment(text="  ", activation=1.0)], 9.0) == '<mark class="a1" data-v="1.00">  </mark>'


def test_html_in_an_active_token_is_harmless():
    assert "<img" not in tokens([Segment(text="<img src=x onerror=alert(1)>", activation=1.0)], 1.0)


@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [(True, True, "… word …"), (False, True, "word …"), (True, False, "… word"), (False, False, "word")],
)
def test_a_window_says_where_its_context_goes_on(before, after, seen):
    sample = Sample(
        context_idx=0,
        dataset="text",
        document_idx=0,
        peak=0.0,
        segments=[Segment(text=" word")],
        has_more_before=before,
        has_more_after=after,
    )
    assert read(window(sample, 1.0)) == seen
