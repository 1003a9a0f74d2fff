"""Names find what they mean, and say what is near where they mean nothing."""

import dataclasses

import pytest

from sae_assets.settings import UserError
from sae_assets.store.explanations import record_explained, save_explanations
from sae_assets.store.kept_documents import ExplanationVersionDocument
from sae_assets.store.lookup import (
    checkpoints,
    find_analysis,
    find_sae,
    published_analyses,
    save_config,
    stored_config,
)
from sae_assets_tests.store.results import attribute, made_up, publish, sae_document


def test_name_alone_is_enough_where_one_series_has_it(store):
    publish(store, made_up())
    assert find_analysis(store, "l10").sae.id == "demo/l10"
    assert find_analysis(store, "demo/l10").sae.id == "demo/l10"
    assert find_analysis(store, "l10", "demo").analysis.name == "default"


def test_ambiguous_name_lists_the_series(store):
    publish(store, made_up())
    publish(store, made_up(), sae=sae_document(series="other"))
    with pytest.raises(UserError) as error:
        find_analysis(store, "l10")
    assert str(error.value) == "The SAE 'l10' is in the series 'demo' and 'other'; give --series."
    assert find_analysis(store, "l10", "other").sae.id == "other/l10"


@pytest.mark.parametrize(
    ("name", "series", "words"),
    [
        ("l1O", None, "Unknown SAE 'l1O'; the nearest is 'l10'."),
        ("l10", "dome", "Unknown SAE 'dome/l10'; the nearest is 'demo/l10'."),
        ("dome/l10", None, "Unknown SAE 'dome/l10'; the nearest is 'demo/l10'."),
    ],
)
def test_unknown_name_names_the_nearest(store, name, series, words):
    publish(store, made_up())
    with pytest.raises(UserError) as error:
        find_analysis(store, name, series)
    assert str(error.value) == words


def test_empty_store_says_that_nothing_is_known(store):
    assert checkpoints(store) == []
    with pytest.raises(UserError, match="Unknown SAE 'l10'; none is known"):
        find_analysis(store, "l10")


def test_checkpoints_are_listed_with_their_numbers(store):
    publish(store, made_up(), sae=sae_document("l11"))
    publish(store, made_up())
    publish(store, made_up(seed=5, n_contexts=35), analysis="long")
    attribute(store, made_up())
    save_explanations(
        store,
        [
            ExplanationVersionDocument(
                sae="demo/l10",
                analysis=analysis,
                index=index,
                text="x",
                scores=[{"scorer": "detection", "value": index / 4}, {"scorer": "fuzzing", "value": None}],
            )
            for analysis, index in (("default", 1), ("default", 2), ("long", 1))
        ],
    )
    record_explained(store, "demo/l10", "default")
    first, second = checkpoints(store)
    published_at = find_analysis(store, "l10").analysis.published_at
    assert dataclasses.asdict(first) == {
        "name": "l10",
        "series": "demo",
        "analyses": ("default", "long"),
        "analysis": "default",
        "model_name": "tiny",
        "hook_point": "blocks.0.hook_resid_post",
        "d_model": 6,
        "d_sae": 30,
        "n_alive": made_up().summaries.n_alive,
        "l0": made_up().summaries.l0,
        "n_analyzed_tokens": 960,
        "n_explained": 2,
        "mean_scores": {"detection": 0.375},
        "has_logits": True,
        "published_at": published_at,
    }
    assert (second.name, second.n_explained, second.has_logits) == ("l11", 0, False)


def test_analysis_that_is_shown_is_default_or_else_the_last(store):
    publish(store, made_up(), analysis="b")
    publish(store, made_up(), analysis="a")
    assert checkpoints(store)[0].analysis == "a"
    assert [one.name for one in published_analyses(store, "demo/l10")] == ["a", "b"]
    publish(store, made_up(), analysis="default")
    publish(store, made_up(), analysis="b")
    assert checkpoints(store)[0].analysis == "default"
    assert [one.name for one in published_analyses(store, "demo/l10")] == ["default", "b", "a"]
    assert published_analyses(store, "demo/l11") == []


def test_sae_is_found_by_its_id_whatever_is_published(store):
    publish(store, made_up())
    assert find_sae(store, "demo/l10").d_sae == 30
    with pytest.raises(UserError, match="Unknown SAE 'demo/l11'; the nearest is 'demo/l10'"):
        find_sae(store, "demo/l11")


def test_full_name_takes_two_lookups(store, sent):
    publish(store, made_up())
    sent.names.clear()
    find_analysis(store, "l10", "demo")
    assert sent.names == ["find", "find"]


def test_settings_are_kept_by_name(store):
    save_config(store, "models", "tiny", {"model_name": "old"})
    save_config(store, "models", "tiny", {"model_name": "folder", "a.b": {"$c": 1}})
    assert stored_config(store, "models", "tiny") == {"model_name": "folder", "a.b": {"$c": 1}}
    assert stored_config(store, "models", "tin") is None
    assert stored_config(store, "datasets", "tiny") is None
