"""Explaining features in words by a language model, and scoring the explanations."""
