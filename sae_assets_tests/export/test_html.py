"""Which features a page shows; what it looks like in a browser is in `browser/test_export.py`."""

import re

import pytest

from sae_assets.disk.layout import DataFolder
from sae_assets.export import html
from sae_assets.export.html import ChosenFeatures, chosen_features, export_html
from sae_assets.settings import UserError
from sae_assets.store.lists import BOOKMARKS, add_to_list, create_list
from sae_assets_tests.project import D_SAE, DEAD, SAE_ID


def page(analysed, folder, chosen: ChosenFeatures) -> str:
    export_html(analysed.store, DataFolder(folder), analysed.found, chosen, folder / "out")
    return (folder / "out" / html.FILE).read_text(encoding="utf-8")


def shown(text: str) -> list[int]:
    return [int(index) for index in re.findall(r'<article id="f(\d+)"', text)]


def test_terms_choose_features(analysed):
    assert list(chosen_features(analysed.store, analysed.found, "9, 3-5", None).indices) == [9, 3, 4, 5]
    assert len(chosen_features(analysed.store, analysed.found, None, None).indices) == 50
    assert DEAD not in chosen_features(analysed.store, analysed.found, None, None).indices


def test_list_chooses_features_of_this_checkpoint_in_its_order(analysed):
    create_list(analysed.store, "rivers & lakes")
    for sae, index in ((SAE_ID, 20), ("other/sae", 3), (SAE_ID, 4), (SAE_ID, DEAD)):
        add_to_list(analysed.store, "rivers & lakes", sae, index)
    chosen = chosen_features(analysed.store, analysed.found, None, "rivers & lakes")
    assert list(chosen.indices) == [20, 4, DEAD]
    assert chosen.title == "the list 'rivers & lakes'"


@pytest.mark.parametrize(
    ("terms", "list_name", "sentence"),
    [
        ("7", BOOKMARKS, "Give --features or --list, not both."),
        ("sampel 3", None, "--features: the term 'sampel 3' is not known; the nearest is 'sample', and terms are"),
        ("64", None, "There is no feature 64 in 'tiny/sae-l0/default'; they go from 0 to 63."),
        (
            "density 0.9..",
            None,
            "No feature of 'tiny/sae-l0/default' is in density 0.9..; choose others by --features.",
        ),
        (None, "bookmark", "Unknown list 'bookmark'; the nearest is 'bookmarks'."),
        (None, BOOKMARKS, "No feature of 'tiny/sae-l0/default' is in the list 'bookmarks'; choose others"),
    ],
)
def test_choices_that_mean_nothing_are_refused(analysed, terms, list_name, sentence):
    with pytest.raises(UserError) as refused:
        chosen_features(analysed.store, analysed.found, terms, list_name)
    assert str(refused.value).startswith(sentence)


def test_page_that_no_browser_could_show_is_refused(analysed, monkeypatch):
    monkeypatch.setattr(html, "MOST_FEATURES", 20)
    with pytest.raises(UserError) as refused:
        chosen_features(analysed.store, analysed.found, "all", None)
    assert str(refused.value) == (
        f"all means {D_SAE} features, and a page holds 20 at most; add 'sample 20', or export them as Parquet."
    )


def test_page_shows_the_chosen_features_with_all_their_parts(analysed, tmp_path):
    text = page(analysed, tmp_path, ChosenFeatures("rivers & <lakes>", [9, 3, DEAD]))
    assert shown(text) == [9, 3, DEAD]
    assert "rivers &amp; &lt;lakes&gt;" in text
    assert "mentions of 9 日本語" in text and "Dead: active on none of 5,000 tokens." in text
    assert text.count("<mark ") > 20 and text.count("promotes</caption>") == 3


def test_page_leads_nowhere_and_runs_nothing(analysed, tmp_path):
    text = page(analysed, tmp_path, ChosenFeatures("some", [9, 3]))
    assert "<script" not in text and "<img" not in text and "<iframe" not in text
    assert set(re.findall(r'(?:href|src)="([^"#]*)', text)) == {"", "data:,"}
    assert not re.search(r"url\(|@import|https?://", text)
