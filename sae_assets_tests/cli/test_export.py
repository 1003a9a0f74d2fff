"""`sae-assets export` as its user sees it."""

import re
from collections.abc import Iterator

import pytest

from sae_assets.engine.progress import silent
from sae_assets.runners.analyze import analyze_sae
from sae_assets.runners.logits import direct_logit_attribute
from sae_assets_tests.processes import run_command
from sae_assets_tests.project import D_SAE, TinyProject

WRITTEN = {
    "parquet": ["export.json", "features.parquet", "neighbours.parquet", "samples.parquet"],
    "html": ["export.json", "index.html"],
    "llamascope": ["export.json", "features.arrow"],
    "neuronpedia": ["tiny-model"],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_project: TinyProject) -> Iterator[TinyProject]:
    """An analysed checkpoint with logits."""
    project = tiny_project.copy(tmp_path_factory.mktemp("export-command") / "project")
    with project.served():
        analyze_sae(project.analyze_settings(), data=project.data, progress=silent)
        direct_logit_attribute(project.logits_settings(), data=project.data, progress=silent)
        yield project


@pytest.mark.parametrize("kind", WRITTEN)
def test_every_export_says_what_it_wrote_and_where_and_may_run_again(project, kind):
    folder = project.root / "exports" / kind
    for words in (("sae-l0",), ("sae-l0", "--series", "tiny", "--analysis", "default")):
        result = run_command(project, "export", kind, *words, folder)
        assert (result.returncode, result.stderr) == (0, "")
        n_features = 50 if kind == "html" else D_SAE
        place = folder / "tiny-model" / "0-tiny-sae-l0" if kind == "neuronpedia" else folder
        assert re.fullmatch(
            rf"tiny/sae-l0/default: {n_features} features.* \(\d+\.\d [kM]B\) in '{re.escape(str(place))}'\.\n",
            result.stdout,
        )
        assert sorted(path.name for path in folder.iterdir()) == WRITTEN[kind]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("parquet", "sae-l1", "out"), "Unknown SAE 'sae-l1'; the nearest is 'sae-l0'."),
        (("parquet", "sae-l0", "checkpoints"), "holds files that no export wrote, such as 'tiny/analysis.toml'; name"),
        (("llamascope", "sae-l0", "."), "is in use and cannot be replaced; name a folder in it."),
        (("html", "sae-l0", "out", "--features", "alife"), "--features: the term 'alife' is not known; the nearest is"),
        (("html", "sae-l0", "out", "--list", "rivers"), "Unknown list 'rivers'; the nearest is 'bookmarks'."),
        (("neuronpedia", "sae-l0", "out", "--release", "my scope"), "--release 'my scope' cannot be a name on"),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(project, words, sentence):
    before = sorted(project.root.rglob("*.part"))
    result = run_command(project, "export", *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("sae-assets: ") and result.stderr.count("\n") == 1
    assert sentence in result.stderr
    assert sorted(project.root.rglob("*.part")) == before and not (project.root / "out").exists()
