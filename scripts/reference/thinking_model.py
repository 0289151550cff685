#!/usr/bin/env python3
"""Makes a model that thinks, then answers, in crates/adapter-local/tests/fixtures: the file
tiny-thinking-q8_0.gguf (a llama) and the folder hf/thinking (a qwen3 in f16).

It has no attention and no feed-forward part to speak of: what comes next depends on the last token
alone, so whoever reads this file knows every answer. Its template is in the style of Qwen3's. Run
from the repository root:  python scripts/reference/thinking_model.py
"""

import json
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import save_file

FIXTURES = Path("crates/adapter-local/tests/fixtures")
OUT = FIXTURES / "tiny-thinking-q8_0.gguf"
FOLDER = FIXTURES / "hf/thinking"
# No character may appear twice in the two together, nor the last one of the opening in either.
OPENING, REASONING, ANSWER = "assistant", "WHY NOT?", "jumping-frocks."
WIDTH, CONTEXT = 32, 1024
CONTROL, MARKS = ["<|im_start|>", "<|im_end|>"], ["<think>", "</think>"]
TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>" + OPENING + "' }}"
    "{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}"
    "{% endif %}{% endif %}"
)


def letters() -> list[str]:
    """The printable character of each byte, as GPT-2 chose them."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = iter(range(0x100, 0x200))
    return [chr(b) if b in plain else chr(next(moved)) for b in range(256)]


def chain(ids: dict[str, int]) -> list[tuple[int, int]]:
    """Which token follows which."""
    spelled = [*REASONING.encode()], [*ANSWER.encode()]
    first = [OPENING.encode()[-1], ids["<think>"], *spelled[0], ids["</think>"], *b"\n"]
    whole = [*first, *spelled[1], ids["<|im_end|>"]]
    assert len(set(whole)) == len(whole), "what follows would not be certain"
    return list(zip(whole, whole[1:]))


def weights(ids: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Embedding and output."""
    follows = chain(ids)
    assert len(follows) < WIDTH
    embedding = np.zeros((len(ids), WIDTH), np.float32)
    output = np.zeros((len(ids), WIDTH), np.float32)
    # After any other token the answer begins.
    embedding[:, -1] = 1
    output[ord(ANSWER[0]), -1] = 3
    for column, (before, after) in enumerate(follows):
        embedding[before] = np.eye(WIDTH, dtype=np.float32)[column]
        output[after, column] = 3
    return embedding, output


def write_file(tokens: list[str], ids: dict[str, int], embedding: np.ndarray, output: np.ndarray) -> None:
    w = gguf.GGUFWriter(OUT, "llama")
    w.add_name(OUT.stem)
    w.add_block_count(1)
    w.add_context_length(CONTEXT)
    w.add_embedding_length(WIDTH)
    w.add_feed_forward_length(WIDTH)
    w.add_head_count(1)
    w.add_head_count_kv(1)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_freq_base(10000.0)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(tokens)
    kinds = {**dict.fromkeys(CONTROL, gguf.TokenType.CONTROL), **dict.fromkeys(MARKS, gguf.TokenType.USER_DEFINED)}
    w.add_token_types([kinds.get(token, gguf.TokenType.NORMAL) for token in tokens])
    w.add_token_merges(["t h"])
    w.add_eos_token_id(ids["<|im_end|>"])
    w.add_add_bos_token(False)
    w.add_chat_template(TEMPLATE)
    square = np.zeros((WIDTH, WIDTH), np.float32)
    layer = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
    matrices = {"token_embd": embedding, "output": output, **{f"blk.0.{name}": square for name in layer}}
    q8 = gguf.GGMLQuantizationType.Q8_0
    for name, data in matrices.items():
        w.add_tensor(f"{name}.weight", gguf.quants.quantize(data, q8), raw_dtype=q8)
    for name in ["output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"]:
        w.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_folder(tokens: list[str], ids: dict[str, int], embedding: np.ndarray, output: np.ndarray) -> None:
    FOLDER.mkdir(exist_ok=True)
    square, ones = np.zeros((WIDTH, WIDTH), np.float32), np.ones(WIDTH, np.float32)
    layer = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
    layer += ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
    norms = ["input_layernorm", "post_attention_layernorm", "self_attn.q_norm", "self_attn.k_norm"]
    tensors = {"model.embed_tokens": embedding, "lm_head": output, "model.norm": ones}
    tensors |= {f"model.layers.0.{name}": square for name in layer}
    tensors |= {f"model.layers.0.{name}": ones for name in norms}
    halves = {f"{name}.weight": data.astype(np.float16) for name, data in tensors.items()}
    save_file(halves, FOLDER / "model.safetensors", {"format": "pt"})
    config = {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "dtype": "float16", "hidden_act": "silu",
        "hidden_size": WIDTH, "head_dim": WIDTH, "intermediate_size": WIDTH, "vocab_size": len(tokens),
        "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1, "rms_norm_eps": 1e-5,
        "max_position_embeddings": CONTEXT, "tie_word_embeddings": False, "attention_bias": False,
        "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}, "eos_token_id": ids["<|im_end|>"],
    }
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = [{"id": ids[t], "content": t, **flags, "special": t in CONTROL} for t in [*CONTROL, *MARKS]]
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    vocab = {token: id for token, id in ids.items() if token not in [*CONTROL, *MARKS]}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": bytes_, "post_processor": None, "decoder": bytes_,
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    }
    texts = {
        "config.json": config,
        "generation_config.json": {"eos_token_id": [ids["<|im_end|>"]], "do_sample": True, "temperature": 0.6},
        "tokenizer.json": tokenizer,
        "tokenizer_config.json": {"eos_token": "<|im_end|>", "tokenizer_class": "TokenizersBackend"},
    }
    for name, text in texts.items():
        (FOLDER / name).write_text(json.dumps(text, ensure_ascii=False) + "\n")
    (FOLDER / "chat_template.jinja").write_text(TEMPLATE)


def main() -> None:
    tokens = [*letters(), *CONTROL, *MARKS, "th"]
    ids = {token: id for id, token in enumerate(tokens)}
    numbers = weights(ids)
    write_file(tokens, ids, *numbers)
    # Hugging Face tokenizers count on: no token may come after those that are added.
    del ids[tokens.pop()]
    write_folder(tokens, ids, *(table[: len(tokens)] for table in numbers))


if __name__ == "__main__":
    main()
