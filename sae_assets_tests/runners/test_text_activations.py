"""A typed text is read as the analysis reads documents: the same tokens, the same numbers, the strongest features."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets import AbstractSparseAutoEncoder, TransformerLensLanguageModel, UserError
from sae_assets.interpretation.windows import example_window
from sae_assets.runners.analysed_model import AnalysedModel, TextReading, analysed_model
from sae_assets.runners.text_activations import TextModel, load_model, load_sae
from sae_assets.store.features import StoredFeature
from sae_assets.store.lookup import find_analysis
from sae_assets.store.reading import read_features
from sae_assets_tests.language_model.tiny_model import write_tiny_model
from sae_assets_tests.project import D_SAE, DEAD, HOOK_POINT, SAE_ID, TOP_K, TinyProject, write_sae
from sae_assets_tests.runners.published import analyze

ANALYSIS = "one-document-each"
TEXT = "The quick 日本語 fox 👩‍🚀 jumps.\n\tNaïve 🙂🙂 features"


@pytest.fixture(scope="module")
def analysed(tiny_project: TinyProject) -> TinyProject:
    """Analysed so that each context is the beginning of one document, as a typed text is."""
    analyze(tiny_project, feature_analysis_name=ANALYSIS, activation_factory={"pack_documents": False})
    return tiny_project


@pytest.fixture(scope="module")
def about(analysed: TinyProject) -> AnalysedModel:
    return known(analysed)


@pytest.fixture(scope="module")
def reader(about: AnalysedModel) -> TextModel:
    return loaded(about)


@pytest.fixture(scope="module")
def features(analysed: TinyProject) -> list[StoredFeature]:
    with analysed.store() as store:
        return list(read_features(store, SAE_ID, ANALYSIS))


@pytest.fixture
def analyzed_afresh(fresh_project: TinyProject) -> Iterator[TinyProject]:
    analyze(fresh_project)
    yield fresh_project


def known(project: TinyProject, analysis: str = ANALYSIS) -> AnalysedModel:
    with project.store() as store:
        return analysed_model(store, find_analysis(store, SAE_ID, analysis=analysis))


def loaded(about: AnalysedModel) -> TextModel:
    return TextModel(about, load_model(about.model), load_sae(about.sae, about.sae_identity))


def joined(reading: TextReading) -> str:
    return "".join(piece.text for piece in reading.pieces)


def activations(reader: TextModel, text: str) -> tuple[list[str], np.ndarray]:
    """The pieces of a text, and the activation of every feature on each, asked for one after the other."""
    readings = [reader.activations_of(text, feature) for feature in range(D_SAE)]
    pieces = [piece.text for piece in readings[0].pieces]
    values = [[piece.activation for piece in reading.pieces] for reading in readings]
    return pieces, np.array(values, dtype=np.float64).T


def test_numbers_are_those_of_the_analysis_on_the_same_context(reader, features):
    n_compared = n_active = 0
    for feature in features:
        for sample in [*feature.samples["top_activations"], *feature.samples["middle"]]:
            context, whole = sample.context, range(len(sample.context.tokens))
            places = (context.starts, context.stops, sample.positions, sample.values, whole)
            stored = example_window(context.context_idx, context.text, *places, max_length=len(whole))
            read = reader.activations_of(context.text, feature.index).pieces
            # The end of the context cuts a word, whose beginning alone may be other tokens.
            n_same = len(stored.pieces) - 4
            assert tuple(piece.text for piece in read[:n_same]) == stored.pieces[:n_same]
            values = [piece.activation for piece in read[:n_same]]
            np.testing.assert_allclose(values, stored.activations[:n_same], rtol=1e-4, atol=1e-4)
            n_compared += n_same
            n_active += int((stored.activations[:n_same] > 0).sum())
    assert n_compared > 5000
    assert n_active > 500


def test_activations_are_those_of_the_plain_model_and_encoder(reader, about, analysed):
    """Put together here from the parts, without any of the code that cuts contexts or runs batches."""
    model = TransformerLensLanguageModel(about.model)
    sae = AbstractSparseAutoEncoder.from_pretrained(str(analysed.checkpoint))
    tokenizer = model.tokenizer
    text = "The weather is fine today."
    ids = torch.tensor([[tokenizer.bos_id, *tokenizer.encode(text).ids.tolist()]])
    expected = sae.encode(model.activations(ids, [HOOK_POINT])[HOOK_POINT])[0, 1:]
    pieces, values = activations(reader, text)
    assert "".join(pieces) == text and len(pieces) == ids.shape[1] - 1
    np.testing.assert_allclose(values, expected.detach().numpy(), rtol=1e-4, atol=1e-4)


def test_strongest_features_are_the_largest_of_all_with_ties_to_the_smaller_index(reader):
    pieces, values = activations(reader, TEXT)
    reading = reader.strongest_features(TEXT, 5)
    assert [piece.text for piece in reading.pieces] == pieces
    for piece, of_piece in zip(reading.pieces, values, strict=True):
        expected = sorted((-value, index) for index, value in enumerate(of_piece) if value > 0)[:5]
        assert [(-feature.activation, feature.index) for feature in piece.strongest] == expected
        assert piece.activation is None


def test_ties_go_to_the_smaller_index(about, tmp_path):
    folder = write_sae(tmp_path / "twins")
    sae = AbstractSparseAutoEncoder.from_pretrained(str(folder))
    with torch.no_grad():
        sae.W_E[:, 40:] = sae.W_E[:, :24].clone()  # pyright: ignore[reportIndexIssue]
    reading = TextModel(about, load_model(about.model), sae).strongest_features("The sea is calm.", D_SAE)
    for piece in reading.pieces:
        pairs = [(-feature.activation, feature.index) for feature in piece.strongest]
        assert pairs == sorted(pairs)
    tied = [
        one
        for piece in reading.pieces
        for one, other in zip(piece.strongest, piece.strongest[1:], strict=False)
        if one.activation == other.activation
    ]
    assert tied


def test_as_many_features_are_given_as_are_active(reader):
    reading = reader.strongest_features("The quick brown fox", D_SAE)
    assert {len(piece.strongest) for piece in reading.pieces} == {TOP_K}
    assert DEAD not in {feature.index for piece in reading.pieces for feature in piece.strongest}
    assert {len(piece.strongest) for piece in reader.strongest_features("The quick brown fox", 2).pieces} == {2}


def test_tokens_that_share_a_character_are_one_piece(reader):
    reading = reader.strongest_features("a🙂日b", 3)
    assert [piece.text for piece in reading.pieces] == ["a", "🙂", "日", "b"]
    assert reading.n_tokens == len(reader.model.tokenizer.encode("a🙂日b").ids) > 4


def test_bos_is_no_piece_unless_something_is_active_on_it(reader, about):
    assert reader.activations_of("fox", 3).pieces[0].text != ""
    counted = about.factory.model_copy(update={"ignore_token_ids": []})
    reading = TextModel(replace(about, factory=counted), reader.model, reader.sae).strongest_features("fox", 3)
    assert reading.pieces[0].text == "" and len(reading.pieces[0].strongest) == 3
    assert joined(reading) == "fox"


def test_model_without_bos_reads_without_it(reader, about):
    (source,) = about.factory.sources
    without = about.factory.model_copy(update={"sources": [source.model_copy(update={"prepend_bos": False})]})
    bare = TextModel(replace(about, factory=without), reader.model, reader.sae)
    _, with_bos = activations(reader, "The sea")
    _, without_bos = activations(bare, "The sea")
    assert with_bos.shape == without_bos.shape
    assert not np.allclose(with_bos, without_bos)


@pytest.mark.parametrize(
    "text",
    [
        "שלום عليكم",
        "\tif x:\n\t\tpass\r\n",
        "<script>alert('</script>')</script>",
        "x" * 200,
        " ",
        "\u202e\u0000",
        "</s>",
    ],
)
def test_pieces_join_to_the_text(reader, text):
    for reading in (reader.activations_of(text, 0), reader.strongest_features(text, 2)):
        assert joined(reading) == text
        assert not reading.is_truncated


@settings(max_examples=40, deadline=None)
@given(text=st.text(min_size=1, max_size=40))
def test_any_text_is_read_whole_and_alike_by_both_questions(reader, text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    strongest = reader.strongest_features(text, D_SAE)
    assert joined(strongest) == text
    index = next((piece.strongest[0].index for piece in strongest.pieces if piece.strongest), 0)
    one = reader.activations_of(text, index)
    of_index = [dict(piece.strongest).get(index, 0.0) for piece in strongest.pieces]
    assert [(piece.text, piece.activation) for piece in one.pieces] == [
        (piece.text, value) for piece, value in zip(strongest.pieces, of_index, strict=True)
    ]


def test_long_text_is_read_as_far_as_the_model_can_and_says_so(reader):
    text = "The weather is fine today. " * 200
    reading = reader.strongest_features(text, 1)
    assert reading.is_truncated
    assert reading.n_tokens == reader.model.max_length - 1  # and BOS
    assert text.startswith(joined(reading))
    shorter = reader.activations_of(text[:200], 5).pieces[:-2]
    longer = reader.activations_of(text, 5).pieces[: len(shorter)]
    assert [piece.text for piece in shorter] == [piece.text for piece in longer]
    np.testing.assert_allclose(
        [piece.activation for piece in shorter], [piece.activation for piece in longer], rtol=1e-4, atol=1e-4
    )


def test_text_as_long_as_the_model_can_take_is_not_truncated(reader):
    text = "".join(["a b"[n % 2 * 2] for n in range(reader.model.max_length - 1)])
    ids = reader.model.tokenizer.encode(text).ids
    assert len(ids) == reader.model.max_length - 1
    assert not reader.strongest_features(text, 1).is_truncated
    assert reader.strongest_features(text + "a", 1).is_truncated


def test_no_more_than_1024_tokens_are_read(about, reader, tmp_path):
    model = load_model(about.model.model_copy(update={"model_name": str(write_tiny_model(tmp_path, 1, 4096))}))
    reading = TextModel(about, model, reader.sae).strongest_features("ab cd " * 2000, 1)
    assert reading.is_truncated and reading.n_tokens == 1023


@pytest.mark.parametrize("feature", [-1, D_SAE])
def test_feature_that_does_not_exist_is_one_sentence(reader, feature):
    sentence = f"There is no feature {feature} in '{SAE_ID}/{ANALYSIS}'; they go from 0 to 63."
    with pytest.raises(UserError, match=sentence):
        reader.activations_of("fox", feature)


def test_text_without_a_token_is_one_sentence(reader):
    with pytest.raises(UserError, match=r"^The text has no token of the language model; type some more\.$"):
        reader.strongest_features("", 3)


def test_weights_that_have_changed_are_refused(analyzed_afresh):
    about = known(analyzed_afresh, "default")
    load_sae(about.sae, about.sae_identity)
    write_sae(analyzed_afresh.checkpoint, seed=1)
    with pytest.raises(UserError, match=r"^The weights of '.*sae-l0' have changed since they were analysed; analyse"):
        load_sae(about.sae, about.sae_identity)


def test_model_of_another_width_is_one_sentence(about, reader, tmp_path):
    sae = AbstractSparseAutoEncoder.from_pretrained(str(write_sae(tmp_path / "narrow", d_model=16)))
    with pytest.raises(UserError, match=r"has d_model 32 at 'blocks.0.hook_resid_post' and the SAE has d_model 16"):
        TextModel(about, reader.model, sae).strongest_features("fox", 1)


@pytest.mark.parametrize("changes", [{"model": None}, {"model_name": "a name of its own"}])
def test_model_is_the_one_of_the_settings_or_of_its_stored_name(analyzed_afresh, changes):
    with analyzed_afresh.store() as store:
        found = find_analysis(store, SAE_ID)
        stored = found.analysis.settings
        again = replace(found, analysis=found.analysis.model_copy(update={"settings": stored | changes}))
        assert analysed_model(store, again).model.model_name == str(analyzed_afresh.model)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "was published without its settings or by another version; run it again"),
        ({"unknown_key": 1}, "was published without its settings or by another version; run it again"),
        (None, "read activations from disk and does not say which language model made them"),
    ],
)
def test_analysis_that_says_too_little_is_one_sentence(analyzed_afresh, change: dict[str, Any] | None, sentence):
    with analyzed_afresh.store() as store:
        found = find_analysis(store, SAE_ID)
        sae = found.sae.model_copy(update={"model_name": None})
        values = {} if change == {} else found.analysis.settings | (change or {"model": None})
        told = replace(found, sae=sae, analysis=found.analysis.model_copy(update={"settings": values}))
        with pytest.raises(UserError, match=sentence):
            analysed_model(store, told)


def test_device_that_this_machine_lacks_becomes_the_cpu(about):
    on_gpu = about.model.model_copy(update={"device": "cuda:7"})
    assert load_model(on_gpu).device.type == "cpu"
