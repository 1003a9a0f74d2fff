"""What the files in `deploy/` name exists."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CODE = "".join(path.read_text() for path in (ROOT / "sae_assets").rglob("*.py"))
VALUES = ROOT / "deploy" / "kubernetes" / "dagster-values.yaml"
JOB = ROOT / "deploy" / "slurm" / "analyze.sbatch"


@pytest.fixture(scope="module")
def values() -> dict:
    return yaml.safe_load(VALUES.read_text())


def test_kubernetes_serves_a_module_that_exists(values):
    [deployment] = values["dagster-user-deployments"]["deployments"]
    assert deployment["dagsterApiGrpcArgs"][0] == "-m"
    assert find_spec(deployment["dagsterApiGrpcArgs"][1])


def test_kubernetes_sets_variables_that_the_code_reads(values):
    [deployment] = values["dagster-user-deployments"]["deployments"]
    names = [variable["name"] for variable in deployment["env"]]
    assert names and all(f'"{name}"' in CODE for name in names)
    mounts = [mount["mountPath"] for mount in deployment["volumeMounts"]]
    folders = [variable["value"] for variable in deployment["env"] if "value" in variable]
    assert all(any(folder.startswith(mount) for mount in mounts) for folder in folders)
    assert {mount["name"] for mount in deployment["volumeMounts"]} == {each["name"] for each in deployment["volumes"]}


def test_slurm_job_is_a_script_whose_command_exists():
    subprocess.run(["bash", "-n", JOB], check=True)
    command = re.search(r"exec \.venv/bin/(sae-assets) (\w+)", JOB.read_text())
    assert command is not None
    shown = subprocess.run(
        [Path(sys.executable).with_name(command[1]), command[2], "--help"], capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr


def test_slurm_job_shows_settings_of_an_engine_that_exists():
    import tomllib

    from sae_assets.settings.engine import EngineConfig

    shown = "\n".join(line.removeprefix("#   ") for line in JOB.read_text().splitlines() if line.startswith("#   "))
    assert EngineConfig(**tomllib.loads(shown)["engine"]).type == "processes"
