"""The samples on which features peak highest, without their contexts: where one looks for what is like a feature."""

from __future__ import annotations

from collections.abc import Iterable

from sae_assets.settings.errors import UserError
from sae_assets.store.connection import Store, readable
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.queries import where
from sae_assets.store.set_documents import SamplesDocument
from sae_assets.store.unpacking import PackedSample, unpacked_samples


@readable
def strongest_samples(
    store: Store, analysis: AnalysisDocument, indices: Iterable[int]
) -> dict[int, list[PackedSample]]:
    """All active samples of these features, strongest first; of one context in several subsamples, that of the first.

    Raises:
        UserError: another run replaced the analysis since it was looked up.
    """
    asked = set(indices)
    wanted = where(analysis=analysis.features_id or "").among("index", asked)
    found = map(SamplesDocument.of, store["samples"].find(wanted.filter))
    strongest = {one.index: _strongest(one) for one in found}
    if strongest.keys() != asked:
        raise UserError(f"Another run replaced {analysis.id!r} while it was being read; start again.")
    return strongest


def _strongest(feature: SamplesDocument) -> list[PackedSample]:
    by_context: dict[int, PackedSample] = {}
    for subsample in feature.subsamples:
        for sample in unpacked_samples(subsample):
            if sample.peak > 0:
                by_context.setdefault(sample.context_idx, sample)
    return sorted(by_context.values(), key=lambda sample: (-sample.peak, sample.context_idx))
