"""`sae-assets compare` as its user sees it."""

import json
from collections.abc import Iterator

import pytest

from sae_assets.analysis.changes import CHANGES
from sae_assets_tests.processes import run_command
from sae_assets_tests.project import D_SAE, N_TOKENS, NAME, TinyProject
from sae_assets_tests.runners.more_checkpoints import FIRST, LATER, REPLACED, analyze, id_of, write_later


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_project: TinyProject) -> Iterator[TinyProject]:
    """Two analysed checkpoints."""
    project = tiny_project.copy(tmp_path_factory.mktemp("compare-command") / "project")
    write_later(project.checkpoint.parent / LATER, project.checkpoint)
    with project.served():
        analyze(project, NAME, LATER)
        yield project


def test_comparison_as_json_names_every_live_feature(project):
    result = run_command(project, "compare", "tiny/sae-l0", id_of(LATER), "--json")
    assert (result.returncode, result.stderr) == (0, "")
    comparison = json.loads(result.stdout)
    assert (comparison["first"], comparison["second"]) == (FIRST, id_of(LATER))
    assert (comparison["n_tokens"], comparison["note"]) == (N_TOKENS, None)
    assert list(comparison["counts"]) == list(CHANGES)
    assert sum(comparison["counts"].values()) == len(comparison["pairs"])
    assert {pair["first"] for pair in comparison["pairs"]} - {None} == set(range(D_SAE))
    gone = [pair for pair in comparison["pairs"] if pair["change"] == "disappeared"]
    assert sorted(pair["first"] for pair in gone) == REPLACED
    assert all(pair["second"] is pair["cosine"] is pair["correlation"] is None for pair in gone)
    died = next(pair for pair in comparison["pairs"] if pair["change"] == "died")
    assert died["cosine"] == pytest.approx(1) and died["correlation"] is None


def test_table_shows_counts_and_the_first_of_each_kind(project):
    result = run_command(project, "compare", FIRST, id_of(LATER), "-n", "2")
    assert (result.returncode, result.stderr) == (0, "")
    title, tokens, *lines = result.stdout.splitlines()
    assert title == f"{FIRST} → {id_of(LATER)}"
    assert tokens == f"Activations correlated on {N_TOKENS:,} tokens."
    counts, pairs = lines[: len(CHANGES)], lines[len(CHANGES) + 2 :]
    assert [line.split()[:2] for line in counts] == [
        ["57", "matched"], ["1", "moved"], ["2", "died"], ["1", "revived"], ["3", "disappeared"], ["3", "appeared"],
    ]  # fmt: skip
    assert counts[0].rstrip().endswith("the same feature")
    assert [line.split()[0] for line in pairs] == [
        "moved", "died", "died", "revived", "disappeared", "disappeared", "appeared", "appeared",
    ]  # fmt: skip
    assert pairs[0].split()[1:3] == ["11", "11"]
    assert pairs[-1].split()[1] == "–"


def test_mistakes_are_one_sentence(project):
    for second, sentence in (
        ("sae-later", "The analysis 'sae-later' must be 'series/name' or 'series/name/analysis'."),
        ("tiny/sae-latest", "Unknown SAE 'tiny/sae-latest'; the nearest is 'tiny/sae-later'."),
    ):
        result = run_command(project, "compare", FIRST, second)
        assert (result.returncode, result.stdout, result.stderr) == (2, "", f"sae-assets: {sentence}\n")
