"""`export html`: some features as one page without script, that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup

from sae_assets.disk.layout import DataFolder
from sae_assets.engine.progress import Progress, Step, silent
from sae_assets.export.folder import Exported, write_folder
from sae_assets.runners.selected_features import selected_features
from sae_assets.settings.errors import UserError
from sae_assets.settings.selection import parse_selection
from sae_assets.store.connection import Store
from sae_assets.store.lists import items_of
from sae_assets.store.lookup import FoundAnalysis
from sae_assets.web.catalogue import Catalogue
from sae_assets.web.context import WebContext
from sae_assets.web.inference.service import InferenceService
from sae_assets.web.models.features import Feature
from sae_assets.web.operations.features import feature
from sae_assets.web.pages.templating import STATIC, environment

FILE = "index.html"
MOST_FEATURES = 1000
"""Features of a page at most: each adds some 60 kB, and a browser lays all of them out."""
DEFAULT_FEATURES = "sample 50"


@dataclass(frozen=True)
class ChosenFeatures:
    """The features of a page."""

    title: str
    """What they were chosen by: the terms, or the name of a list."""
    indices: Sequence[int]
    """Which features, in the order of the page."""


def chosen_features(store: Store, found: FoundAnalysis, terms: str | None, list_name: str | None) -> ChosenFeatures:
    """The features that terms such as "0-99, alive, sample 50" mean, or those of a named list, in its order.

    Raises:
        UserError: both are given, the terms cannot be read, there is no such list, or it has no or too many features.
    """
    if terms is not None and list_name is not None:
        raise UserError("Give --features or --list, not both.")
    if list_name is not None:
        title = f"the list {list_name!r}"
        indices = [item.index for item in items_of(store, list_name) if item.sae == found.sae.id]
        indices = [index for index in indices if 0 <= index < found.analysis.d_sae]
    else:
        title = terms or DEFAULT_FEATURES
        try:
            selection = parse_selection(title)
        except ValueError as error:
            raise UserError(f"--features: {error}.") from None
        indices = selected_features(store, found.analysis, selection)
    if not indices:
        raise UserError(f"No feature of {found.analysis.id!r} is in {title}; choose others by --features.")
    if len(indices) > MOST_FEATURES:
        raise UserError(
            f"{title} means {len(indices):,} features, and a page holds {MOST_FEATURES:,} at most; add "
            f"'sample {MOST_FEATURES}', or export them as Parquet."
        )
    return ChosenFeatures(title, indices)


def export_html(
    store: Store,
    data: DataFolder,
    found: FoundAnalysis,
    chosen: ChosenFeatures,
    folder: Path,
    progress: Progress = silent,
) -> Exported:
    """Writes `index.html` with these features: explanations, statistics, output tokens and shaded contexts.

    Raises:
        UserError: the folder holds something else, or another run replaced the analysis meanwhile.
    """

    def write(part: Path) -> Mapping[str, int]:
        page = _environment().get_template("feature_list.html")
        context = WebContext(store, Catalogue(store), InferenceService(store, None, data))
        try:
            with (part / FILE).open("w", encoding="utf-8") as file:
                file.writelines(
                    page.generate(
                        sae=found.sae,
                        analysis=found.analysis,
                        chosen=chosen,
                        features=_features(context, found, chosen.indices, progress),
                        # Of our own, and no `</style>` is in it.
                        style=Markup((STATIC / "style.css").read_text(encoding="utf-8")),
                    )
                )
        finally:
            context.close()
        return {"features": len(chosen.indices)}

    return write_folder(folder, "html", found.analysis.id, write)


def _features(
    context: WebContext, found: FoundAnalysis, indices: Sequence[int], progress: Progress
) -> Iterator[Feature]:
    progress(Step("export", 0, len(indices), "features"))
    for done, index in enumerate(indices, 1):
        yield feature(context, found.sae.series, found.sae.name, found.analysis.name, index)
        progress(Step("export", done, len(indices), "features"))


@cache
def _environment() -> Environment:
    """That of the web pages, whose parts the page is made of."""
    own, pages = PackageLoader("sae_assets.export", "templates"), PackageLoader("sae_assets.web", "templates")
    return environment().overlay(loader=ChoiceLoader([own, pages]))
