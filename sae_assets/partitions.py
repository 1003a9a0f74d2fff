"""The partitions of all assets: one a checkpoint, `series/name`."""

import dagster as dg

SAE_CHECKPOINTS = dg.DynamicPartitionsDefinition(name="sae_checkpoint")
