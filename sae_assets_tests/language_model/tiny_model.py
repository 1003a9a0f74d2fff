"""A tiny random model with a real byte-level tokenizer, for tests that need a model and not its knowledge."""

from pathlib import Path

SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "Sparse autoencoders split activations into features.",
    "A feature activates on some contexts and is silent on others.",
    "Numbers like 1 2 3 and 2026 come one digit at a time.",
    "The weather is fine today, and the sea is calm.",
]


def write_tiny_model(folder: Path, n_layers: int = 2, n_positions: int = 256) -> Path:
    """Writes a Llama of these layers, d_model 32, contexts up to `n_positions`, to the folder and returns it."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES * 10, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=n_layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=n_positions,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
