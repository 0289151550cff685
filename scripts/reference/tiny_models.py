#!/usr/bin/env python3
"""Makes the tiny random checkpoints under crates/adapter-local/tests/fixtures and their references.

Each is a seeded random model of transformers, written as a GGUF file with a real byte-level BPE
tokenizer, next to the logits that transformers computes for it in f32. Run from the repository
root:  python scripts/reference/tiny_models.py
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM,
)

OUT = Path("crates/adapter-local/tests/fixtures")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
VOCAB = 320
CONTEXT = 512
POSITIONS, GREEDY = 40, 16
TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# How Qwen2's tokenizer cuts text before merging.
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CORPUS = [
    "A port is a promise that the inside of a program makes to itself about the outside.",
    "The adapter keeps that promise; there may be many adapters, and none of them is special.",
    "When the weather changes, the house stays, and only the windows are opened or closed.",
    "It is not the strongest design that lasts, but the one that can be changed without fear.",
] * 8


def tokenizer() -> Tokenizer:
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tok.train_from_iterator(CORPUS, trainer)
    assert tok.get_vocab_size() == VOCAB, tok.get_vocab_size()
    return tok


SHAPE = dict(
    vocab_size=VOCAB, hidden_size=64, intermediate_size=64, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=CONTEXT,
    rms_norm_eps=1e-5, bos_token_id=0, eos_token_id=2, pad_token_id=0,
)
MODELS = {
    "tiny-llama": (LlamaForCausalLM, LlamaConfig(
        **SHAPE, tie_word_embeddings=False, rope_parameters={"rope_type": "default", "rope_theta": 10000.0})),
    "tiny-qwen2": (Qwen2ForCausalLM, Qwen2Config(
        **SHAPE, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1000000.0})),
    "tiny-qwen3": (Qwen3ForCausalLM, Qwen3Config(
        **SHAPE, tie_word_embeddings=True, head_dim=32,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0})),
}


def randomize(model: torch.nn.Module, seed: int) -> None:
    """Weights large enough that the distributions are far from flat; norms and biases too."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "norm" in name:
                p.copy_(1 + 0.2 * torch.randn_like(p))
            elif name.endswith("bias"):
                p.copy_(0.3 * torch.randn_like(p))
            elif "embed" in name or "lm_head" in name:
                p.copy_(0.4 * torch.randn_like(p))
            else:
                p.copy_(0.3 * torch.randn_like(p))


def permute(weight: np.ndarray, heads: int) -> np.ndarray:
    """The row order that GGUF wants for q and k of the llama architecture (interleaved RoPE)."""
    rows, cols = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, cols).swapaxes(1, 2).reshape(rows, cols)


NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}


def gguf_name(name: str) -> str:
    stem, kind = name.rsplit(".", 1)
    if stem.startswith("model.layers."):
        _, _, layer, rest = stem.split(".", 3)
        return f"blk.{layer}.{NAMES[rest]}.{kind}"
    return f"{NAMES[stem]}.{kind}"


def write(path: Path, model, tok: Tokenizer, quantization: gguf.GGMLQuantizationType) -> None:
    config, arch = model.config, model.config.model_type
    w = gguf.GGUFWriter(path, arch)
    w.add_name(path.stem)
    w.add_block_count(config.num_hidden_layers)
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(config.num_attention_heads)
    w.add_head_count_kv(config.num_key_value_heads)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    w.add_rope_freq_base(config.rope_parameters["rope_theta"])
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    w.add_key_length(head_dim)
    w.add_value_length(head_dim)
    w.add_rope_dimension_count(head_dim)
    tokens = [t for t, _ in sorted(tok.get_vocab().items(), key=lambda item: item[1])]
    merges = json.loads(tok.to_str())["model"]["merges"]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(tokens)
    w.add_token_types([gguf.TokenType.CONTROL if t in SPECIAL else gguf.TokenType.NORMAL for t in tokens])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    w.add_bos_token_id(0)
    w.add_eos_token_id(2)
    w.add_pad_token_id(0)
    w.add_add_bos_token(False)
    w.add_chat_template(TEMPLATE)
    for name, p in model.named_parameters():
        data = p.detach().numpy().astype(np.float32)
        if arch == "llama" and name.endswith("q_proj.weight"):
            data = permute(data, config.num_attention_heads)
        if arch == "llama" and name.endswith("k_proj.weight"):
            data = permute(data, config.num_key_value_heads)
        kind = quantization if data.ndim == 2 else gguf.GGMLQuantizationType.F32
        w.add_tensor(gguf_name(name), gguf.quants.quantize(data, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def reference(model, tok: Tokenizer) -> tuple[dict, np.ndarray]:
    """Token ids, logits at each of their positions, and the greedy continuation."""
    text = "The adapter keeps its promise: naïve, 42 times; nothing else \n is special about it."
    ids = tok.encode(text).ids[:POSITIONS]
    assert len(ids) == POSITIONS, len(ids)
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].float().numpy()
        more, least = list(ids), np.inf
        for _ in range(GREEDY):
            last = model(torch.tensor([more])).logits[0, -1]
            top = torch.topk(last, 2).values
            least = min(least, float(top[0] - top[1]))
            more.append(int(last.argmax()))
    # A continuation that hangs on the last bits would prove nothing.
    assert least > 0.02, least
    assert len(set(more[POSITIONS:])) >= 8, "it repeats itself"
    return {"text": text, "tokens": ids, "greedy": more[POSITIONS:], "vocab_size": VOCAB}, logits


def main() -> None:
    torch.set_num_threads(1)
    tok = tokenizer()
    for name, (kind, config) in MODELS.items():
        config._attn_implementation = "eager"
        for seed in range(100):
            model = kind(config).eval()
            randomize(model, seed)
            try:
                about, logits = reference(model, tok)
                break
            except AssertionError as error:
                print(f"{name}: seed {seed}: {error}", file=sys.stderr)
        write(OUT / f"{name}-f32.gguf", model, tok, gguf.GGMLQuantizationType.F32)
        if name == "tiny-qwen3":
            write(OUT / f"{name}-q8_0.gguf", model, tok, gguf.GGMLQuantizationType.Q8_0)
        about["seed"] = seed
        (OUT / f"{name}.json").write_text(json.dumps(about) + "\n")
        logits.astype("<f4").tofile(OUT / f"{name}.logits")
        print(name, "seed", seed, "rms", float(np.sqrt((logits**2).mean())), about["greedy"])


if __name__ == "__main__":
    main()
