"""Every file comes back from an object store as it was written, and what is damaged there is found."""

import pyarrow.parquet as pq
import pytest
import torch

from sae_assets.activations.batch import ActivationBatch
from sae_assets.activations.chunk_file import ChunkFormat, DamagedChunkError
from sae_assets.activations.chunks import MANIFEST, ChunkFolder, Manifest
from sae_assets.activations.context_file import contexts_report, read_contexts, read_token_table, write_contexts
from sae_assets.activations.contexts import cut_contexts
from sae_assets.analysis.logits import FeatureLogits
from sae_assets.analysis.logits_file import logits_about, read_logits, write_logits
from sae_assets.language_model.tokenizer import TextTokenizer
from sae_assets.settings import LanguageModelConfig, UserError
from sae_assets_tests.activations.corpora import cached_source

HOOK_POINT = "blocks.0.hook_resid_post"
FORM = ChunkFormat(4, 3, "torch.bfloat16")


def batch(first: int) -> ActivationBatch:
    activations = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(first)).bfloat16()
    mask = torch.ones(2, 4, dtype=torch.bool)
    return ActivationBatch(torch.arange(first, first + 2), torch.zeros(2, 4, dtype=torch.long), mask, activations)


@pytest.fixture
def chunks(remote) -> ChunkFolder:
    """Three chunks of two contexts, of which the last is not written."""
    folder = ChunkFolder(remote / "chunks" / HOOK_POINT, HOOK_POINT)
    manifest = Manifest(HOOK_POINT, FORM, 2, 6, (None, None, None))
    for number in range(2):
        manifest = folder.note(manifest, number, folder.write(number, [batch(2 * number)]))
    return folder


def test_chunks_come_back_and_say_what_is_missing(chunks):
    assert [entry is not None for entry in chunks.verified(FORM, 6).chunks] == [True, True, False]
    assert chunks.read(1).context_idx.tolist() == [2, 3]
    assert torch.equal(chunks.read(1).activations, batch(2).activations)
    assert sorted(path.name for path in chunks.path.iterdir()) == ["00000.parquet", "00001.parquet", MANIFEST]


def test_pyarrow_reads_a_chunk_from_the_store(chunks):
    with (chunks.path / "00001.parquet").open("rb") as file:
        table = pq.read_table(file)
    assert table["activations"].to_pylist() == [row.view(torch.uint8).numpy().tobytes() for row in batch(2).activations]


@pytest.mark.parametrize("damage", ["changed", "empty", "missing"])
def test_a_damaged_chunk_is_found_and_only_that_one_is_missing(chunks, damage):
    path = chunks.path / "00000.parquet"
    contents = bytearray(path.read_bytes())
    contents[100] ^= 1
    path.unlink() if damage == "missing" else path.write_bytes(bytes(contents) if damage == "changed" else b"")
    with pytest.raises(DamagedChunkError, match=r"00000\.parquet"):
        chunks.read(0)
    assert [entry is not None for entry in chunks.verified(FORM, 6).chunks] == [False, True, False]


def test_no_room_is_never_said_of_an_object_store(chunks):
    chunks.check_room(Manifest(HOOK_POINT, FORM, 1 << 60, 1 << 60, (None,)))


def test_contexts_come_back(remote, tmp_path, tiny_model):
    source = cached_source(tmp_path, LanguageModelConfig(model_name=str(tiny_model))).source
    contexts = list(cut_contexts(source.factory, source.datasets, TextTokenizer(source.model), 600, ()))
    path = remote / "deep" / "contexts.parquet"
    report = write_contexts(contexts, path, 600)
    assert contexts_report(path) == report
    assert [context.text for context in read_contexts(path)] == [context.text for context in contexts]
    assert [context.context_idx for context in read_contexts(path, [7, 3])] == [3, 7]
    assert read_token_table(path, range(3, 5)).tokens.tolist() == [context.tokens.tolist() for context in contexts[3:5]]


def test_missing_contexts_are_one_sentence(remote):
    path = remote / "contexts.parquet"
    assert contexts_report(path) is None
    with pytest.raises(UserError, match=r"^The contexts '.*contexts\.parquet' are missing or damaged;"):
        list(read_contexts(path))


def test_logits_come_back(remote):
    tokens = torch.arange(12).view(3, 4)
    values = torch.rand(3, 4)
    scalars = {name: torch.rand(3) for name in ("mean", "std", "minimum", "maximum")}
    logits = FeatureLogits(
        "norm",
        top_tokens=tokens,
        top_logits=values,
        bottom_tokens=tokens.flip(0),
        bottom_logits=values,
        histogram=torch.ones(3, 50, dtype=torch.long),
        **scalars,
    )
    path = remote / "logits.parquet"
    assert logits_about(path) is None
    write_logits(path, logits, str, "f00d")
    assert logits_about(path) == "f00d"
    read = read_logits(path)
    assert torch.equal(read.logits.top_tokens, tokens)
    assert read.texts == {token: str(token) for token in range(12)}
