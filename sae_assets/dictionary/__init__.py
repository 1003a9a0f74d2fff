"""Sparse autoencoders: architectures and checkpoint formats."""
