"""The quick start on its real model, text and checkpoint, with fewer tokens than `make demo` analyses."""

from __future__ import annotations

import json

import pytest

from sae_assets_tests.integration.demo_run import sae_assets

pytestmark = pytest.mark.slow


def test_preview_shows_three_features_and_the_way_on(demo):
    shown = sae_assets(demo, "demo", "--preview")
    assert shown.count("top_activations") == 3
    assert "make dev" in shown and "http://localhost:3000" in shown


def test_preparing_again_keeps_what_was_edited(demo):
    sae_assets(demo, "demo")
    assert "20_000" in (demo.root / "checkpoints" / "demo" / "analysis.toml").read_text()


def test_the_checkpoint_is_as_good_as_its_readme_says(demo):
    (row,) = json.loads(sae_assets(demo, "list", "--json"))
    assert (row["series"], row["name"], row["d_sae"], row["n_analyzed_tokens"]) == ("demo", "smollm2-l10", 4096, 20_000)
    assert row["l0"] == pytest.approx(32, abs=0.1)
    assert row["n_alive"] > 3_500


def test_a_feature_has_the_meaning_that_its_readme_gives(demo):
    feature = json.loads(sae_assets(demo, "show", "feature", "smollm2-l10", "3450", "--json", "-n", "3"))
    samples = feature["samples"]["top_activations"]
    peaks = [max(sample["tokens"], key=lambda token: token["activation"])["text"] for sample in samples]
    assert any("mineral" in peak for peak in peaks)
