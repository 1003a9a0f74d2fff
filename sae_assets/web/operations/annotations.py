"""Tags and notes on features of an SAE, whatever the analysis."""

from __future__ import annotations

from sae_assets.store.annotations import annotate as annotate_in_store
from sae_assets.store.annotations import annotations_of
from sae_assets.store.kept_documents import AnnotationDocument
from sae_assets.store.lookup import find_sae
from sae_assets.web.context import WebContext, refuse_out_of_range
from sae_assets.web.models.notes import Annotation


def annotation(context: WebContext, series: str, name: str, index: int) -> Annotation:
    """Tags and note of a feature; empty where nobody wrote any.

    Raises:
        NotFoundError: there is no such feature.
    """
    sae_id = known_feature(context, series, name, index)
    stored = annotations_of(context.store, sae_id, [index]).get(index)
    return Annotation() if stored is None else _as_stored(stored)


def annotate(context: WebContext, series: str, name: str, index: int, new: Annotation) -> Annotation:
    """Puts tags and a note on a feature, in place of those that are there.

    Raises:
        NotFoundError: there is no such feature.
    """
    stored = annotate_in_store(context.store, known_feature(context, series, name, index), index, new.tags, new.note)
    return _as_stored(stored)


def known_feature(context: WebContext, series: str, name: str, index: int) -> str:
    """Id of the SAE, once it is sure that it has this feature.

    Raises:
        NotFoundError: there is no such SAE, or it has no such feature.
    """
    sae = find_sae(context.store, f"{series}/{name}")
    refuse_out_of_range(sae.id, sae.d_sae, index)
    return sae.id


def _as_stored(stored: AnnotationDocument) -> Annotation:
    """Not checked: what others than the API wrote may be longer than it takes."""
    return Annotation.model_construct(tags=stored.tags, note=stored.note)
