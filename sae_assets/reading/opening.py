"""`sae_assets.open`: where the results of an analysis lie, and the object that reads them."""

from __future__ import annotations

from pathlib import Path

from sae_assets.disk.layout import data_folder, default_data_folder
from sae_assets.reading.analysed_sae import AnalysedSAE
from sae_assets.settings.errors import UserError
from sae_assets.settings.mongo import MongoDBConfig
from sae_assets.store.connection import connect
from sae_assets.store.lookup import find_analysis


def open(
    name: str,
    series: str | None = None,
    analysis: str = "default",
    *,
    mongo: MongoDBConfig | str | None = None,
    data: Path | str | None = None,
) -> AnalysedSAE:
    """Opens what an analysis found about an SAE, to be read; nothing is written.

    Args:
        name: the checkpoint, as `name` or `series/name`.
        series: needed where several have a checkpoint of this name.
        mongo: the MongoDB, or only its URI; left out, the environment's MONGO_URI or the bundled server.
        data: the data folder, for the bundled server; left out, SAE_ASSETS_DATA, else `data` in the working directory.

    Raises:
        UserError: there is no such SAE or analysis (the nearest is named), several series have one of this name, there
            is nothing in the data folder, or MongoDB does not answer.
    """
    cfg = MongoDBConfig(mongo_uri=mongo) if isinstance(mongo, str) else mongo or MongoDBConfig()
    folder = default_data_folder() if data is None else data_folder(str(data))
    if not cfg.mongo_uri and not folder.mongo.is_dir():  # which connecting would make
        raise UserError(
            f"There are no results in the data folder {str(folder.root)!r}; name another one in `data` or "
            "SAE_ASSETS_DATA, or a MongoDB in `mongo` or MONGO_URI."
        )
    store = connect(cfg, folder)
    try:
        return AnalysedSAE(store, find_analysis(store, name, series, analysis))
    except BaseException:
        store.close()
        raise
