"""The Dagster project: `dagster dev`, or `dagster asset materialize -m sae_assets.definitions`."""

import os

import dagster as dg

from sae_assets.assets.activations import activation_chunks
from sae_assets.assets.contexts import tokenized_contexts
from sae_assets.assets.documents import feature_documents
from sae_assets.assets.explanations import feature_explanations
from sae_assets.assets.exports import exports
from sae_assets.assets.logits import direct_logit_attributions
from sae_assets.assets.registry import checkpoint_registry
from sae_assets.assets.summaries import feature_summaries
from sae_assets.jobs import analyze_checkpoint, reanalysis_schedule, register_checkpoints
from sae_assets.resources import Checkpoints, FeatureStore
from sae_assets.run_config import settings_resource
from sae_assets.sensors import automation_sensor, checkpoint_sensor

DATA_FOLDER = os.environ.get("SAE_ASSETS_DATA") or "data"
CHECKPOINT_ROOTS = os.environ.get("SAE_ASSETS_CHECKPOINTS") or "checkpoints"

defs = dg.Definitions(
    assets=[
        checkpoint_registry,
        tokenized_contexts,
        activation_chunks,
        feature_summaries,
        direct_logit_attributions,
        feature_documents,
        feature_explanations,
        *exports,
    ],
    jobs=[register_checkpoints, analyze_checkpoint],
    schedules=[reanalysis_schedule],
    sensors=[checkpoint_sensor, automation_sensor],
    resources={
        "checkpoints": Checkpoints(roots=CHECKPOINT_ROOTS, data_folder=DATA_FOLDER),
        "feature_store": FeatureStore(data_folder=DATA_FOLDER),
        "settings": settings_resource,
    },
    # One process for a run: the model is loaded once, and nothing is imported again for each step.
    executor=dg.in_process_executor,
)
