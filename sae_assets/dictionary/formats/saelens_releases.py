"""SAEs by the names in SAELens' table of releases, `release:sae_id`, as an installed sae-lens package lists them."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from sae_assets.settings.errors import UserError, unknown

TABLE = "pretrained_saes.yaml"


class Release(NamedTuple):
    """Where a checkpoint of the table lies."""

    repo_id: str
    """Repository on the Hugging Face hub."""
    path: str
    """Its folder in the repository."""
    overrides: dict[str, Any]
    """Fields that the table puts in place of those in the checkpoint's own config."""


def release_of(name: str) -> Release | None:
    """The place of `release:sae_id`; None where the name is something else, such as `repo_id:folder`.

    Raises:
        UserError: there is no table, or it lists no such release or SAE; the nearest is named.
    """
    release, _, sae_id = name.partition(":")
    if not sae_id or "/" in release:
        return None
    spec = find_spec("sae_lens")  # which does not import it: only its table is wanted, and it needs another torch stack
    if spec is None or spec.origin is None:
        raise UserError(
            f"The checkpoint {name!r} is named by its SAELens release, and the table of those is not here: "
            "`pip install --no-deps sae-lens` brings it, or give its place on the Hugging Face hub as `repo_id:folder`."
        )
    table = _table(Path(spec.origin).with_name(TABLE))
    if release not in table:
        raise unknown("SAELens release", release, table)
    listed = table[release]
    saes = {str(sae["id"]): sae for sae in listed["saes"]}
    if sae_id not in saes:
        raise unknown("SAE", sae_id, saes, where=f"the SAELens release {release!r}")
    sae = saes[sae_id]
    overrides = listed.get("config_overrides") or {}
    if "norm_scaling_factor" in sae:
        overrides = overrides | {"norm_scaling_factor": sae["norm_scaling_factor"]}
    return Release(listed["repo_id"], str(sae["path"]), overrides)


@cache
def _table(file: Path) -> dict[str, Any]:
    import yaml

    with file.open(encoding="utf-8") as text:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
