"""From the settings to the engine."""

from __future__ import annotations

from sae_assets.engine.inline import InlineEngine
from sae_assets.engine.work import Engine
from sae_assets.settings.engine import EngineConfig


def engine_of(cfg: EngineConfig) -> Engine:
    """The engine that the settings name.

    Raises:
        UserError: it is "ray", and Ray is not installed.
    """
    match cfg.type:
        case "inline":
            return InlineEngine()
        case "processes":
            from sae_assets.engine.processes import ProcessEngine

            return ProcessEngine(cfg.n_workers, tuple(cfg.devices or ()))
        case "ray":
            from sae_assets.engine.ray_cluster import RayEngine

            return RayEngine(cfg.address, cfg.n_workers, cfg.num_cpus, cfg.num_gpus)
