#!/usr/bin/env python3
"""Checks that transformers loads what `textport models merge-lora` writes, and computes with it what
PEFT computes with base and adapters.

For every adapter under crates/adapter-local/tests/fixtures/lora: the merged folder is written by the
given binary, loaded by transformers without PEFT, and its logits and greedy tokens are compared with
those of base and adapter at work. Run from the repository root, with the versions in
requirements.txt:  python scripts/reference/check_merged.py target/debug/textport
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from tiny_adapters import ADAPTERS, BASES, GREEDY, LENGTH, OUT
from tiny_checkpoints import tokens


def logits(model, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].float()


def greedy(model, ids: list[int]) -> list[int]:
    found = []
    while len(found) < GREEDY:
        found.append(int(logits(model, ids + found)[-1].argmax()))
    return found


def load(folder: Path, dtype="auto"):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()


def check(binary: str, name: str, dtype: str | None, folder: Path) -> None:
    base, ids = BASES / ADAPTERS[name][0], tokens(77, LENGTH)
    command = [binary, "models", "merge-lora", str(base), str(folder), "--lora", str(OUT / name)]
    subprocess.run(command + (["--dtype", dtype] if dtype else []), check=True, stdout=subprocess.DEVNULL)
    merged = load(folder)
    wanted = PeftModel.from_pretrained(load(base, torch.float32), OUT / name).eval()
    worst = (logits(merged, ids) - logits(wanted, ids)).abs().max().item()
    if dtype is None:
        assert merged.dtype == torch.float32, merged.dtype
        assert worst < 1e-3, (name, worst)
        assert greedy(merged, ids) == greedy(wanted, ids), name
    else:
        assert merged.dtype == {"bf16": torch.bfloat16, "f16": torch.float16}[dtype], merged.dtype
        plain = load(base, torch.float32)
        changed = (logits(plain, ids) - logits(wanted, ids)).abs().max().item()
        assert worst < changed / 4, (name, dtype, worst, changed)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    chat = [{"role": "user", "content": "A port"}]
    prompt = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    original = AutoTokenizer.from_pretrained(base)
    assert prompt == original.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert tokenizer(prompt)["input_ids"] == original(prompt)["input_ids"]
    print(f"{name} {dtype or 'as the base'}: off by {worst:.2e}")


def main() -> None:
    torch.set_num_threads(1)
    for name in ADAPTERS:
        for dtype in [None, "bf16", "f16"]:
            with tempfile.TemporaryDirectory() as folder:
                check(sys.argv[1], name, dtype, Path(folder) / "merged")


if __name__ == "__main__":
    main()
