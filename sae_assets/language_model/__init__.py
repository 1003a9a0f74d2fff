"""The language model: token ids with their characters, activations at a hook point, final norm and unembedding."""
