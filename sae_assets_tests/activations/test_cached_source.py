"""What a data folder holds of a source is made once, resumed, mended and shared, and equals the model's own pass."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sae_assets.activations.batch import NotFiniteError
from sae_assets.activations.cached_source import CachedSource
from sae_assets.activations.chunk_file import DamagedChunkError
from sae_assets.activations.chunks import MANIFEST
from sae_assets.activations.context_file import read_contexts
from sae_assets.disk.layout import DataFolder
from sae_assets.engine.inline import InlineEngine
from sae_assets.engine.progress import silent
from sae_assets.language_model.model import TransformerLensLanguageModel
from sae_assets.language_model.tokenizer import TextTokenizer
from sae_assets.settings import LanguageModelConfig, UserError
from sae_assets_tests.activations.corpora import CONTEXT_SIZE, D_MODEL, HOOK_POINT, TEXTS, cached_source

CONTEXTS_A_CHUNK = 8
N_CHUNKS = 6
ALL_CHUNKS = list(range(N_CHUNKS))
"""600 tokens, of 15 that count in most contexts, are 41 contexts."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr("sae_assets.activations.chunks.CHUNK_BYTES", CONTEXTS_A_CHUNK * CONTEXT_SIZE * D_MODEL * 4)


class Idle(InlineEngine):
    """An engine that is asked for nothing."""

    def map(self, work, tasks, what, unit, progress=silent):
        assert not tasks, "the model is loaded although nothing is missing"
        return super().map(work, tasks, what, unit, progress)


def chunk_files(source: CachedSource, hook_point: str = HOOK_POINT) -> dict[str, bytes]:
    folder = source.folder.chunks(hook_point)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def written_at(source: CachedSource) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in source.folder.chunks(HOOK_POINT).glob("*.parquet")}


def make(source: CachedSource, hook_point: str = HOOK_POINT) -> CachedSource:
    source.make_contexts()
    source.make_chunks(hook_point, D_MODEL)
    return source


@pytest.fixture
def made(tmp_path, model_cfg, model) -> CachedSource:
    return make(cached_source(tmp_path / "made", model_cfg))


def all_activations(source: CachedSource, hook_point: str = HOOK_POINT) -> torch.Tensor:
    return torch.cat([batch.activations for batch in source.on_disk.batches(hook_point, 5)])


def test_activations_equal_a_pass_of_the_model(made, model):
    contexts = list(read_contexts(made.folder.contexts))
    batches = list(made.on_disk.batches(HOOK_POINT, 5))
    tokens = torch.cat([batch.tokens for batch in batches])
    assert torch.cat([batch.context_idx for batch in batches]).tolist() == list(range(len(contexts)))
    assert tokens.tolist() == [context.tokens.tolist() for context in contexts]
    assert torch.cat([batch.mask for batch in batches]).tolist() == [context.mask.tolist() for context in contexts]
    direct = model.activations(tokens, [HOOK_POINT])[HOOK_POINT]
    torch.testing.assert_close(all_activations(made), direct, rtol=1e-5, atol=1e-6)


def test_activations_do_not_depend_on_the_chunks(made, tmp_path, model_cfg, model, monkeypatch):
    monkeypatch.setattr("sae_assets.activations.chunks.CHUNK_BYTES", 1 << 26)
    in_one = make(cached_source(tmp_path / "one", model_cfg))
    assert len(chunk_files(in_one)) == 2 < len(chunk_files(made)) == N_CHUNKS + 1
    assert torch.equal(all_activations(in_one), all_activations(made))


def test_making_again_reuses_everything_and_loads_no_model(made):
    before = written_at(made)
    again = CachedSource(made.source, DataFolder(made.folder.path.parent.parent))
    contexts, chunks = again.make_contexts(), again.make_chunks(HOOK_POINT, D_MODEL, Idle())
    assert contexts.is_reused
    assert contexts.report.n_tokens == 600
    assert chunks.made == []
    assert chunks.manifest.is_complete
    assert len(chunks.manifest.chunks) == N_CHUNKS
    assert written_at(made) == before


