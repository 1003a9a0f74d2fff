"""Contexts hold every token of the documents once and in order, each with its characters, up to exactly the budget."""

from collections import Counter
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets.activations.contexts import Context, cut_contexts
from sae_assets.language_model.tokenizer import TextTokenizer
from sae_assets.settings import ActivationFactoryDatasetSource, UserError
from sae_assets_tests.activations.corpora import TEXTS, factory_cfg, rows

BOS, EOS, PAD = 0, 1, 2


def contexts_of(tokenizer, texts=TEXTS, budget=None, beside=(), **changes) -> list[Context]:
    datasets = {"web": rows(texts)}
    return list(cut_contexts(factory_cfg(**changes), datasets, tokenizer, budget, beside))


def put_in(context: Context) -> np.ndarray:
    """Which positions hold no token of a document."""
    return context.starts == context.stops


def joined(context: Context) -> str:
    """The text put together from the ranges of the tokens, each character once."""
    pieces, done = [], 0
    for start, stop in zip(context.starts, context.stops, strict=True):
        assert start <= done
        pieces.append(context.text[max(start, done) : stop])
        done = max(done, int(stop))
    return "".join(pieces)


def document_tokens(contexts: list[Context]) -> list[int]:
    return np.concatenate([context.tokens[~put_in(context)] for context in contexts]).tolist()


def ids_of(tokenizer, texts) -> list[int]:
    return [int(token) for text in texts for token in tokenizer.encode(text).ids]


characters = st.one_of(st.characters(codec="utf-8"), st.sampled_from("日本語の文한국어👩🚀\u200d\ufe0f é\n"))
documents = st.lists(st.text(characters, max_size=30), min_size=1, max_size=6).filter(any)


@settings(max_examples=80, deadline=None)
@given(
    texts=documents,
    size=st.integers(2, 20),
    separator=st.sampled_from(["bos", "eos", "none"]),
    prepend_bos=st.booleans(),
)
def test_packed_contexts_hold_every_token_once_and_in_order(tokenizer, texts, size, separator, prepend_bos):
    source = ActivationFactoryDatasetSource(name="web", prepend_bos=prepend_bos)
    changes = {"context_size": size, "document_separator": separator, "sources": [source]}
    contexts = contexts_of(tokenizer, texts, **changes)
    assert document_tokens(contexts) == ids_of(tokenizer, texts)
    assert [context.context_idx for context in contexts] == list(range(len(contexts)))
    assert all(len(context.tokens) == len(context.mask) == size for context in contexts)
    assert all(joined(context) == context.text for context in contexts)


@settings(max_examples=80, deadline=None)
@given(texts=documents, size=st.integers(2, 20))
def test_a_range_is_the_characters_that_the_token_has_a_byte_of(tokenizer, texts, size):
    for context in contexts_of(tokenizer, texts, context_size=size, pack_documents=False):
        text, own = texts[context.document_idx], ~put_in(context)
        whole = tokenizer.encode(text)
        n_tokens = own.sum()
        assert context.text == text[: whole.stops[n_tokens - 1]] == joined(context)
        np.testing.assert_array_equal(context.tokens[own], whole.ids[:n_tokens])
        np.testing.assert_array_equal(context.starts[own], whole.starts[:n_tokens])
        np.testing.assert_array_equal(context.stops[own], whole.stops[:n_tokens])


def test_a_character_cut_by_a_border_is_whole_on_both_sides(tokenizer):
    contexts = contexts_of(tokenizer, ["日本"], context_size=3)
    assert [context.text for context in contexts] == ["日", "日本", "本"]
    assert contexts[1].starts.tolist() == [0, 0, 1]
    assert contexts[1].stops.tolist() == [0, 1, 2]


def test_packed_documents_lie_end_to_end_with_a_separator(tokenizer):
    a, b, c = (tokenizer.encode(letter).ids[0] for letter in "abc")
    (context,) = contexts_of(tokenizer, ["ab", "c"], context_size=7, document_separator="eos")
    assert context.tokens.tolist() == [BOS, a, b, EOS, c, PAD, PAD]
    assert context.mask.tolist() == [False, True, True, False, True, False, False]
    assert context.text == "abc"
    assert context.starts.tolist() == [0, 0, 1, 2, 2, 3, 3]
    assert context.stops.tolist() == [0, 1, 2, 2, 3, 3, 3]
    assert (context.dataset, context.document_idx) == ("web", 0)


