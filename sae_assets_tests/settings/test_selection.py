"""Terms mean what they say, and a mistake in them is one sentence that names the term."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from sae_assets.settings import AnalysisSettings, AutoInterpSettings, UserError
from sae_assets.settings.load import load_settings
from sae_assets.settings.selection import DensityRange, FeatureSelection, parse_selection

ONE = {"sae_name": "a", "sae_series": "b"}


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (None, FeatureSelection(is_alive_only=True)),
        ([9, 4, 9], FeatureSelection((range(9, 10), range(4, 5)))),
        ("7", FeatureSelection((range(7, 8),))),
        ("10-99, 7", FeatureSelection((range(10, 100), range(7, 8)))),
        (" 0 - 4,alive ", FeatureSelection((range(5),), is_alive_only=True)),
        ("alive", FeatureSelection(is_alive_only=True)),
        ("all", FeatureSelection()),
        ("all, 7", FeatureSelection()),
        ("density 1e-5..1e-2", FeatureSelection(is_alive_only=True, density=DensityRange(1e-5, 1e-2))),
        ("density ..0.01", FeatureSelection(is_alive_only=True, density=DensityRange(0, 0.01))),
        ("density 0.01 ..", FeatureSelection(is_alive_only=True, density=DensityRange(0.01, math.inf))),
        ("all, density ..1e-3", FeatureSelection(density=DensityRange(0, 1e-3))),
        ("sample 200", FeatureSelection(is_alive_only=True, sample=200)),
        (
            "0-499, alive, density 1e-5..1e-2, sample 200",
            FeatureSelection((range(500),), is_alive_only=True, density=DensityRange(1e-5, 1e-2), sample=200),
        ),
    ],
)
def test_terms_mean(asked, meant):
    assert parse_selection(asked) == meant


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("aliv", "the term 'aliv' is not known; the nearest is 'alive', and terms are 7, 10-99, all,"),
        ("-3", "the term '-3' is not known"),
        ("1e3", "the term '1e3' is not known"),
        ("\u0663", "the term '\u0663' is not known"),
        ("", "there is nothing before or after a comma"),
        ("1,,2", "there is nothing before or after a comma"),
        ("alive,", "there is nothing before or after a comma"),
        ("9-3", "the range '9-3' ends before it begins; write 3-9"),
        ("sample", "the term 'sample' has no number of features; write 'sample 200'"),
        ("sample 0", "the term 'sample 0' has no number of features"),
        ("sample 1.5", "the term 'sample 1.5' has no number"),
        ("sample 3, sample 4", "the term 'sample' is there twice"),
        ("alive please", "the term 'alive please' has a word too many; write 'alive'"),
        ("density", "the term 'density' has no range; write 'density 1e-5..1e-2'"),
        ("density ..", "the term 'density ..' has no range"),
        ("density 0.1", "the term 'density 0.1' has no range"),
        ("density few..many", "the term 'density few..many' has no range"),
        ("density 0.2..0.1", "the term 'density 0.2..0.1' holds no density"),
        ("density nan..", "the term 'density nan..' holds no density"),
        ("density -1..1", "the term 'density -1..1' holds no density"),
        ([], "the list of features is empty; leave it out for all alive ones"),
        ([3, -1], "there is no feature -1; they begin at 0"),
        (3, "give a list of indices, or a text of terms such as 7, 10-99"),
        ([1, "two"], "give a list of indices, or a text of terms"),
        ({"density": 1}, "give a list of indices, or a text of terms"),
    ],
)
def test_mistake_is_named_when_the_settings_are_read(asked, words):
    with pytest.raises(ValidationError) as error:
        AutoInterpSettings.model_validate({**ONE, "features": asked})
    (mistake,) = error.value.errors()
    assert words in mistake["msg"]


def test_mistake_in_a_file_is_one_sentence_with_its_line(tmp_path):
    file = tmp_path / "interpret.toml"
    file.write_text('sae_name = "a"\nsae_series = "b"\nfeatures = "0-9, alife"\n')
    with pytest.raises(UserError) as error:
        load_settings(file, AutoInterpSettings)
    assert str(error.value) == (
        f"{file}, line 3: 'features': the term 'alife' is not known; the nearest is 'alive', and terms are "
        "7, 10-99, all, alive, density 1e-5..1e-2 or sample 200."
    )


def test_selection_and_budget_of_an_analysis_file_are_those_of_its_interpretation():
    settings = AnalysisSettings.model_validate(
        {
            "activation_factory": {"sources": [{"type": "dataset", "name": "text"}], "target": "activations-2d"},
            "analyzer": {"total_analyzing_tokens": 10},
            "features": "sample 5",
            "max_cost": 0.5,
            "max_tokens": 1000,
        }
    ).for_interpretation("b", "a")
    assert (settings.features, settings.max_cost, settings.max_tokens) == ("sample 5", 0.5, 1000)


ends = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)).map(sorted)
densities = st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda pair: pair[0] < pair[1])


@given(st.lists(ends, max_size=4), st.booleans(), st.none() | densities, st.none() | st.integers(1, 10**6), st.data())
def test_any_terms_in_any_order_come_back(pairs, is_alive, density, sample, data):
    terms = [f"{low}-{high}" for low, high in pairs]
    terms += ["alive"] if is_alive else []
    terms += [f"density {density[0]!r}..{density[1]!r}"] if density else []
    terms += [f"sample {sample}"] if sample else []
    shuffled = data.draw(st.permutations(terms))
    if not shuffled:
        return
    found = parse_selection(" ,".join(shuffled))
    assert sorted(map(str, found.ranges)) == sorted(str(range(low, high + 1)) for low, high in pairs)
    assert found.is_alive_only == (is_alive or not pairs)
    assert found.density == density and found.sample == sample


@given(st.text(max_size=30) | st.text("0123456789-., aliedns", max_size=30))
@example("density 1..2..3")
@example("0-")
def test_any_text_is_read_or_refused_by_a_sentence(text):
    try:
        parse_selection(text)
    except ValueError as error:
        assert str(error)[0].islower() and "\n" not in str(error)


def test_own_prices_stand_beside_the_list():
    own = {"my-model": {"input": 1, "output": 2}, "gpt-4o": {"input": 0, "output": 0}}
    prices = AutoInterpSettings.model_validate({**ONE, "auto_interp": {"prices": own}}).auto_interp.prices
    assert prices["my-model"].output == 2 and prices["gpt-4o"].input == 0
    assert prices["gpt-4o-mini"] == AutoInterpSettings.model_validate(ONE).auto_interp.prices["gpt-4o-mini"]