def test_a_stopped_run_resumes_with_the_missing_chunks(made, tmp_path, model_cfg, model):
    stopped = cached_source(tmp_path / "stopped", model_cfg)
    stopped.make_contexts()

    def stop_in_the_third_chunk(step) -> None:
        if step.done > (2 * CONTEXTS_A_CHUNK + 3) * CONTEXT_SIZE:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.make_chunks(HOOK_POINT, D_MODEL, None, stop_in_the_third_chunk)
    before = written_at(stopped)
    assert sorted(before) == ["00000.parquet", "00001.parquet"]
    with pytest.raises(UserError, match="holds no complete set of chunks; make `activation_chunks` first"):
        stopped.on_disk.batches(HOOK_POINT, 5)

    steps = []
    resumed = stopped.make_chunks(HOOK_POINT, D_MODEL, None, steps.append)
    assert resumed.made == [2, 3, 4, 5]
    assert {name: written_at(stopped)[name] for name in before} == before
    assert chunk_files(stopped) == chunk_files(made)
    left = (resumed.manifest.n_contexts - 2 * CONTEXTS_A_CHUNK) * CONTEXT_SIZE
    assert (steps[0].done, steps[-1].done, steps[-1].total) == (0, left, left)


def flip(path: Path) -> None:
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 1
    path.write_bytes(contents)


@pytest.mark.parametrize(
    "damage",
    [flip, lambda path: path.write_bytes(path.read_bytes()[:-9]), lambda path: path.write_bytes(b""), Path.unlink],
    ids=["flipped byte", "truncated", "emptied", "deleted"],
)
def test_a_damaged_chunk_alone_is_made_again(made, model, damage):
    files, before = chunk_files(made), written_at(made)
    damage(Path(str(made.folder.chunks(HOOK_POINT))) / "00003.parquet")
    with pytest.raises(DamagedChunkError, match=r"^The chunk '.*00003\.parquet' is missing or damaged; make"):
        all_activations(made)
    assert made.make_chunks(HOOK_POINT, D_MODEL).made == [3]
    assert chunk_files(made) == files
    after = written_at(made)
    assert {name for name in after if after[name] != before[name]} <= {"00003.parquet"}


def test_chunks_without_their_manifest_are_made_again(made, model):
    files = chunk_files(made)
    (made.folder.chunks(HOOK_POINT) / MANIFEST).write_text("{")
    assert made.make_chunks(HOOK_POINT, D_MODEL).made == ALL_CHUNKS
    assert chunk_files(made) == files


def test_what_a_killed_writer_left_is_removed(made, model):
    chunks = made.folder.chunks(HOOK_POINT)
    for folder, name in ((made.folder.path, "contexts.parquet"), (chunks, "00001.parquet")):
        (folder / f".{name}.1a2b3c4d.tmp").write_bytes(b"half")
    made.make_contexts()
    made.make_chunks(HOOK_POINT, D_MODEL)
    assert not list(Path(str(made.folder.path)).rglob("*.tmp"))