@pytest.mark.parametrize(("separator", "expected"), [("bos", [BOS]), ("eos", [EOS]), ("none", [])])
def test_the_separator_is_what_the_settings_say(tokenizer, separator, expected):
    contexts = contexts_of(tokenizer, ["a", "b"], context_size=4, document_separator=separator)
    (a, b) = ids_of(tokenizer, "ab")
    assert contexts[0].tokens.tolist() == [BOS, a, *expected, b, PAD][:4]


def test_a_window_of_many_documents_names_the_first(tokenizer):
    contexts = contexts_of(tokenizer, ["a", "b", "c", "d", "e"], context_size=4, document_separator="none")
    assert [(context.document_idx, context.text) for context in contexts] == [(0, "abc"), (3, "de")]


def test_unpacked_contexts_are_the_beginning_of_a_document_each(tokenizer):
    contexts = contexts_of(tokenizer, ["abcdef", "", "g"], context_size=5, pack_documents=False)
    assert [(context.document_idx, context.text) for context in contexts] == [(0, "abcd"), (2, "g")]
    assert [int(context.mask.sum()) for context in contexts] == [4, 1]
    assert contexts[1].tokens.tolist() == [BOS, *ids_of(tokenizer, "g"), PAD, PAD, PAD]


@pytest.mark.parametrize("of_source", [True, False])
@pytest.mark.parametrize("of_model", [True, False])
@pytest.mark.parametrize("pack_documents", [True, False])
def test_bos_comes_where_both_source_and_model_say_so(model_cfg, of_source, of_model, pack_documents):
    tokenizer = TextTokenizer(model_cfg.model_copy(update={"prepend_bos": of_model}))
    source = ActivationFactoryDatasetSource(name="web", prepend_bos=of_source)
    changes = {"sources": [source], "pack_documents": pack_documents, "context_size": 8}
    for context in contexts_of(tokenizer, ["0123456789" * 5], **changes):
        assert (context.tokens[0] == BOS) == (of_source and of_model)
        assert (context.tokens[1:] != BOS).all()


def test_special_tokens_count_nowhere_unless_the_settings_say_otherwise(tokenizer):
    texts = ["a<s>b</s>", "c"]
    for context in contexts_of(tokenizer, texts):
        np.testing.assert_array_equal(context.mask, ~np.isin(context.tokens, [BOS, EOS, PAD]))
    (context,) = contexts_of(tokenizer, texts, ignore_token_ids=[], context_size=8)
    assert context.mask.tolist() == [True] * 7 + [False], "padding counts nowhere, whatever is ignored"


def test_ignored_tokens_and_positions_count_nowhere(tokenizer):
    in_settings, beside = ids_of(tokenizer, "a日")[:2]
    for context in contexts_of(tokenizer, ["abc" * 9 + "日日"], beside=[beside], ignore_positions=[0, 3, 99]):
        assert not context.mask[[0, 3]].any()
        assert not (context.mask & (context.tokens == beside)).any()
    (context,) = contexts_of(tokenizer, ["abcabc"], ignore_token_ids=[in_settings], context_size=7)
    assert context.mask.tolist() == [True, False, True, True, False, True, True]


@pytest.mark.parametrize("budget", [1, 14, 15, 16, 100, 333])
@pytest.mark.parametrize("pack_documents", [True, False])
def test_contexts_end_at_exactly_the_budget(tokenizer, budget, pack_documents):
    contexts = contexts_of(tokenizer, budget=budget, pack_documents=pack_documents)
    everything = contexts_of(tokenizer, pack_documents=pack_documents)
    assert sum(int(context.mask.sum()) for context in contexts) == budget
    assert contexts[-1].mask.any()
    for context, full in zip(contexts, everything, strict=False):
        np.testing.assert_array_equal(context.tokens, full.tokens)
    np.testing.assert_array_equal(contexts[0].mask[: budget + 1], everything[0].mask[: budget + 1])


