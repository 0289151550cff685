#!/usr/bin/env python3
"""Makes the tiny random checkpoints of architectures that are not ours by name, and their references.

They lie beside those of tiny_checkpoints.py, in the same form, without texts of their own. Run from the
repository root, with the versions in requirements.txt:  python scripts/reference/tiny_others.py
"""

import json
import shutil
import sys

import numpy as np
import torch
from transformers import (
    Gemma3ForCausalLM, Gemma3TextConfig, Glm4Config, Glm4ForCausalLM, MistralConfig, MistralForCausalLM, Phi3Config,
    Phi3ForCausalLM,
)

from tiny_checkpoints import OUT, PLAIN, SHAPE, VOCAB, batch, randomize, reference

# Half of each head is turned.
HALF = PLAIN | {"partial_rotary_factor": 0.5}
GEMMA_ROPE = {
    "full_attention": {"rope_type": "default", "rope_theta": 1000000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
}
TWO_KV = dict(num_attention_heads=4, num_key_value_heads=2)
MODELS = {
    "phi3": (Phi3ForCausalLM, Phi3Config(**SHAPE | TWO_KV, rope_parameters=PLAIN, tie_word_embeddings=False)),
    "phi3-half": (Phi3ForCausalLM, Phi3Config(**SHAPE, rope_parameters=HALF, tie_word_embeddings=True)),
    "glm4": (Glm4ForCausalLM, Glm4Config(**SHAPE | TWO_KV, head_dim=16, rope_parameters=HALF, attention_bias=True,
             tie_word_embeddings=False)),
    "gemma3": (Gemma3ForCausalLM, Gemma3TextConfig(**SHAPE | TWO_KV, head_dim=16, query_pre_attn_scalar=16,
               sliding_window=16, layer_types=["sliding_attention", "full_attention"], rope_parameters=GEMMA_ROPE,
               hidden_activation="gelu_pytorch_tanh", tie_word_embeddings=True)),
    "gemma3-one": (Gemma3ForCausalLM, Gemma3TextConfig(**SHAPE, head_dim=16, query_pre_attn_scalar=16,
                   sliding_window=16, layer_types=["sliding_attention", "full_attention"], rope_parameters=GEMMA_ROPE,
                   hidden_activation="gelu_pytorch_tanh", tie_word_embeddings=True)),
    "mistral": (MistralForCausalLM, MistralConfig(**SHAPE | TWO_KV, head_dim=16, rope_parameters=PLAIN,
                sliding_window=None, tie_word_embeddings=False)),
}


def center_norms(model: torch.nn.Module) -> None:
    """Norms that add one to their weights."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "norm" in name:
                p.copy_((p - 1.0).to(torch.bfloat16))


def main() -> None:
    torch.set_num_threads(1)
    for seed, (name, (kind, config)) in enumerate(MODELS.items(), start=100):
        config._attn_implementation = "eager"
        model = kind(config).eval()
        randomize(model, seed)
        if name.startswith("gemma3"):
            center_norms(model)
        rows: list[np.ndarray] = []
        # A mistral is computed by our own decoder, many sequences at a time.
        many = batch(model) if name == "mistral" else []
        about = {"vocab_size": VOCAB, "cases": {"plain": reference(model, rows)}, "batch": many}
        folder = OUT / name
        shutil.rmtree(folder, ignore_errors=True)
        model.to(torch.bfloat16).save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        (OUT / f"{name}.json").write_text(json.dumps(about) + "\n")
        np.stack(rows).astype("<f4").tofile(OUT / f"{name}.logits")
        print(name, about["cases"]["plain"]["text"]["greedy"], file=sys.stderr)


if __name__ == "__main__":
    main()
