"""Texts that go wrong where a page is careless, as the contexts, explanations, notes, tags and lists of features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sae_assets.activations.batch import ActivationBatch
from sae_assets.activations.context import Context
from sae_assets.analysis.analyzer import FeatureAnalyzer
from sae_assets.analysis.geometry import dictionary_geometry
from sae_assets.analysis.logits import attribute_logits
from sae_assets.dictionary.config import SAEConfig
from sae_assets.dictionary.sparse_autoencoder import SparseAutoEncoder
from sae_assets.settings import DirectLogitAttributorConfig, FeatureAnalyzerConfig, SubsampleConfig
from sae_assets.store.annotations import annotate
from sae_assets.store.connection import Store
from sae_assets.store.documents import SAEDocument
from sae_assets.store.explanations import write_by_hand
from sae_assets.store.lists import BOOKMARKS, add_to_list, create_list
from sae_assets.store.publish import AnalysisRecord, publish_analysis, publish_logits
from sae_assets_tests.browser.chromium import PROGRAM_RAN
from sae_assets_tests.project import TinyProject

SERIES, NAME = "hostile", "texts"
SAE_ID = f"{SERIES}/{NAME}"
PLACE = f"/saes/{SERIES}/{NAME}/default"
RUNS = f"window.{PROGRAM_RAN}=1"
SPLIT = 3
"""Tokens that a character outside ASCII is split into, all of which cover it whole."""
CONTEXTS = {
    "split characters": ["日本語", "は", "👩‍🚀", "🇯🇵", "é", " done"],
    "cjk": ["東京都", "の", "天気", "は", "晴れ", "、", "한국어", " and ", "中文"],
    "emoji": ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", " ok"],
    "right to left": ["שלום", " ", "עולם", ", ", "مرحبا", " ", "بالعالم", " then english"],
    "direction marks": ["before ", "\u202e", "reversed", "\u202c", " after", "\u200b", "\u2066x\u2069"],
    "code": ["def", " f", "(x):", "\n", "\t", "if x:", "\n", "\t\t", "return", "\r\n", "<T>", " && y"],
    "a long token": ["short ", "x" * 3000, " short"],
    "script": [f"<script>{RUNS}</script>", f"<img src=x onerror={RUNS}>", f"\"'><svg onload={RUNS}>"],
    "template": [
        "{{7*7}}",
        "${7*7}",
        "{% raw %}",
        "&lt;b&gt;&amp;",
        "</textarea>",
        "</title>",
        "<!--",
        "]]>",
        "%3Cb%3E",
    ],
    "operators": ['{"$gt": ""}', "{'$where': '1'}", "$ne", "__proto__", ".*", "'; DROP TABLE"],
    "controls": ["bell\x07", "\x1b[31mred\x1b[0m", "null\x00byte", "\ufeff", "\x85", "\u2028line"],
}
"""The tokens of one context for each feature; feature i is active on all tokens of the i-th and on nothing else."""
NAMES = list(CONTEXTS)
TEXTS = ["".join(pieces) for pieces in CONTEXTS.values()]
MARKUP = (
    f'</textarea></title><b>bold</b><script>{RUNS}</script><img src=x onerror={RUNS}> {{{{7*7}}}} " onclick={RUNS} x="'
)
"""What somebody wrote as explanation, note, tag and description."""
TAG, LIST = '<i>tag</i> & "more" 日本', f"<img src=x onerror={RUNS}> & 'list'"


def write_hostile(project: TinyProject) -> None:
    """Publishes the texts in the project's store, with logits and with what people wrote."""
    contexts = [_context(index, pieces) for index, pieces in enumerate(CONTEXTS.values())]
    with project.store() as store:
        _publish(store, contexts)
        create_list(store, LIST, MARKUP)
        for index in range(len(contexts)):
            write_by_hand(store, SAE_ID, "default", index, TEXTS[index] if index % 2 else MARKUP)
            annotate(store, SAE_ID, index, [TAG, "ok"], MARKUP)
            add_to_list(store, LIST, SAE_ID, index, MARKUP)
            add_to_list(store, BOOKMARKS, SAE_ID, index)


def hostile_project(root: Path) -> TinyProject:
    """A project in this folder, with no checkpoints of its own."""
    return TinyProject(root, model=root, text=root)


def _context(index: int, pieces: list[str]) -> Context:
    """A context in which every character outside ASCII is split into several tokens, padded to the longest."""
    spans, start = [], 0
    for piece in pieces:
        if piece.isascii():
            spans.append((start, start + len(piece)))
        else:
            spans += [(place, place + 1) for place in range(start, start + len(piece)) for _ in range(SPLIT)]
        start += len(piece)
    n_tokens = max(sum(1 if piece.isascii() else SPLIT * len(piece) for piece in one) for one in CONTEXTS.values())
    mask = np.arange(n_tokens) < len(spans)
    starts, stops = np.array(spans + [(start, start)] * (n_tokens - len(spans)), dtype=np.int32).T
    tokens = np.zeros(n_tokens, dtype=np.int32)
    return Context(index, "hostile <b>texts</b>", index, "".join(pieces), tokens, starts.copy(), stops.copy(), mask)


def _publish(store: Store, contexts: list[Context]) -> None:
    n_features = len(contexts) + 1  # the last one is dead
    mask = torch.from_numpy(np.stack([one.mask for one in contexts]))
    strengths = 1 + torch.arange(mask.shape[1]) % 7
    activations = torch.zeros(*mask.shape, n_features)
    for index in range(len(contexts)):
        activations[index, :, index] = strengths * mask[index]
    batch = ActivationBatch(torch.arange(len(contexts)), torch.zeros_like(mask, dtype=torch.long), mask, activations)
    config = SAEConfig(
        d_model=n_features,
        expansion_factor=1,
        hook_point_in="hook",
        hook_point_out="hook",
        norm_activation="inference",
        sparsity_include_decoder_norm=False,
    )
    sae = SparseAutoEncoder(config).requires_grad_(False)
    for weights in (sae.W_E, sae.W_D):
        weights.copy_(torch.eye(n_features))
    subsamples = {
        "top_activations": SubsampleConfig(proportion=1.0, n_samples=5),
        "non_activating": SubsampleConfig(proportion=0.3, n_samples=20),
    }
    cfg = FeatureAnalyzerConfig(total_analyzing_tokens=mask.numel(), subsamples=subsamples)
    summaries = FeatureAnalyzer(cfg).analyze_batches([batch], sae=sae)
    document = SAEDocument(
        id=SAE_ID,
        series=SERIES,
        name=NAME,
        path="/nowhere/<b>weights</b>",
        identity="0" * 16,
        config={"sae_type": MARKUP},
        model_name=f"model <script>{RUNS}</script>",
        hook_point="hook <b>point</b>",
        d_model=n_features,
        d_sae=n_features,
    )
    geometry = dictionary_geometry(sae.encoder, sae.decoder)
    record = AnalysisRecord("default", "source", {"note": MARKUP, "<b>key</b>": {"nested": [MARKUP]}})
    publish_analysis(store, document, record, summaries, geometry, contexts)
    outputs = [piece for pieces in CONTEXTS.values() for piece in pieces]
    unembedding = torch.randn(n_features, len(outputs), generator=torch.Generator().manual_seed(0))
    logits = attribute_logits(sae.decoder, unembedding, DirectLogitAttributorConfig(variant="raw"), None)
    publish_logits(store, SAE_ID, "default", logits, outputs.__getitem__)