def test_a_budget_beyond_the_documents_ends_with_them(tokenizer):
    contexts = contexts_of(tokenizer, budget=10**6)
    assert sum(int(context.mask.sum()) for context in contexts) == len(ids_of(tokenizer, TEXTS))


def mixed(tokenizer, n_documents: dict[str, int], weights: dict[str, float], seed: int = 42) -> list[str]:
    """The source of each context, where every document makes one."""
    sources = [ActivationFactoryDatasetSource(name=name, sample_weights=weight) for name, weight in weights.items()]
    datasets = {name: rows([f"{name} {i}" for i in range(n)]) for name, n in n_documents.items()}
    cfg = factory_cfg(sources=sources, pack_documents=False, seed=seed)
    contexts = list(cut_contexts(cfg, datasets, tokenizer, None))
    for name, n in n_documents.items():
        own = [context for context in contexts if context.dataset == name]
        assert [context.document_idx for context in own] == list(range(n)), "every document once and in order"
        assert all(context.text.startswith(name) for context in own)
    return [context.dataset for context in contexts]


def test_sources_are_mixed_by_their_weights(tokenizer):
    order = mixed(tokenizer, {"web": 900, "code": 900}, {"web": 3.0, "code": 1.0})
    shares = Counter(order[:800])
    assert 0.70 < shares["web"] / 800 < 0.80
    assert max(len(list(run)) for _, run in groupby(order[:800])) < 40, "mixed, and not one after the other"


def test_the_order_of_sources_is_that_of_the_seed(tokenizer):
    n_documents, weights = {"web": 40, "code": 40}, {"web": 1.0, "code": 1.0}
    order = mixed(tokenizer, n_documents, weights)
    assert order == mixed(tokenizer, n_documents, weights)
    assert order != mixed(tokenizer, n_documents, weights, seed=43)


def test_a_source_that_ends_drops_out(tokenizer):
    order = mixed(tokenizer, {"web": 5, "code": 100}, {"web": 1.0, "code": 1.0})
    assert Counter(order) == {"web": 5, "code": 100}
    assert set(order[-60:]) == {"code"}


@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_a_dataset_without_a_token_is_refused(tokenizer, texts):
    with pytest.raises(UserError, match=r"^The dataset 'web' is empty: it has no document with a token\.$"):
        contexts_of(tokenizer, texts)


def test_empty_documents_are_left_out(tokenizer):
    full, sparse = contexts_of(tokenizer, ["ab", "cd"]), contexts_of(tokenizer, ["", "ab", "", "cd", ""])
    assert [context.tokens.tolist() for context in full] == [context.tokens.tolist() for context in sparse]
    assert sparse[0].document_idx == 1


def test_a_missing_dataset_names_the_nearest(tokenizer):
    with pytest.raises(UserError, match=r"^Unknown dataset 'web' in `datasets`; the nearest is 'wep'\.$"):
        list(cut_contexts(factory_cfg(), {"wep": [], "code": []}, tokenizer, None))


@settings(max_examples=60, deadline=None)
@given(ids=st.lists(st.integers(3, 300), min_size=1, max_size=40), size=st.integers(2, 20))
def test_a_tokenized_dataset_keeps_its_tokens(tokenizer, ids, size):
    cfg = factory_cfg(
        sources=[ActivationFactoryDatasetSource(name="web", is_dataset_tokenized=True)], context_size=size
    )
    contexts = list(cut_contexts(cfg, {"web": [{"tokens": ids}]}, tokenizer, None))
    tokens = [int(token) for context in contexts for token in context.tokens[context.mask]]
    assert tokens == ids
    assert all(joined(context) == context.text for context in contexts)


@pytest.mark.parametrize("bad", [-1, 10**4, "a", None])
def test_an_id_that_is_no_token_is_one_sentence(tokenizer, bad):
    cfg = factory_cfg(sources=[ActivationFactoryDatasetSource(name="web", is_dataset_tokenized=True)])
    sentence = rf"^Document 1 of a tokenized dataset holds {bad!r}, which is no token of the model; its ids are 0 to"
    with pytest.raises(UserError, match=sentence):
        list(cut_contexts(cfg, {"web": [{"tokens": [5]}, {"tokens": [5, bad]}]}, tokenizer, None))
