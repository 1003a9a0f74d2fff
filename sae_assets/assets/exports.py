"""`*_export`: results as files for other programs and people. They run when they are asked for, and in no job."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg

from sae_assets.assets.documents import feature_documents
from sae_assets.assets.explanations import feature_explanations
from sae_assets.assets.run_page import step_progress
from sae_assets.disk.layout import DataFolder, checked_key
from sae_assets.disk.local import is_local, local_path
from sae_assets.engine.progress import Progress
from sae_assets.export.folder import Exported
from sae_assets.partitions import SAE_CHECKPOINTS
from sae_assets.resources import Checkpoints, FeatureStore
from sae_assets.run_config import RunSettings
from sae_assets.settings import UserError
from sae_assets.store.connection import Store
from sae_assets.store.lookup import FoundAnalysis, find_analysis

EXPORTS = "exports"
"""The group of these assets."""
Export = Callable[[Store, DataFolder, FoundAnalysis, Path, Progress], Exported]


def _parquet(store: Store, _data: DataFolder, found: FoundAnalysis, folder: Path, progress: Progress) -> Exported:
    from sae_assets.export.parquet import export_parquet

    return export_parquet(store, found, folder, progress)


def _html(store: Store, data: DataFolder, found: FoundAnalysis, folder: Path, progress: Progress) -> Exported:
    from sae_assets.export.html import chosen_features, export_html

    return export_html(store, data, found, chosen_features(store, found, None, None), folder, progress)


def _neuronpedia(store: Store, _data: DataFolder, found: FoundAnalysis, folder: Path, progress: Progress) -> Exported:
    from sae_assets.export.neuronpedia import export_neuronpedia
    from sae_assets.export.neuronpedia_source import NeuronpediaNames

    return export_neuronpedia(store, found, folder, NeuronpediaNames(), progress)


def _llamascope(store: Store, _data: DataFolder, found: FoundAnalysis, folder: Path, progress: Progress) -> Exported:
    from sae_assets.export.llamascope import export_llamascope

    return export_llamascope(store, found, folder, progress)


def _asset(kind: str, description: str, export: Export) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"{kind}_export",
        partitions_def=SAE_CHECKPOINTS,
        group_name=EXPORTS,
        kinds={"file"},
        deps=[feature_documents, feature_explanations],
        description=description,
    )
    def exported(
        context: dg.AssetExecutionContext,
        checkpoints: Checkpoints,
        feature_store: FeatureStore,
        settings: dg.ResourceParam[RunSettings],
    ) -> dg.MaterializeResult:
        key = context.partition_key
        with step_progress(context) as progress, feature_store.open() as store:
            found = find_analysis(store, key, analysis=checkpoints.interpretation(key, settings).analysis_name)
            folder = _folder(checkpoints.data, found, kind)
            result = export(store, checkpoints.data, found, folder, progress)
        return dg.MaterializeResult(
            metadata={**result.counts, "bytes": result.n_bytes, "folder": dg.MetadataValue.path(result.folder)}
        )

    return exported


def _folder(data: DataFolder, found: FoundAnalysis, kind: str) -> Path:
    """`<data>/checkpoints/<series>/<name>/<analysis>/exports/<kind>`."""
    if not is_local(data.root):
        raise UserError(
            f"Exports are written on this machine, and the data folder {str(data.root)!r} is elsewhere; run "
            f"`sae-assets export {kind} {found.sae.id} FOLDER`."
        )
    return local_path(data.checkpoint(*checked_key(found.sae.id), found.analysis.name).path) / "exports" / kind


exports = [
    _asset("parquet", "Features, samples and neighbours as Parquet, for SQL and polars.", _parquet),
    _asset("html", "Fifty alive features as one page to send to somebody.", _html),
    _asset("neuronpedia", "What Neuronpedia imports, under the names that the checkpoint suggests.", _neuronpedia),
    _asset("llamascope", "The Arrow columns of LlamaScope 2, which a converter of Neuronpedia takes.", _llamascope),
]
