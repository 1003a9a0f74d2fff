"""Features come by index, by selection or one after the other, as the store holds them."""

import gc
import re

import numpy as np
import polars as pl
import pytest

from sae_assets.reading.analysed_feature import AnalysedFeature
from sae_assets.reading.analysed_sae import AnalysedSAE
from sae_assets.settings import UserError
from sae_assets.store.explanations import save_explanations
from sae_assets.store.features import StoredFeature
from sae_assets.store.reading import read_feature
from sae_assets_tests.project import D_SAE, DEAD, TinyProject
from sae_assets_tests.reading.conftest import EXPLAINED, SAE_ID, explanation

ALIVE = [index for index in range(D_SAE) if index != DEAD]


def indices(features) -> list[int]:
    return [feature.index for feature in features]


def test_feature_is_the_one_of_the_store(read_project: TinyProject, sae: AnalysedSAE):
    feature = sae[5]
    assert isinstance(feature, AnalysedFeature)
    with read_project.store() as store:
        stored = read_feature(store, SAE_ID, "default", 5)
    assert (feature.index, feature.statistics, feature.explanation) == (5, stored.statistics, stored.explanation)
    assert feature.logits is not None and stored.logits is not None and feature.logits.top == stored.logits.top
    assert (feature.checkpoint.id, feature.analysis.name) == (SAE_ID, "default")
    for name, samples in stored.samples.items():
        assert [(one.context.text, one.peak) for one in feature.samples[name]] == [
            (one.context.text, one.peak) for one in samples
        ]


def test_scores_are_those_that_came_to_a_value(sae: AnalysedSAE):
    assert sae[5].scores == {"detection": 0.05, "simulation": -0.5}
    assert sae[11].scores == {"detection": 0.11}
    assert sae[0].scores == {}


def test_index_may_be_that_of_an_array(sae: AnalysedSAE):
    assert sae[np.int64(7)].index == 7


@pytest.mark.parametrize("index", [-1, D_SAE])
def test_index_out_of_range_is_one_sentence(sae: AnalysedSAE, index):
    with pytest.raises(UserError) as error:
        sae[index]
    assert str(error.value) == f"There is no feature {index} in '{SAE_ID}/default'; they go from 0 to {D_SAE - 1}."


@pytest.mark.parametrize("index", ["7", 7.0, slice(0, 5), None])
def test_what_is_no_index_is_one_sentence(sae: AnalysedSAE, index):
    words = f"A feature is named by its index and not by {index!r}; `features` takes several, as '0-499, alive'."
    with pytest.raises(UserError) as error:
        sae[index]
    assert str(error.value) == words


def test_length_counts_all_features_and_iterating_gives_the_alive_ones(sae: AnalysedSAE):
    assert len(sae) == D_SAE
    assert indices(sae) == ALIVE


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (None, ALIVE),
        ("all", list(range(D_SAE))),
        ("7-9, 3", [7, 8, 9, 3]),
        ([9, 4, 9], [9, 4]),
        (np.array([9, 4]), [9, 4]),
        (pl.Series([9, DEAD]), [9, DEAD]),
        (range(3), [0, 1, 2]),
        ([], []),
        (f"{DEAD}, alive", []),
    ],
)
def test_selection_is_terms_or_indices_of_any_kind(sae: AnalysedSAE, selection, expected):
    assert indices(sae.features(selection)) == expected


def test_column_of_a_table_is_a_selection(sae: AnalysedSAE):
    assert indices(sae.features(sae.search("river")["index"])) == [2, 11]


@pytest.mark.parametrize(
    ("selection", "sentence"),
    [
        ("alve", "The features 'alve' cannot be selected: the term 'alve' is not known; the nearest is 'alive'"),
        ("3, 60-64", f"There is no feature 64 in '{SAE_ID}/default'; they go from 0 to 63."),
        ([-2], "The features [-2] cannot be selected: there is no feature -2; they begin at 0."),
        (["3"], "A feature is named by its index and not by '3'"),
    ],
)
def test_mistake_in_a_selection_is_one_sentence_at_once(sae: AnalysedSAE, selection, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        sae.features(selection)


def test_only_a_few_features_are_held_while_iterating(sae: AnalysedSAE, monkeypatch):
    monkeypatch.setattr("sae_assets.store.reading.FEATURES_AT_A_TIME", 8)
    features = sae.features()
    for _ in range(20):
        current = next(features)
    gc.collect()
    held = {one.index for one in gc.get_objects() if issubclass(type(one), StoredFeature)}
    assert current.index in held and len(held) <= 9


def test_what_is_explained_meanwhile_is_seen(read_project: TinyProject, sae: AnalysedSAE):
    assert sae[40].explanation is None
    assert len(sae.search("zebras")) == 0
    with read_project.store() as store:
        save_explanations(store, [explanation(40, "zebras")])
    feature = sae[40]
    assert feature.explanation is not None and feature.explanation.text == "zebras"
    assert sae.search("zebras")["index"].to_pylist() == [40]


def test_both_say_in_a_line_what_they_are(sae: AnalysedSAE):
    assert repr(sae) == (
        "<AnalysedSAE demo/smollm2-l10/default: 63 of 64 features alive on 5,000 tokens, tiny-model at "
        "blocks.0.hook_resid_post>"
    )
    statistics = sae[5].statistics
    numbers = f"density {statistics.density:.3g}, max {statistics.max_act:.3g}"
    assert repr(sae[5]) == f"<AnalysedFeature demo/smollm2-l10 5: 'numbers of a street', {numbers}>"
    assert repr(sae[DEAD]) == "<AnalysedFeature demo/smollm2-l10 63: not explained, density 0, max 0>"
    assert repr(EXPLAINED[9]) in repr(sae[9]) and "\x1b" not in repr(sae[9])
