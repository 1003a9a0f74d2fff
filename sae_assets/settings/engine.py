"""Settings of the engine: where the work on chunks is done."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sae_assets.settings.base import Settings

FIELDS_OF = {
    "inline": (),
    "processes": ("n_workers", "devices"),
    "ray": ("n_workers", "address", "num_cpus", "num_gpus"),
}
"""Which fields each type of engine has, beside its type."""


class EngineConfig(Settings):
    """Where the work on chunks is done; no result depends on it."""

    type: Literal["inline", "processes", "ray"] = "inline"
    """"inline": in this process; "processes": in processes of this machine; "ray": on an existing Ray cluster."""
    n_workers: int | None = Field(default=None, ge=1)
    """Workers, each with its own model. Not set, for "processes": one for each of `devices`, 2 without; for "ray": as
    many as the cluster's nodes have room for."""
    devices: list[str] | None = Field(default=None, min_length=1)
    """Devices of "processes", shared in turn: ["cuda:0", "cuda:1"]; those of the model and the SAE where not set."""
    address: str = "auto"
    """Ray cluster, as host:port; "auto": the environment's RAY_ADDRESS, or the one of this machine."""
    num_cpus: float = Field(default=1, ge=0)
    """CPU cores that a worker on Ray takes."""
    num_gpus: float = Field(default=0, ge=0)
    """GPUs that a worker on Ray takes, a share below 1 or a whole number; it then computes on "cuda:0" of its own."""

    @model_validator(mode="after")
    def _fields_fit_the_type(self) -> EngineConfig:
        # A default may be written down: that is how run config takes back what a file sets.
        for name, field in EngineConfig.model_fields.items():
            owners = [f'"{engine}"' for engine, names in FIELDS_OF.items() if name in names]
            if name != "type" and name not in FIELDS_OF[self.type] and getattr(self, name) != field.default:
                raise ValueError(
                    f'`{name}` does nothing for the engine "{self.type}"; leave it out, or set `type` to '
                    f"{' or '.join(owners)}"
                )
        if self.num_gpus > 1 and self.num_gpus % 1:
            raise ValueError("`num_gpus` above 1 must be a whole number")
        return self
