"""Comparisons over the API: begun, followed, read a page at a time."""

from __future__ import annotations

import shutil
import time

import pytest

from sae_assets.engine.progress import silent
from sae_assets.runners.analyze import analyze_sae
from sae_assets.settings.layers import CheckpointFacts, checkpoint_settings
from sae_assets_tests.project import HOOK_POINT, SAE_ID, SERIES
from sae_assets_tests.web.conftest import Web

FIRST, SECOND = f"{SAE_ID}/default", f"{SERIES}/copy/default"
ENDS_WITHIN_S = 120


@pytest.fixture(scope="module")
def compared(web: Web) -> dict:
    """The comparison of the checkpoint with a copy of it, begun and waited for over the API."""
    folder = web.project.checkpoints / SERIES / "copy"
    shutil.copytree(web.project.checkpoint, folder)
    settings = checkpoint_settings(folder, {}, CheckpointFacts(hook_point=HOOK_POINT), web.project.root)
    analyze_sae(settings.for_analysis(folder, SERIES, "copy"), data=web.project.data, progress=silent)
    assert web.get("/comparisons", first=FIRST, second=SECOND).json()["state"] == "missing"
    begun = web.client.post("/api/v1/comparisons", json={"first": FIRST, "second": SECOND})
    assert begun.status_code == 202 and begun.json()["state"] == "running"
    deadline = time.monotonic() + ENDS_WITHIN_S
    while (found := web.get("/comparisons", first=FIRST, second=SECOND).json())["state"] == "running":
        assert time.monotonic() < deadline and 0 <= found["progress"] <= 1
        time.sleep(0.2)
    assert found["state"] == "ready", found["message"]
    return found


def test_every_live_feature_of_a_copy_is_matched(web: Web, compared: dict):
    assert compared["counts"]["matched"] == 63 == compared["total"]
    for pair in compared["items"]:
        assert pair["first"] == pair["second"] and pair["change"] == "matched"
        assert pair["decoder_cosine"] == pytest.approx(1) and pair["correlation"] == pytest.approx(1)
        assert pair["first_density"] == pair["second_density"] > 0
        assert (pair["first_explanation"] is None) == (pair["first"] not in web.explained)
        assert pair["second_explanation"] is None


def test_pages_give_each_pair_once(web: Web, compared: dict):
    second = web.get("/comparisons", first=FIRST, second=SECOND, cursor=compared["next"]).json()
    assert second["next"] is None
    firsts = [pair["first"] for page in (compared, second) for pair in page["items"]]
    assert sorted(firsts) == list(range(63))


def test_only_what_is_asked_for_is_listed(web: Web, compared: dict):
    assert web.get("/comparisons", first=FIRST, second=SECOND, change="died").json()["items"] == []
    assert web.get("/comparisons", first=FIRST, second=SECOND, change="gone").status_code == 422


def test_what_is_there_is_not_computed_again(web: Web, compared: dict):
    again = web.client.post("/api/v1/comparisons", json={"first": FIRST, "second": SECOND}).json()
    assert (again["state"], again["made_at"]) == ("ready", compared["made_at"])


@pytest.mark.parametrize(
    ("first", "status", "sentence"),
    [
        ("tiny/sae-l0", 400, "write it as series/name/analysis"),
        ("tiny/x/default", 404, "Unknown SAE 'tiny/x'"),
        (SECOND, 400, "Both analyses are the same"),
    ],
)
def test_what_cannot_be_compared_is_said(web: Web, compared: dict, first: str, status: int, sentence: str):
    response = web.client.post("/api/v1/comparisons", json={"first": first, "second": SECOND})
    assert response.status_code == status and sentence in response.json()["detail"]
