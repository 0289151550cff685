#!/usr/bin/env python3
"""Makes the tiny random checkpoints under crates/adapter-local/tests/fixtures/hf and their references.

Each folder is what `save_pretrained` of transformers writes. All weights are numbers that bf16 and
f16 hold exactly, so one reference, computed in f32, serves every storage type. Run from the
repository root, with the versions in requirements.txt:  python scripts/reference/tiny_checkpoints.py
"""

import copy
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import (
    GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM,
    Qwen3Config, Qwen3ForCausalLM,
)

from tiny_models import SPECIAL, TEMPLATE, VOCAB, tokenizer

OUT = Path("crates/adapter-local/tests/fixtures/hf")
CONTEXT = 4096
# Tokens of the text whose logits are kept, and after which of them.
LENGTH, POSITIONS, GREEDY = 40, [0, 1, 2, 3, 7, 15, 23, 39], 16
# The long context: the logits after its last token, and what follows.
LONG, LONG_GREEDY = 3000, 8
# The batch: sequences of these lengths, and what follows each.
LENGTHS, BATCH_GREEDY = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 4, 7, 11, 18, 29, 47], 8
# A continuation that hangs on the last bits would prove nothing.
LEAST_GAP = 0.05

SHAPE = dict(
    vocab_size=VOCAB, hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=1, max_position_embeddings=CONTEXT, rms_norm_eps=1e-5, bos_token_id=0, eos_token_id=2,
    pad_token_id=0,
)
PLAIN = {"rope_type": "default", "rope_theta": 10000.0}
# Scalings of an imagined model of 512 positions, so that they matter within 3,000 tokens.
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 8.0, "original_max_position_embeddings": 512}
VARIANTS = {
    "linear": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0},
    "llama3": {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
               "high_freq_factor": 4.0, "original_max_position_embeddings": 512},
    "yarn": YARN,
    "yarn-mscale": YARN | {"mscale": 1.5, "mscale_all_dim": 0.5, "beta_fast": 16.0, "beta_slow": 2.0},
    "yarn-whole": YARN | {"attention_factor": 1.25, "truncate": False},
}
# Folder: class, config, dtypes beside f32, bytes of a shard, rope variants.
MODELS = {
    "llama": (LlamaForCausalLM, LlamaConfig(**SHAPE, rope_parameters=PLAIN, tie_word_embeddings=False),
              ["bf16"], None, VARIANTS),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**SHAPE, rope_parameters=PLAIN, tie_word_embeddings=True),
              ["f16"], "50KB", {}),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**SHAPE | dict(num_attention_heads=4, num_key_value_heads=2), head_dim=16,
              rope_parameters=PLAIN, tie_word_embeddings=True), ["f16", "bf16"], "50KB", {"yarn": YARN}),
    "qwen3-bias": (Qwen3ForCausalLM, Qwen3Config(**SHAPE, head_dim=16, rope_parameters=PLAIN, attention_bias=True,
                   tie_word_embeddings=False), None, None, {}),
}
DTYPES = {"f16": torch.float16, "bf16": torch.bfloat16}


