"""Fixtures that several end-to-end runs share."""

from sae_assets_tests.engine.conftest import ray_cluster
from sae_assets_tests.integration.demo_run import demo

__all__ = ["demo", "ray_cluster"]
