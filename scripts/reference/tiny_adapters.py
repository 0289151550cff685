#!/usr/bin/env python3
"""Makes the tiny LoRA adapters under crates/adapter-local/tests/fixtures/lora and their references.

Each folder is what `save_pretrained` of PEFT writes, made for a checkpoint of `tiny_checkpoints.py`.
References are logits of the model with the adapters at work, not merged. Run from the repository
root, with the versions in requirements.txt:  python scripts/reference/tiny_adapters.py
"""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from tiny_checkpoints import tokens

BASES = Path("crates/adapter-local/tests/fixtures/hf")
OUT = Path("crates/adapter-local/tests/fixtures/lora")
LENGTH, GREEDY = 24, 8
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# Folder: base and config.
ADAPTERS = {
    "qwen3-linear": ("qwen3", LoraConfig(r=4, lora_alpha=8, target_modules=LINEAR, bias="none")),
    "qwen3-rank-stabilized": ("qwen3", LoraConfig(
        r=8, lora_alpha=6, target_modules=["q_proj", "v_proj", "down_proj"], bias="none", use_rslora=True,
        rank_pattern={"v_proj": 2}, alpha_pattern={r"layers.1.self_attn.q_proj": 12},
    )),
    "qwen3-embedding": ("qwen3", LoraConfig(r=2, lora_alpha=4, target_modules=["embed_tokens"], bias="none")),
    "llama-head": ("llama", LoraConfig(
        r=4, lora_alpha=4, target_modules=["q_proj", "k_proj", "lm_head", "embed_tokens"], bias="none",
    )),
}
# What is at work together.
CASES = {name: [name] for name in ADAPTERS} | {"both": ["qwen3-linear", "qwen3-rank-stabilized"]}


def load(base: str):
    return AutoModelForCausalLM.from_pretrained(BASES / base, dtype=torch.float32, attn_implementation="eager").eval()


def make(name: str, seed: int) -> None:
    base, config = ADAPTERS[name]
    torch.manual_seed(seed)
    model = get_peft_model(load(base), config)
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "lora_" in key:
                p.copy_((0.2 * torch.randn_like(p)).to(torch.bfloat16))
    model.save_pretrained(OUT / name)
    (OUT / name / "README.md").unlink(missing_ok=True)


def reference(names: list[str]) -> tuple[dict, np.ndarray]:
    base = ADAPTERS[names[0]][0]
    model = load(base)
    model = PeftModel.from_pretrained(model, OUT / names[0], adapter_name=names[0])
    for other in names[1:]:
        model.load_adapter(OUT / other, adapter_name=other)
    model.base_model.set_adapter(names)
    model.eval()
    ids, found = tokens(77, LENGTH), []
    with torch.no_grad():
        rows = model(torch.tensor([ids])).logits[0].float().numpy()
        while len(found) < GREEDY:
            last = model(torch.tensor([ids + found])).logits[0, -1]
            found.append(int(last.argmax()))
    plain = load(base)
    with torch.no_grad():
        changed = np.abs(plain(torch.tensor([ids])).logits[0].float().numpy() - rows).max()
    assert changed > 0.1, (names, changed)
    return {"base": base, "adapters": names, "tokens": ids, "greedy": found}, rows[[0, LENGTH // 2, LENGTH - 1]]


def main() -> None:
    torch.set_num_threads(1)
    shutil.rmtree(OUT, ignore_errors=True)
    for seed, name in enumerate(ADAPTERS):
        make(name, seed)
    about, rows = {}, []
    for case, names in CASES.items():
        about[case], logits = reference(names)
        about[case]["row"] = 3 * len(about) - 3
        rows.append(logits)
    (OUT / "reference.json").write_text(json.dumps(about) + "\n")
    np.concatenate(rows).astype("<f4").tofile(OUT / "reference.logits")


if __name__ == "__main__":
    main()
