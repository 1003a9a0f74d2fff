"""How long the package and the command line take to start: `python benchmarks/startup.py`.

Prints one JSON line a case: the median of several fresh interpreters in seconds, next to an interpreter that does
nothing.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

REPEATS = 9
CASES = {
    "nothing": "pass",
    "import sae_assets": "import sae_assets",
    "settings": "from sae_assets import AnalyzeSAESettings",
    "sae-assets --help": "import sys; from sae_assets.cli.main import main; sys.argv = ['sae-assets', '-h']; main()",
}


def main() -> None:
    """Times every case."""
    for name, code in CASES.items():
        times = sorted(_seconds(code) for _ in range(REPEATS))
        print(json.dumps({"case": name, "seconds": statistics.median(times), "fastest": times[0]}))


def _seconds(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
