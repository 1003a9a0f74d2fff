"""Results as files that other programs and people read: Parquet, a page, and what Neuronpedia imports."""
