#!/usr/bin/env python3
"""Makes the numerical reference of the default model: what f32 arithmetic on its dequantized
weights says of every next token of a fixed text.

transformers reads the GGUF file and dequantizes it. Run from the repository root:
    python scripts/reference/kl_reference.py PATH/TO/SmolLM2-135M-Instruct.Q4_1.gguf
With --full FILE the logits of the whole vocabulary are written too (f32, 200 x 49152).

The format, all little endian: u32 positions, u32 vocabulary, u32 top; u32 token ids; then per
position u16 ids of the `top` likeliest tokens, f32 log-probabilities of them, f32 log-probability
of all others together, and f32 gap between the two largest logits.
"""

import argparse
import struct
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

OUT = Path("crates/adapter-local/tests/fixtures/smollm2-reference.bin")
POSITIONS, TOP = 200, 256
TEXT = """The lighthouse stood at the end of a narrow path, and for more than a hundred years it had
warned ships away from the rocks. Nobody in the village remembered who had built it. The keeper, an
old woman with a quiet voice, climbed its 143 steps every evening to light the lamp, even after the
harbour had been closed and the last fishing boats had been sold. When children asked her why she
still went up, she smiled and said that a light is not only for those who can see it. In winter the
wind shook the windows and the waves threw stones against the door. One night a storm cut the power
lines, and a small plane that was looking for the airport saw a single lamp burning on the coast.
The pilot turned south, followed the shore, and landed safely. The next morning he walked up the
path with a basket of bread and apples. They drank tea and talked about maps, engines, birds and
the price of oil. "Physics explains how light travels," he said, "but not why someone keeps it
burning." She poured him another cup and answered that some work is done because"""


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("gguf", type=Path)
    args.add_argument("--full", type=Path)
    args = args.parse_args()
    where = {"pretrained_model_name_or_path": str(args.gguf.parent), "gguf_file": args.gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    model = AutoModelForCausalLM.from_pretrained(
        **where, dtype=torch.float32, attn_implementation="eager").eval()
    ids = tokenizer(TEXT.replace("\n", " "), add_special_tokens=False)["input_ids"][:POSITIONS]
    assert len(ids) == POSITIONS, len(ids)
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].double()
    if args.full:
        logits.float().numpy().astype("<f4").tofile(args.full)
    logs = torch.log_softmax(logits, -1)
    top = torch.topk(logs, TOP)
    rest = torch.log1p(-top.values.exp().sum(-1).clamp(max=1 - 1e-12))
    gaps = top.values[:, 0] - top.values[:, 1]
    with OUT.open("wb") as out:
        out.write(struct.pack("<3I", POSITIONS, logits.shape[1], TOP))
        out.write(np.array(ids, "<u4").tobytes())
        for at in range(POSITIONS):
            out.write(top.indices[at].numpy().astype("<u2").tobytes())
            out.write(top.values[at].numpy().astype("<f4").tobytes())
            out.write(struct.pack("<2f", rest[at], gaps[at]))
    print(f"{OUT}: mass beyond the top {TOP}: mean {rest.exp().mean():.4f}; "
          f"mean log-probability of the text {logs[torch.arange(POSITIONS - 1), ids[1:]].mean():.3f}")


if __name__ == "__main__":
    main()
