"""Progress is drawn where there is a terminal, and nowhere else."""

import os
import pty
import subprocess
import sys

WORK = """
from sae_assets.engine.progress import Step
from sae_assets.engine.progress_bar import progress_bar
with progress_bar() as progress:
    for done in (0, 5, 10):
        progress(Step("activations", done, 10, "tokens", f"[bold]${done / 100:.2f}"))
"""


def test_a_bar_is_drawn_on_a_terminal():
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", WORK], stderr=theirs, check=True, env=os.environ | {"TERM": "xterm"})
    os.close(theirs)
    drawn = os.read(ours, 100_000).decode()
    assert "activations" in drawn and "10/10" in drawn and "tokens" in drawn
    assert "[bold]$0.10" in drawn


def test_nothing_is_drawn_without_a_terminal():
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, check=True, start_new_session=True)
    assert done.stdout == done.stderr == b""
