"""A real language model behind real HTTP that keeps to the JSON schema of a request, as vLLM and Ollama do.

`python -m sae_assets_tests.integration.structured_server FOLDER PORT`. The schema is kept by `llguidance`, one of those
that vLLM uses: at each token it leaves the model only what the answer may go on with.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import llguidance
import llguidance.hf
import numpy as np
import torch
import uvicorn
from fastapi import FastAPI
from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessor


class KeepsToSchema(LogitsProcessor):
    """Rules out every token with which the answer could no longer become an object of the schema."""

    def __init__(self, vocabulary: llguidance.LLTokenizer, schema: dict[str, Any], n_prompt: int):
        grammar = llguidance.LLMatcher.grammar_from_json_schema(
            json.dumps(schema), overrides={"whitespace_flexible": False}
        )
        self._matcher = llguidance.LLMatcher(vocabulary, grammar)
        assert not self._matcher.is_error(), self._matcher.get_error()
        self._n_read = n_prompt

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        for token in input_ids[0, self._n_read :].tolist():
            assert self._matcher.consume_token(token)
        self._n_read = input_ids.shape[1]
        bits = np.unpackbits(np.frombuffer(self._matcher.compute_bitmask(), np.uint8), bitorder="little")
        allowed = torch.from_numpy(bits[: scores.shape[1]].astype(bool))
        return scores.masked_fill(~allowed, -torch.inf)


def app_of(folder: str) -> FastAPI:
    """The endpoint; it answers one request at a time."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    vocabulary = llguidance.hf.from_tokenizer(tokenizer, n_vocab=model.config.vocab_size)
    app, lock = FastAPI(), threading.Lock()

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/chat/completions")
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        prompt = tokenizer.apply_chat_template(
            request["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        n_prompt = prompt["input_ids"].shape[1]
        keeps_to_schema = KeepsToSchema(vocabulary, request["response_format"]["json_schema"]["schema"], n_prompt)
        with lock, torch.inference_mode():
            tokens = model.generate(
                **prompt,
                max_new_tokens=request["max_tokens"],
                do_sample=False,
                repetition_penalty=1.2,
                logits_processor=[keeps_to_schema],
            )[0, n_prompt:]
        has_ended = tokens[-1] == tokenizer.eos_token_id
        message = {"role": "assistant", "content": tokenizer.decode(tokens, skip_special_tokens=True)}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": request["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop" if has_ended else "length"}],
            "usage": {
                "prompt_tokens": n_prompt,
                "completion_tokens": len(tokens),
                "total_tokens": n_prompt + len(tokens),
            },
        }

    return app


if __name__ == "__main__":
    uvicorn.run(app_of(sys.argv[1]), port=int(sys.argv[2]), log_level="warning")
