"""What people keep: explanations by hand, tags and notes, lists."""

from __future__ import annotations

import csv
import io
import uuid

import pytest

from sae_assets_tests.project import SAE_ID
from sae_assets_tests.web.conftest import Web

FEATURES = f"/saes/{SAE_ID}/default/features"


@pytest.fixture
def list_name(web: Web) -> str:
    """A new, empty list."""
    name = f"a list & {uuid.uuid4().hex[:8]} ü"
    response = web.client.post("/api/v1/lists", json={"name": name, "description": "for a test"})
    assert response.status_code == 201, response.text
    return name


def test_what_a_person_writes_counts_at_once_and_everywhere(web: Web):
    response = web.client.put(f"/api/v1{FEATURES}/51/explanation", json={"text": "  Zebras in the snow "})
    assert response.status_code == 200 and response.json()["is_by_hand"] is True
    assert web.get(f"{FEATURES}/51").json()["explanation"]["text"] == "Zebras in the snow"
    assert [item["index"] for item in web.features(q="zebras")["items"]] == [51]
    assert web.features(explained="yes", q="zebras")["total"] == 1


def test_the_history_keeps_every_explanation_newest_first(web: Web):
    for text in ("first", "second"):
        web.client.put(f"/api/v1{FEATURES}/52/explanation", json={"text": text}).raise_for_status()
    history = web.get(f"{FEATURES}/52/explanations").json()
    assert [item["text"] for item in history["items"]] == ["second", "first"]
    assert history["current"] == history["items"][0]["version"]


def test_a_models_explanation_stays_in_the_history_with_how_it_came_about(web: Web):
    web.client.put(f"/api/v1{FEATURES}/49/explanation", json={"text": "by hand"}).raise_for_status()
    by_hand, by_model = web.get(f"{FEATURES}/49/explanations").json()["items"]
    assert (by_hand["text"], by_hand["model"], by_hand["prompt"]) == ("by hand", None, None)
    assert (by_model["model"], by_model["prompt"], by_model["answer"]) == ("a-model", "the prompt of 49", "the answer")
    assert by_model["scores"][0]["scorer"] == "detection" and by_model["scores"][0]["details"] == {"n": 10}


@pytest.mark.parametrize("text", ["", "   ", "x" * 2001])
def test_an_explanation_has_1_to_2000_characters(web: Web, text: str):
    response = web.client.put(f"/api/v1{FEATURES}/53/explanation", json={"text": text})
    assert response.status_code in (400, 422)
    assert web.get(f"{FEATURES}/53").json()["explanation"] is None


def test_tags_and_notes_are_kept_and_taken_away(web: Web):
    place = f"/api/v1/saes/{SAE_ID}/features/54/annotation"
    annotation = {"tags": ["maths", '{"$gt": ""}'], "note": "a note\nwith lines"}
    assert web.client.put(place, json=annotation).json() == annotation
    assert web.client.get(place).json() == annotation
    (item,) = web.features(tag='{"$gt": ""}')["items"]
    assert item["index"] == 54 and item["has_note"] and item["tags"] == annotation["tags"]
    web.client.put(place, json={}).raise_for_status()
    assert web.client.get(place).json() == {"tags": [], "note": ""}
    assert web.features(tag="maths")["total"] == 0


@pytest.mark.parametrize("tags", [["x" * 51], [""], ["  "], ["t"] * 51, [{"$gt": ""}], "tag"])
def test_a_tag_is_a_text_of_1_to_50_characters(web: Web, tags: object):
    response = web.client.put(f"/api/v1/saes/{SAE_ID}/features/54/annotation", json={"tags": tags})
    assert response.status_code == 422


def test_a_list_keeps_the_order_in_which_features_came(web: Web, list_name: str):
    for index, note in ((55, "one"), (3, "two"), (55, "again")):
        place = f"/api/v1/lists/{list_name}/items/{SAE_ID}/{index}"
        assert web.client.put(place, json={"note": note}).status_code == 204
    kept = web.get(f"/lists/{list_name}").json()
    assert [(item["index"], item["note"]) for item in kept["items"]] == [(55, "again"), (3, "two")]
    assert kept["description"] == "for a test"
    assert kept["items"][1]["explanation"].startswith("mentions of")
    assert [item["index"] for item in web.features(list=list_name)["items"]] == [3, 55]
    assert list_name in web.get(f"{FEATURES}/55").json()["lists"]
    (row,) = [row for row in web.get("/lists").json()["items"] if row["name"] == list_name]
    assert row["n_items"] == 2


def test_a_feature_is_put_into_a_list_without_a_body(web: Web, list_name: str):
    assert web.client.put(f"/api/v1/lists/{list_name}/items/{SAE_ID}/56").status_code == 204
    assert web.client.delete(f"/api/v1/lists/{list_name}/items/{SAE_ID}/56").status_code == 204
    assert web.get(f"/lists/{list_name}").json()["items"] == []


def test_a_list_goes_with_its_items_and_nothing_else(web: Web, list_name: str):
    web.client.put(f"/api/v1/lists/{list_name}/items/{SAE_ID}/57").raise_for_status()
    assert web.client.delete(f"/api/v1/lists/{list_name}").status_code == 204
    assert web.get(f"/lists/{list_name}").status_code == 404
    assert web.features(list=list_name)["total"] == 0
    assert web.get(f"{FEATURES}/57").status_code == 200


def test_a_list_as_csv_has_no_cell_that_a_spreadsheet_computes(web: Web, list_name: str):
    notes = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", 'plain, "quoted"\nlines', "\n=1"]
    for index, note in enumerate(notes):
        web.client.put(f"/api/v1/lists/{list_name}/items/{SAE_ID}/{index}", json={"note": note}).raise_for_status()
    response = web.get(f"/lists/{list_name}", format="csv")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in response.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    assert [row["note"].removeprefix("'") for row in rows] == notes
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())
    assert [row["index"] for row in rows] == [str(index) for index in range(len(notes))]


@pytest.mark.parametrize("name", ["a/b", "..", " x ", "x\ny", "x" * 101])
def test_a_list_has_a_name_that_can_stand_in_an_address(web: Web, name: str):
    assert web.client.post("/api/v1/lists", json={"name": name}).status_code in (400, 422)


def test_a_name_is_given_once(web: Web, list_name: str):
    response = web.client.post("/api/v1/lists", json={"name": list_name})
    assert response.status_code == 400 and "already" in response.json()["detail"]


def test_bookmarks_cannot_be_deleted(web: Web):
    response = web.client.delete("/api/v1/lists/bookmarks")
    assert response.status_code == 400 and "cannot be deleted" in response.json()["detail"]


@pytest.mark.parametrize("index", [64, 2**31 - 1])
def test_only_features_that_exist_are_marked(web: Web, index: int):
    for path in (f"/lists/bookmarks/items/{SAE_ID}/{index}", f"/saes/{SAE_ID}/features/{index}/annotation"):
        response = web.client.put(f"/api/v1{path}", json={})
        assert response.status_code == 404 and "they go from 0 to 63" in response.json()["detail"]


def test_an_unknown_list_is_named_with_the_nearest(web: Web):
    response = web.client.put(f"/api/v1/lists/bokmarks/items/{SAE_ID}/1")
    assert response.status_code == 404 and "'bookmarks'" in response.json()["detail"]
