"""What the web process gets from its child processes is what the library gives; it loads no torch for that itself."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sae_assets.runners.analysed_model import analysed_model
from sae_assets.runners.text_activations import TextModel, load_model, load_sae
from sae_assets.settings import UserError
from sae_assets.settings.errors import NotFoundError
from sae_assets.store.comparisons import read_comparison
from sae_assets.store.connection import Store
from sae_assets.store.lookup import find_analysis
from sae_assets.web.inference.service import ComparisonProgress, InferenceService
from sae_assets.web.inference.works import Held
from sae_assets_tests.child_processes import workers_of
from sae_assets_tests.project import D_SAE, NAME, SAE_ID, SERIES, TinyProject, write_sae
from sae_assets_tests.runners.published import analyze
from sae_assets_tests.web.inference.test_child import eventually

TEXT = "The quick 日本語 fox 👩‍🚀 jumps."
OTHER = "sae-l0-later"
FIRST, SECOND = f"{SAE_ID}/default", f"{SERIES}/{OTHER}/default"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_project: TinyProject) -> Iterator[TinyProject]:
    """Two analysed checkpoints in a data folder of this module's own."""
    project = tiny_project.copy(tmp_path_factory.mktemp("inference") / "project")
    with project.served():
        other = write_sae(project.checkpoint.with_name(OTHER), seed=3)
        analyze(project)
        analyze(project, sae={"pretrained_name_or_path": str(other)}, sae_name=OTHER)
        yield project


@pytest.fixture(scope="module")
def store(project: TinyProject) -> Iterator[Store]:
    with project.store() as store:
        yield store


@pytest.fixture(scope="module")
def service(project: TinyProject, store: Store) -> Iterator[InferenceService]:
    """One for most tests: a child that imports torch takes some seconds to come up."""
    service = InferenceService(store, None, project.data)
    yield service
    service.close()
    assert workers_of(psutil.Process()) == []


@pytest.fixture
def fresh_service(project: TinyProject, store: Store) -> Iterator[InferenceService]:
    service = InferenceService(store, None, project.data)
    yield service
    service.close()


@pytest.fixture(scope="module")
def in_this_process(store: Store) -> TextModel:
    about = analysed_model(store, find_analysis(store, SAE_ID))
    return TextModel(about, load_model(about.model), load_sae(about.sae, about.sae_identity))


def finished(service: InferenceService, first: str, second: str) -> ComparisonProgress:
    assert eventually(lambda: service.comparison_progress(first, second).state != "running", 120)
    return service.comparison_progress(first, second)


def test_text_is_read_in_a_child_process_as_it_is_in_this_one(service, in_this_process):
    strongest = service.text_activations(SERIES, NAME, "default", TEXT, n_features=4)
    expected = in_this_process.strongest_features(TEXT, 4)
    assert [piece.text for piece in strongest.pieces] == [piece.text for piece in expected.pieces]
    for piece, same in zip(strongest.pieces, expected.pieces, strict=True):
        assert [one.index for one in piece.strongest] == [one.index for one in same.strongest]
        assert [one.activation for one in piece.strongest] == pytest.approx([one.activation for one in same.strongest])
    index = strongest.pieces[0].strongest[0].index
    one = service.text_activations(SERIES, NAME, "default", TEXT, index)
    assert one.pieces[0].activation == pytest.approx(strongest.pieces[0].strongest[0].activation)
    assert one.n_tokens == expected.n_tokens and not one.is_truncated


def test_one_process_reads_for_all_checkpoints(service):
    service.text_activations(SERIES, NAME, "default", TEXT)
    processes = workers_of(psutil.Process())
    readings = [service.text_activations(SERIES, name, "default", TEXT) for name in (NAME, OTHER, NAME)]
    assert readings[0] == readings[2] != readings[1]
    assert workers_of(psutil.Process()) == processes


def test_values_used_last_are_held_and_the_oldest_goes_before_a_new_one_is_made():
    made: list[str] = []
    held = Held[str](3)

    def get(key: str) -> str:
        def make() -> str:
            made.append(f"{key} beside {''.join(held.values)}")
            return key.upper()

        return held.get(key, make)

    assert [get(key) for key in "abcadb"] == list("ABCADB")
    assert made == ["a beside ", "b beside a", "c beside ab", "d beside ca", "b beside ad"]


