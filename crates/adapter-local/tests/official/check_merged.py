"""Checks a merged folder against its base and an adapter, with the official safetensors package.

python check_merged.py BASE ADAPTER SCALE MERGED
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

base, adapter, scale, merged = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4])


def load(folder):
    weights = {}
    for path in sorted(folder.glob("*.safetensors")):
        weights |= load_file(path)
    return weights


index = json.loads((merged / "model.safetensors.index.json").read_text())
found = {}
for name, shard in index["weight_map"].items():
    with safe_open(merged / shard, framework="np") as file:
        assert file.metadata() == {"format": "pt"}, file.metadata()
        found[name] = file.get_tensor(name)
assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in found.values())
assert {path.name for path in merged.glob("*.safetensors")} == set(index["weight_map"].values())

config = json.loads((adapter / "adapter_config.json").read_text())
pairs = load_file(adapter / "adapter_model.safetensors")
weights, changed = load(base), 0
assert weights.keys() == found.keys(), weights.keys() ^ found.keys()
for name, wanted in weights.items():
    module = f"base_model.model.{name.removesuffix('.weight')}"
    if f"{module}.lora_A.weight" in pairs:
        delta = pairs[f"{module}.lora_B.weight"] @ pairs[f"{module}.lora_A.weight"]
        wanted = wanted + scale * config["lora_alpha"] / config["r"] * delta
        changed += 1
    assert found[name].dtype == weights[name].dtype, name
    worst = np.abs(found[name] - wanted).max()
    assert worst < 1e-5, f"{name} is off by {worst}"
assert changed * 2 == len(pairs), (changed, len(pairs))
