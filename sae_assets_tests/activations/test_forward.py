"""Passes have one size and waste nothing; one that does not fit into memory is halved, and it goes on from there."""

import sys
from subprocess import run

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.activations.contexts import Context
from sae_assets.activations.forward import contexts_per_pass, model_activations
from sae_assets_tests.activations.corpora import HOOK_POINT
from sae_assets_tests.language_model.tiny_model import write_tiny_model


def numbered(n_contexts: int, context_size: int) -> list[Context]:
    """Contexts of arbitrary tokens, no two alike."""
    tokens = np.random.default_rng(0).integers(3, 300, (n_contexts, context_size), dtype=np.int32)
    zeros = np.zeros(context_size, np.int32)
    mask = np.ones(context_size, bool)
    return [Context(i, "web", 0, "", row, zeros, zeros, mask) for i, row in enumerate(tokens)]


@given(model_batch_size=st.none() | st.integers(1, 10**6), context_size=st.integers(1, 10**6))
def test_a_pass_has_what_the_settings_say_or_about_1024_tokens_and_never_nothing(model_batch_size, context_size):
    size = contexts_per_pass(model_batch_size, context_size)
    if model_batch_size is not None:
        assert size == model_batch_size
    elif context_size <= 1024:
        assert 512 < size * context_size <= 1024
    else:
        assert size == 1


@pytest.mark.parametrize(("n_contexts", "n_run"), [(8, 8), (9, 12), (3, 4), (0, 0)])
def test_only_the_last_pass_is_filled_up_and_only_where_contexts_are_no_multiple_of_it(model, n_contexts, n_run):
    ran = []
    embed = model.bridge.original_model.get_input_embeddings()
    handle = embed.register_forward_hook(lambda _module, args, _output: ran.append(len(args[0])))
    batches = list(model_activations(numbered(n_contexts, 16), model, HOOK_POINT, torch.float32, 4))
    handle.remove()
    assert set(ran) <= {4}
    assert sum(ran) == n_run
    assert [int(i) for batch in batches for i in batch.context_idx] == list(range(n_contexts))


WORK = """
import logging
import resource
import sys
from pathlib import Path

import torch

from sae_assets.activations.forward import model_activations
from sae_assets.language_model.model import TransformerLensLanguageModel
from sae_assets.settings import LanguageModelConfig, UserError
from sae_assets_tests.activations.corpora import HOOK_POINT
from sae_assets_tests.activations.test_forward import numbered

model_batch_size, n_contexts, context_size, room = map(int, sys.argv[2:])
torch.set_num_threads(1)
logging.basicConfig(format="%(name)s: %(message)s")
model = TransformerLensLanguageModel(LanguageModelConfig(model_name=sys.argv[1]))
contexts = numbered(n_contexts, context_size)


def activations(model_batch_size):
    batches = list(model_activations(contexts, model, HOOK_POINT, torch.float32, model_batch_size))
    return torch.cat([batch.context_idx for batch in batches]), torch.cat([batch.activations for batch in batches])


model.width(HOOK_POINT)
in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
unlimited = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (in_use + room, unlimited[1]))
try:
    given = activations(model_batch_size)
    again = activations(model_batch_size)
except UserError as error:
    sys.exit(str(error))
resource.setrlimit(resource.RLIMIT_AS, unlimited)
model.largest_pass, fitting = None, model.largest_pass
small = activations(fitting // context_size)
print([torch.equal(*pair) for pair in zip(given + again, small + small)], fitting // context_size)
"""


def _with_little_memory(*arguments: object):
    return run([sys.executable, "-c", WORK, *map(str, arguments)], capture_output=True, text=True, timeout=300)


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux only")
def test_a_pass_that_does_not_fit_into_memory_is_halved_until_it_does_and_stays_so(tiny_model):
    # The attention scores of a pass over 8,192 contexts alone take 537 MB.
    done = _with_little_memory(tiny_model, 8192, 9, 64, 250_000_000)
    assert done.returncode == 0, done.stderr
    n_halvings = done.stderr.count("does not fit into memory")
    fitting = 8192 >> n_halvings
    assert n_halvings > 0
    assert done.stdout.split("] ") == ["[True, True, True, True", f"{fitting}\n"]
    assert (
        f"sae_assets.activations.forward: A forward pass over {2 * fitting} contexts does not fit into memory, so each "
        f"has {fitting} from here on, and the last bits of activations can differ from those of larger passes; set "
        f"`activation_factory.model_batch_size` to {fitting} to have all passes alike.\n"
    ) in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux only")
def test_a_single_context_that_does_not_fit_into_memory_is_one_sentence(tmp_path):
    # The attention scores of one context of 2,048 tokens take 67 MB.
    done = _with_little_memory(write_tiny_model(tmp_path, n_positions=2048), 2, 2, 2048, 50_000_000)
    assert done.returncode == 1
    assert (
        "A forward pass over a single context of 2048 tokens does not fit into the memory of 'cpu'; lower "
        "`context_size` or give the model a `dtype` of two bytes.\n"
    ) in done.stderr
    assert "Traceback" not in done.stderr
