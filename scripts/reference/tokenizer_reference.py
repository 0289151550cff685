#!/usr/bin/env python3
"""Writes crates/adapter-local/tests/fixtures/tokenizer-reference.json: what Hugging Face's tokenizers
make of a list of texts.

The tokenizer in a GGUF file is its vocabulary, its merges and the name of a pre-tokenizer. The
pre-tokenizers below are put together from the library's own parts, with the patterns that the models'
own tokenizer.json files have (transformers' conversion from GGUF uses one for all of them, so it is
no reference). Run from the repository root:

    python scripts/reference/tokenizer_reference.py SMOLLM2.gguf
"""

import json
import sys
from pathlib import Path

from gguf import GGUFReader
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers as pre

OUT = Path("crates/adapter-local/tests/fixtures")

TEXTS = [
    "Hello, world!", "The quick brown fox jumps over the lazy dog.", "I'll say it's what they've DONE, isn't IT'S?",
    "", " ", "  ", "   x", "x   ", " a  b   c    d", "\n", "\n\n", "\r\n", "a\nb", "a\n\nb\n\n\nc", "a \n b", "a\n  b\n\tc",
    "\ta\t\tb", " \n", "\n ", "x\r\n\r\n  y", "trailing   \n\n", "a\u00a0b \u3000c\u3000\u3000d", "1", "12", "123", "1234567890",
    "in 2024, 3.14159 and 1,000,000", "x1y22z333", "\u0664\u0665\u0666 \u00bd \u2163", "fn main() {\n    println!(\"{}\", 1 + 1);\n}\n",
    "def f(x):\n\treturn x ** 2  # square\n", "<html><body class=\"a\">&amp;</body></html>", "a+b=c; c<=d && e!=f || g^h~i|j", "$100 + 20% = #tag @name",
    "{\"key\": [1, 2.5, null, true], \"s\": \"\\u00e9\"}", "https://example.org/a/b?c=d&e=f#g", "!!!???...---___***", "...and so on…",
    "\U0001f600", "a \U0001f44d\U0001f3fd b", "\U0001f468\u200d\U0001f469\u200d\U0001f467 family", "\U0001f1e9\U0001f1ea flags \U0001f1ef\U0001f1f5",
    "中文分词测试。", "日本語のテキスト、カタカナ", "한국어 텍스트입니다", "Привет, как дела?", "Ωμέγα και άλφα",
    "مرحبا بالعالم", "שלום עולם", "हिन्दी में पाठ", "ไทย", "e\u0301 a\u0308 n\u0303", "é ä ñ", "\u1112\u1161\u11ab", "Ａｆｕｌｌｗｉｄｔｈ",
    "ſ ﬁ ß İ ı", "\u200b\u200c\u200d\ufeff", "\ufffd", "\x00\x01\x1f\x7f", "naïve café résumé", "O'Neill's 'quoted' \"text\"", "don’t ‘curly’ “quotes”",
    "<|im_start", "im_end|>", "<|not_a_token|>", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "supercalifragilisticexpialidocious", " \n \n  \n   x", "a" + " " * 40 + "b", "\n" * 20 + "z",
]

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + TAIL
QWEN35 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + TAIL
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + TAIL
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def split(pattern):
    return pre.Split(Regex(pattern), "isolated")


WORDS = {
    "gpt-2": split(GPT2),
    "smollm": pre.Sequence([pre.Digits(individual_digits=True), split(GPT2)]),
    "qwen2": split(QWEN2),
    "qwen35": split(QWEN35),
    "llama-bpe": split(LLAMA3),
    "default": pre.Sequence([split(r"[\p{P}\$\+<=>\^~\|]+"), split(GPT2), split(r"\p{N}+"), split("[0-9][0-9][0-9]")]),
}


def byte_level(path, words, normalizer=None):
    fields = GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre.Sequence([words, pre.ByteLevel(add_prefix_space=False, use_regex=False)])
    if normalizer:
        tokenizer.normalizer = normalizer
    return [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]


def main():
    smollm2 = sys.argv[1]
    reference = {
        "texts": TEXTS,
        "words": {name: [[w for w, _ in p.pre_tokenize_str(t)] for t in TEXTS] for name, p in WORDS.items()},
        "smollm2": byte_level(smollm2, WORDS["smollm"]),
        "tiny_qwen3": byte_level(OUT / "tiny-qwen3-f32.gguf", WORDS["qwen2"], normalizers.NFC()),
    }
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in reference.items())
    (OUT / "tokenizer-reference.json").write_text("{" + lines + "}\n")


main()
