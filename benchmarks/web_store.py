"""A store as large as a real one, for `web.py`: a random dictionary with samples, logits and explanations."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice

import torch
from store import D_MODEL, N_SAMPLES, context, random_batch, random_sae

from sae_assets.analysis.analyzer import FeatureAnalyzer
from sae_assets.analysis.geometry import dictionary_geometry
from sae_assets.analysis.logits import attribute_logits
from sae_assets.settings import DirectLogitAttributorConfig, FeatureAnalyzerConfig, SubsampleConfig
from sae_assets.store.annotations import annotate
from sae_assets.store.connection import Store
from sae_assets.store.documents import SAEDocument
from sae_assets.store.explanations import save_explanations
from sae_assets.store.kept_documents import ExplanationVersionDocument
from sae_assets.store.lists import BOOKMARKS, add_to_list
from sae_assets.store.publish import AnalysisRecord, publish_analysis, publish_logits

SERIES, NAME = "bench", "random"
SAE_ID = f"{SERIES}/{NAME}"
VOCABULARY = 49_152
"""Output tokens, as many as SmolLM2 has."""
N_ANNOTATED, N_BOOKMARKED = 1_000, 500
AT_A_TIME = 5_000
"""Explanations that are written together."""


def fill(store: Store, d_sae: int) -> None:
    """Publishes an analysis of `d_sae` features with logits; explains every one; tags and bookmarks some."""
    torch.manual_seed(0)
    sae, batch = random_sae(d_sae), random_batch()
    subsamples = {
        "top_activations": SubsampleConfig(proportion=1.0, n_samples=N_SAMPLES),
        "non_activating": SubsampleConfig(proportion=0.3, n_samples=20, max_length=50),
    }
    cfg = FeatureAnalyzerConfig(total_analyzing_tokens=batch.tokens.numel(), subsamples=subsamples)
    summaries = FeatureAnalyzer(cfg).analyze_batches([batch], sae=sae)
    geometry = dictionary_geometry(sae.encoder, sae.decoder)
    document = SAEDocument(
        id=SAE_ID,
        series=SERIES,
        name=NAME,
        path="none",
        identity="0" * 16,
        config={},
        model_name=None,
        hook_point="random",
        d_model=D_MODEL,
        d_sae=d_sae,
    )
    contexts = map(context, summaries.sampled_contexts)
    publish_analysis(store, document, AnalysisRecord("default", "source"), summaries, geometry, contexts)
    unembedding = torch.randn(D_MODEL, VOCABULARY)
    logits = attribute_logits(sae.decoder, unembedding, DirectLogitAttributorConfig(variant="raw"), None)
    words = _words()
    publish_logits(store, SAE_ID, "default", logits, lambda token: " " + words[token])
    explanations = _explanations(d_sae, words)
    while some := list(islice(explanations, AT_A_TIME)):
        save_explanations(store, some)
    chosen = random.Random(1).sample(range(d_sae), min(N_ANNOTATED, d_sae))
    for index in chosen:
        annotate(store, SAE_ID, index, ["seen", f"tag {index % 7}"], "A note that somebody wrote.")
    for index in chosen[:N_BOOKMARKED]:
        add_to_list(store, BOOKMARKS, SAE_ID, index)


def _words() -> list[str]:
    """The texts of the vocabulary, each another one."""
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    draw = random.Random(0)
    return [f"{''.join(draw.choices(syllables, k=draw.randint(1, 3)))}{number:x}" for number in range(VOCABULARY)]


def _explanations(d_sae: int, words: list[str]) -> Iterator[ExplanationVersionDocument]:
    draw = random.Random(0)
    common = ["the", "word", "before", "names", "of", "in", "numbers", "after", "country", "years", *words[:2_000]]
    for index in range(d_sae):
        values = {"detection": draw.random(), "simulation": 2 * draw.random() - 1}
        yield ExplanationVersionDocument(
            sae=SAE_ID,
            analysis="default",
            index=index,
            text=" ".join(draw.choices(common, k=12)),
            consistency=1 + index % 5,
            complexity=1 + index // 5 % 5,
            scores=[{"scorer": scorer, "value": value, "n": 20, "n_unparsable": 0} for scorer, value in values.items()],
            explainer="openai",
            model="a-language-model",
            prompt="A prompt of some length. " * 80,
            answer="An answer of some length. " * 8,
            usage={"requests": 3, "prompt_tokens": 3600, "completion_tokens": 240},
            seconds=2.5,
        )