def test_mistake_is_the_sentence_of_the_library(service):
    with pytest.raises(NotFoundError, match=f"There is no feature {D_SAE} in '{FIRST}'; they go from 0 to 63"):
        service.text_activations(SERIES, NAME, "default", TEXT, D_SAE)


def test_unknown_analysis_is_told_without_a_process(fresh_service):
    before = workers_of(psutil.Process())
    with pytest.raises(NotFoundError, match=r"Unknown analysis 'defualt' in SAE 'tiny/sae-l0'; the nearest is 'def"):
        fresh_service.text_activations(SERIES, NAME, "defualt", TEXT)
    assert workers_of(psutil.Process()) == before


def test_weights_that_have_changed_since_are_refused_until_they_are_analysed_again(tmp_path, tiny_project):
    project = tiny_project.copy(tmp_path / "project")
    with project.served(), project.store() as store:
        analyze(project)
        before = find_analysis(store, SAE_ID).analysis.identity
        shutil.rmtree(project.checkpoint)
        write_sae(project.checkpoint, seed=7)
        service = InferenceService(store, None, project.data)
        with pytest.raises(UserError, match="have changed since they were analysed"):
            service.text_activations(SERIES, NAME, "default", TEXT)
        analyze(project)
        assert find_analysis(store, SAE_ID).analysis.identity != before
        assert service.text_activations(SERIES, NAME, "default", TEXT).n_tokens > 5
        service.close()


def test_comparison_runs_beside_the_texts_and_is_in_the_store_when_it_is_ready(service, store):
    service.text_activations(SERIES, NAME, "default", TEXT)
    assert service.comparison_progress(FIRST, SECOND).state == "missing"
    service.compare(FIRST, SECOND)
    service.compare(FIRST, SECOND)
    progress = service.comparison_progress(FIRST, SECOND)
    assert progress.state == "running" and progress.share is not None and 0 <= progress.share <= 1
    service.text_activations(SERIES, NAME, "default", TEXT)
    assert finished(service, FIRST, SECOND) == ComparisonProgress("ready")
    stored = read_comparison(store, FIRST, SECOND)
    assert stored is not None and stored.about.n_pairs > 0
    assert service.comparison_progress(SECOND, FIRST).state == "missing"


def test_comparison_that_cannot_be_made_says_why_and_may_be_tried_again(service):
    for _ in range(2):
        service.compare(FIRST, f"{SERIES}/nothing/default")
        progress = finished(service, FIRST, f"{SERIES}/nothing/default")
        assert progress.state == "failed"
        assert progress.message is not None and progress.message.startswith(
            "Unknown SAE 'tiny/nothing'; the nearest is"
        )


def test_closing_ends_a_comparison(fresh_service):
    before = workers_of(psutil.Process())
    fresh_service.compare(SECOND, FIRST)
    assert eventually(lambda: workers_of(psutil.Process()) != before)
    fresh_service.close()
    message = finished(fresh_service, SECOND, FIRST).message
    assert message == "The process that compares checkpoints is being ended."


SCRIPT = """
import sys
from pathlib import Path
from upath import UPath
from sae_assets.disk.layout import DataFolder
from sae_assets.store.connection import connect
from sae_assets.web.inference.service import InferenceService

data = DataFolder(UPath({data!r}))
with connect(None, data) as store:
    service = InferenceService(store, None, data)
    print(service.text_activations("tiny", "sae-l0", "default", "The sea is calm.").n_tokens)
    service.close()
print(*sorted(sys.modules.keys() & {{"torch", "transformers", "transformer_lens", "dagster", "openai", "datasets"}}))
"""


def test_process_that_asks_loads_no_torch(project):
    code = SCRIPT.format(data=str(Path(str(project.data.root))))
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    n_tokens, heavy = found.stdout.split("\n")[:2]
    assert (int(n_tokens) > 3, heavy) == (True, ""), found.stderr