def randomize(model: torch.nn.Module, seed: int) -> None:
    """Weights large enough that the distributions are far from flat, and exact in bf16 and f16."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            spread = 0.2 if "norm" in name else 0.3
            values = (1.0 if "norm" in name else 0.0) + spread * torch.randn_like(p)
            # Below 2^-7, f16 would lose bits of what bf16 holds.
            values[values.abs() < 2**-7] = 2**-7
            p.copy_(values.to(torch.bfloat16))
            assert torch.equal(p, p.to(torch.float16).float()) and torch.equal(p, p.to(torch.bfloat16).float())


def tokens(seed: int, count: int) -> list[int]:
    """Token ids that the tests make in the same way."""
    return [((i + 1 + seed * 7919) * 2654435761 % 2**32 >> 7) % VOCAB for i in range(count)]


def greedy(model, ids: list[int], count: int) -> tuple[list[int], float]:
    """What follows, and the smallest distance between the two likeliest tokens on the way."""
    least, found = float("inf"), []
    with torch.no_grad():
        out = model(torch.tensor([ids]), use_cache=True)
        while True:
            top = torch.topk(out.logits[0, -1], 2)
            least = min(least, float(top.values[0] - top.values[1]))
            found.append(int(top.indices[0]))
            if len(found) == count:
                return found, least
            out = model(torch.tensor([[found[-1]]]), past_key_values=out.past_key_values, use_cache=True)


def logits(model, ids: list[int]) -> np.ndarray:
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].float().numpy()


def first_clear(model, length: int, count: int, seed: int) -> tuple[int, list[int]]:
    """The first seed from `seed` on whose continuation is clear."""
    while True:
        ids, least = greedy(model, tokens(seed, length), count)
        if least > LEAST_GAP and len(set(ids)) > 1:
            return seed, ids
        seed += 1


def reference(model, rows: list[np.ndarray]) -> dict:
    """What the tests compare with; rows of logits are added to `rows`."""
    about = {}
    seed, ids = first_clear(model, LENGTH, GREEDY, 0)
    about["text"] = {"seed": seed, "length": LENGTH, "positions": POSITIONS, "greedy": ids, "row": len(rows)}
    rows.extend(logits(model, tokens(seed, LENGTH))[POSITIONS])
    seed, ids = first_clear(model, LONG, LONG_GREEDY, 1000)
    about["long"] = {"seed": seed, "length": LONG, "positions": [LONG - 1], "greedy": ids, "row": len(rows)}
    rows.append(logits(model, tokens(seed, LONG))[-1])
    return about


def batch(model) -> list[dict]:
    found = []
    for index, length in enumerate(LENGTHS):
        seed, ids = first_clear(model, length, BATCH_GREEDY, 100 * (index + 1))
        found.append({"seed": seed, "length": length, "greedy": ids})
    return found


def write_texts(folder: Path) -> None:
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(), bos_token=SPECIAL[0], pad_token=SPECIAL[0], eos_token=SPECIAL[2],
        model_max_length=CONTEXT,
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    GenerationConfig(
        bos_token_id=0, eos_token_id=[2, 0], pad_token_id=0, do_sample=True, temperature=0.6, top_k=20, top_p=0.95,
    ).save_pretrained(folder)


def main() -> None:
    torch.set_num_threads(1)
    shutil.rmtree(OUT, ignore_errors=True)
    for seed, (name, (kind, config, dtypes, shard, variants)) in enumerate(MODELS.items()):
        config._attn_implementation = "eager"
        model = kind(config).eval()
        randomize(model, seed)
        rows: list[np.ndarray] = []
        about = {"vocab_size": VOCAB, "cases": {"plain": reference(model, rows)}, "batch": batch(model)}
        folder = OUT / name
        saved = copy.deepcopy(model) if dtypes is not None else copy.deepcopy(model).to(torch.bfloat16)
        saved.save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
        (folder / "generation_config.json").unlink(missing_ok=True)
        if dtypes is not None:
            write_texts(folder)
        for dtype in dtypes or []:
            other = OUT / f"{name}-{dtype}"
            copy.deepcopy(model).to(DTYPES[dtype]).save_pretrained(other)
            (other / "generation_config.json").unlink(missing_ok=True)
        for variant, rope in variants.items():
            changed = copy.deepcopy(config)
            changed.rope_parameters = dict(rope)
            changed._attn_implementation = "eager"
            other = kind(changed).eval()
            other.load_state_dict(model.state_dict())
            about["cases"][variant] = reference(other, rows)
            about["cases"][variant]["rope"] = rope
        (OUT / f"{name}.json").write_text(json.dumps(about) + "\n")
        np.stack(rows).astype("<f4").tofile(OUT / f"{name}.logits")
        rms = float(np.sqrt(np.mean(np.square(np.stack(rows)))))
        print(name, "rms", rms, {key: case["text"]["greedy"] for key, case in about["cases"].items()}, file=sys.stderr)


if __name__ == "__main__":
    main()
