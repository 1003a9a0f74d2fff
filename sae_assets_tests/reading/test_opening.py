"""An SAE is opened by its name, and a mistake is one sentence that leaves nothing behind."""

from pathlib import Path

import pytest

from sae_assets.reading.opening import open
from sae_assets.settings import MongoDBConfig, UserError
from sae_assets.store.lookup import find_analysis
from sae_assets_tests.project import D_SAE, TinyProject
from sae_assets_tests.reading.conftest import NAME, SAE_ID, SERIES
from sae_assets_tests.test_imports import loaded_after


@pytest.mark.parametrize("words", [[NAME], [NAME, SERIES], [SAE_ID], [NAME, SERIES, "default"]])
def test_sae_is_opened_by_name_with_or_without_its_series(read_project: TinyProject, words):
    with open(*words, data=str(read_project.data.root)) as sae:
        assert (sae.checkpoint.id, sae.analysis.id, len(sae)) == (SAE_ID, f"{SAE_ID}/default", D_SAE)


def test_data_folder_is_that_of_the_environment_where_none_is_given(read_project: TinyProject, monkeypatch):
    monkeypatch.setenv("SAE_ASSETS_DATA", str(read_project.data.root))
    with open(NAME) as sae:
        assert sae.checkpoint.id == SAE_ID


def test_mongo_is_a_uri_or_settings(read_project: TinyProject, tmp_path: Path):
    with read_project.store() as store:
        for mongo in (store.address, f"mongodb://{store.address}", MongoDBConfig(mongo_uri=store.address)):
            with open(NAME, mongo=mongo, data=tmp_path / "none") as sae:
                assert sae[3].index == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["smolm2-l10"], "Unknown SAE 'smolm2-l10'; the nearest is 'smollm2-l10'."),
        (["l10", "demo"], "Unknown SAE 'demo/l10'; the nearest is 'demo/smollm2-l10'."),
        ([NAME, None, "defalt"], "Unknown analysis 'defalt' in SAE 'demo/smollm2-l10'; the nearest is 'default'."),
    ],
)
def test_unknown_name_names_the_nearest(read_project: TinyProject, words, sentence):
    with pytest.raises(UserError) as error:
        open(*words, data=str(read_project.data.root))
    assert str(error.value) == sentence


def test_series_is_asked_for_where_several_have_the_name(read_project: TinyProject):
    with read_project.store() as store:
        other = find_analysis(store, SAE_ID).sae.model_copy(update={"id": f"other/{NAME}", "series": "other"})
        store["saes"].insert_one(other.to_mongo())
        try:
            with pytest.raises(UserError, match="is in the series 'demo' and 'other'; give --series"):
                open(NAME, data=str(read_project.data.root))
        finally:
            store["saes"].delete_one({"_id": other.id})


def test_data_folder_without_results_is_said_and_not_made(tmp_path: Path):
    with pytest.raises(UserError) as error:
        open(NAME, data=tmp_path / "none")
    assert str(error.value) == (
        f"There are no results in the data folder {str(tmp_path / 'none')!r}; name another one in `data` or "
        "SAE_ASSETS_DATA, or a MongoDB in `mongo` or MONGO_URI."
    )
    assert list(tmp_path.iterdir()) == []


def test_closed_one_asks_to_be_opened_again(read_project: TinyProject):
    with open(NAME, data=str(read_project.data.root)) as sae:
        feature, later = sae[3], sae.features("5-9")
    sae.close()
    assert feature.statistics.act_times > 0
    reads = (lambda: sae[3], sae.table, lambda: sae.search("the"), lambda: sae.features("all"), lambda: next(later))
    for read in reads:
        with pytest.raises(UserError) as error:
            read()
        assert str(error.value) == "'demo/smollm2-l10/default' has been closed; open it again to read more of it."


def test_reading_loads_only_the_client_of_the_store():
    assert loaded_after("import sae_assets; sae_assets.open, sae_assets.AnalysedSAE, sae_assets.AnalysedFeature") <= {
        "pymongo"
    }
