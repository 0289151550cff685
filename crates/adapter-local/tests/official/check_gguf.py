"""Checks a GGUF file against the folder that it was made of, with the official gguf package.

python check_gguf.py FOLDER FILE TOLERANCE
"""

import json
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader, MODEL_ARCH, MODEL_ARCH_NAMES, get_tensor_name_map
from gguf.quants import dequantize
from safetensors.numpy import load_file

folder, file, tolerance = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
config = json.loads((folder / "config.json").read_text())
tokenizer = json.loads((folder / "tokenizer.json").read_text())
reader = GGUFReader(file)


def field(key):
    return reader.fields[key].contents()


def equal(what, found, wanted):
    assert found == wanted, f"{what}: {found!r} instead of {wanted!r}"


arch = field("general.architecture")
equal("general.architecture", arch, config["model_type"])
for key, wanted in {
    "block_count": config["num_hidden_layers"],
    "context_length": config["max_position_embeddings"],
    "embedding_length": config["hidden_size"],
    "feed_forward_length": config["intermediate_size"],
    "attention.head_count": config["num_attention_heads"],
    "attention.head_count_kv": config["num_key_value_heads"],
    "attention.key_length": config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"],
    "vocab_size": config["vocab_size"],
    "rope.freq_base": config["rope_parameters"]["rope_theta"],
}.items():
    equal(key, field(f"{arch}.{key}"), wanted)
epsilon = field(f"{arch}.attention.layer_norm_rms_epsilon")
assert abs(epsilon - config["rms_norm_eps"]) < 1e-9, epsilon

# The tokenizer: every token at its place, its kind, and every merge in order.
equal("model", field("tokenizer.ggml.model"), "gpt2")
equal("pre", field("tokenizer.ggml.pre"), "qwen2")
vocabulary = tokenizer["model"]["vocab"] | {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
tokens, kinds = field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type")
equal("number of tokens", len(tokens), config["vocab_size"])
equal("number of kinds", len(kinds), len(tokens))
for text, id in vocabulary.items():
    equal(f"token {id}", tokens[id], text)
for token in tokenizer["added_tokens"]:
    equal(f"kind of {token['content']}", kinds[token["id"]], 3 if token["special"] else 4)
merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
equal("merges", field("tokenizer.ggml.merges"), merges)
equal("bos", field("tokenizer.ggml.bos_token_id"), 0)
equal("eos", field("tokenizer.ggml.eos_token_id"), 2)
equal("padding", field("tokenizer.ggml.padding_token_id"), 0)
equal("add_bos", field("tokenizer.ggml.add_bos_token"), False)
equal("template", field("tokenizer.chat_template"), (folder / "chat_template.jinja").read_text())
equal("top_k", field("general.sampling.top_k"), 20)


def neighbours(tensor, heads):
    """The rows of queries or keys as llama's GGUF files have them."""
    halves = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
    return halves.swapaxes(1, 2).reshape(tensor.shape)


weights = {}
for path in sorted(folder.glob("*.safetensors")):
    weights |= load_file(path)
number = next(arch_ for arch_ in MODEL_ARCH if MODEL_ARCH_NAMES[arch_] == arch)
names = get_tensor_name_map(number, config["num_hidden_layers"])
found = {tensor.name: tensor for tensor in reader.tensors}
for name, wanted in weights.items():
    known = names.get_name(name, try_suffixes=(".weight", ".bias"))
    assert known in found, f"{name} should be {known}, but there are {sorted(found)}"
    if arch == "llama" and ".q_proj." in name:
        wanted = neighbours(wanted, config["num_attention_heads"])
    if arch == "llama" and ".k_proj." in name:
        wanted = neighbours(wanted, config["num_key_value_heads"])
    tensor = found.pop(known)
    numbers = dequantize(tensor.data, tensor.tensor_type).reshape(wanted.shape)
    worst = np.abs(numbers - wanted).max() / np.abs(wanted).max()
    assert worst <= tolerance, f"{known} is off by {worst}"
equal("tensors that the folder does not have", list(found), [])