def test_another_hook_point_shares_the_contexts(made, model):
    files, other = chunk_files(made), "blocks.1.hook_resid_post"
    assert made.make_contexts().is_reused
    assert made.make_chunks(other, D_MODEL).made == ALL_CHUNKS
    assert chunk_files(made) == files
    tokens = torch.cat([batch.tokens for batch in made.on_disk.batches(other, 50)])
    direct = model.activations(tokens, [other])[other]
    torch.testing.assert_close(all_activations(made, other), direct, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_chunks_are_stored_in_the_precision_asked_for(made, tmp_path, model_cfg, model, dtype):
    source = make(cached_source(tmp_path / "half", model_cfg, override_dtype=dtype))
    assert torch.equal(all_activations(source), all_activations(made).to(getattr(torch, dtype)))


@pytest.fixture
def model_with_nan(tmp_path, tiny_model) -> TransformerLensLanguageModel:
    """The tiny model, with an embedding of "Z" that is not a number."""
    folder = shutil.copytree(tiny_model, tmp_path / "model with NaN")
    cfg = LanguageModelConfig(model_name=str(folder))
    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"][TextTokenizer(cfg).encode("Z").ids[0]] = torch.nan
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return TransformerLensLanguageModel(cfg)


BEFORE_ATTENTION = "blocks.0.hook_resid_pre"


def test_nan_is_refused_by_its_place_and_leaves_no_chunk(tmp_path, model_with_nan):
    source = cached_source(tmp_path, model_with_nan.cfg, texts=["a" * 10 + "Z" + "a" * 200])
    source.make_contexts()
    context = next(read_contexts(source.folder.contexts))
    position = context.text.index("Z") + 1
    with pytest.raises(NotFiniteError, match=rf"^The activation at context 0, position {position} is NaN or infinite"):
        source.make_chunks(BEFORE_ATTENTION, D_MODEL)
    assert not source.folder.chunks(BEFORE_ATTENTION).exists()


def test_nan_where_no_token_counts_is_left_alone(tmp_path, model_with_nan):
    letter = int(model_with_nan.tokenizer.encode("Z").ids[0])
    source = cached_source(
        tmp_path, model_with_nan.cfg, texts=["a" * 10 + "Z" + "a" * 200], ignore_token_ids=[0, 1, 2, letter]
    )
    make(source, BEFORE_ATTENTION)
    for batch in source.on_disk.batches(BEFORE_ATTENTION, 5):
        assert batch.activations[batch.mask].isfinite().all()


def test_two_runs_at_once_make_no_chunk_twice(made, tmp_path, model_cfg):
    def run(source: CachedSource) -> tuple[bool, list[int]]:
        return source.make_contexts().is_reused, source.make_chunks(HOOK_POINT, D_MODEL).made

    sources = [cached_source(tmp_path / "raced", model_cfg) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        results = list(threads.map(run, sources))
    assert sorted(is_reused for is_reused, _ in results) == [False, True, True]
    assert sorted(made_now for _, made_now in results) == [[], [], ALL_CHUNKS]
    assert chunk_files(sources[0]) == chunk_files(made)


def test_a_folder_holds_what_the_design_says_and_no_temporary_file(made):
    root = made.folder.path
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    chunks = {f"chunks/{HOOK_POINT}/{number:05d}.parquet" for number in range(N_CHUNKS)}
    locks = {file for file in files if file.endswith(".lock")}
    assert files - locks == {"source.json", "contexts.parquet", f"chunks/{HOOK_POINT}/{MANIFEST}"} | chunks


def test_contexts_whose_source_is_not_described_are_cut_again(made):
    made.folder.source_json.unlink()
    assert not made.make_contexts().is_reused
    assert made.folder.source_json.exists()
    assert made.make_chunks(HOOK_POINT, D_MODEL, Idle()).made == []


def test_chunks_without_contexts_are_refused(tmp_path, model_cfg):
    source = cached_source(tmp_path, model_cfg)
    with pytest.raises(UserError, match=r"^The contexts '.*' are missing or damaged; delete the file and make"):
        source.make_chunks(HOOK_POINT, D_MODEL, Idle())


def test_a_hook_point_that_the_model_lacks_names_the_nearest(tmp_path, model_cfg, model):
    source = cached_source(tmp_path, model_cfg)
    source.make_contexts()
    name = "blocks.0.hook_resid_pots"
    with pytest.raises(UserError, match=rf"^Unknown hook point '{name}' .*; the nearest is '{HOOK_POINT}'\.$"):
        source.make_chunks(name, D_MODEL)
    assert not source.folder.chunks(name).exists()


@pytest.mark.parametrize("name", ["../../outside", "a/b", ".."])
def test_a_hook_point_never_becomes_another_path(made, name):
    with pytest.raises(UserError, match=r"^The hook point '.*' cannot be used as a folder"):
        made.make_chunks(name, D_MODEL, Idle())
    with pytest.raises(UserError, match=r"^The hook point '.*' cannot be used as a folder"):
        made.on_disk.batches(name, 5)


def test_a_source_that_cannot_be_read_leaves_nothing_to_reuse(tmp_path, model_cfg):
    source = cached_source(tmp_path, model_cfg, texts=TEXTS)
    Path(source.source.datasets["web"].dataset_name_or_path).write_text('{"text": no', encoding="utf-8")
    with pytest.raises(UserError, match="cannot be read"):
        source.make_contexts()
    assert not source.folder.contexts.exists()
    assert not source.folder.source_json.exists()
