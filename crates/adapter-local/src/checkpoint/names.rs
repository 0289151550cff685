//! What the parts of a model are called: in files of transformers, and in GGUF files. Inside, the
//! names of GGUF files are used.

/// Parts outside the layers.
const WHOLE: [(&str, &str); 3] =
    [("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"), ("lm_head", "output")];

/// Parts of a layer.
const LAYER: [(&str, &str); 11] = [
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

/// What GGUF files call a tensor of transformers; nothing for one that no model here has.
pub(crate) fn gguf_name(hf: &str) -> Option<String> {
    translate(hf, "model.layers.", "blk.", |(hf, gguf)| (*hf, *gguf))
}

/// What transformers calls a tensor of a GGUF file; nothing for one that only GGUF files have.
pub(crate) fn hf_name(gguf: &str) -> Option<String> {
    translate(gguf, "blk.", "model.layers.", |(hf, gguf)| (*gguf, *hf))
}

/// Tensors that old files bring and nobody reads.
pub(super) fn is_idle(hf: &str) -> bool {
    hf.ends_with(".self_attn.rotary_emb.inv_freq")
}

fn translate(
    name: &str,
    from_layer: &str,
    to_layer: &str,
    order: impl Fn(&'static (&str, &str)) -> (&'static str, &'static str),
) -> Option<String> {
    let (stem, kind) = name.rsplit_once('.')?;
    if !matches!(kind, "weight" | "bias") {
        return None;
    }
    let find = |list: &'static [(&str, &str)], part: &str| {
        list.iter().map(&order).find(|(from, _)| *from == part).map(|(_, to)| to)
    };
    let Some(rest) = stem.strip_prefix(from_layer) else {
        return find(&WHOLE, stem).map(|to| format!("{to}.{kind}"));
    };
    let (layer, part) = rest.split_once('.')?;
    // Written as numbers are: no sign, no leading zeros.
    let number: usize = layer.parse().ok().filter(|n: &usize| n.to_string() == layer)?;
    find(&LAYER, part).map(|to| format!("{to_layer}{number}.{to}.{kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_translated_both_ways() {
        for (hf, gguf) in [
            ("model.embed_tokens.weight", "token_embd.weight"),
            ("lm_head.weight", "output.weight"),
            ("model.layers.0.self_attn.q_proj.bias", "blk.0.attn_q.bias"),
            ("model.layers.27.mlp.down_proj.weight", "blk.27.ffn_down.weight"),
        ] {
            assert_eq!(gguf_name(hf).as_deref(), Some(gguf));
            assert_eq!(hf_name(gguf).as_deref(), Some(hf));
        }
    }

    #[test]
    fn other_names_have_no_translation() {
        for name in [
            "model.layers.0.self_attn.rotary_emb.inv_freq",
            "model.layers.00.mlp.up_proj.weight",
            "model.layers.0.mlp.experts.3.up_proj.weight",
            "transformer.h.0.attn.weight",
            "token_embd.weight",
            "",
        ] {
            assert_eq!(gguf_name(name), None, "{name}");
        }
        assert!(is_idle("model.layers.0.self_attn.rotary_emb.inv_freq"));
    }
}
