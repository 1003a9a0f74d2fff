"""The package and its command line start without torch; every exported name is there."""

import subprocess
import sys

import pytest

import sae_assets

HEAVY = {"torch", "transformers", "transformer_lens", "dagster", "pymongo", "datasets", "openai", "matplotlib"}


def loaded_after(statement: str) -> set[str]:
    """Which heavy packages a fresh interpreter has loaded after the statement."""
    code = f"import sys\n{statement}\nprint(*(sys.modules.keys() & {HEAVY!r}))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_after("import sae_assets") == set()


def test_importing_the_settings_loads_nothing_heavy():
    assert loaded_after("from sae_assets import AnalyzeSAESettings") == set()


@pytest.mark.parametrize(
    "module",
    [
        *(
            f"store.{name}"
            for name in ("annotations", "columns", "explanations", "features", "lists", "lookup", "reading")
        ),
        *(
            "interpretation.records",
            "interpretation.windows",
            "runners.feature_examples",
            "cli.feature_view",
            "cli.tables",
        ),
    ],
)
def test_what_reads_the_store_loads_only_its_client(module):
    assert loaded_after(f"import sae_assets.{module}") <= {"pymongo"}


def test_the_command_line_starts_without_anything_heavy():
    assert loaded_after("import sae_assets.cli.main") == set()


def test_every_name_of_the_package_can_be_had():
    for name in sae_assets.__all__:
        assert getattr(sae_assets, name).__name__ == name
    assert "torch" in sys.modules


def test_names_of_the_type_checker_are_those_at_run_time():
    source = open(sae_assets.__file__).read()  # noqa: PTH123, SIM115
    imported = {line.split(" as ")[1] for line in source.splitlines() if " as " in line and line.startswith("    from")}
    assert imported == set(sae_assets.__all__)
