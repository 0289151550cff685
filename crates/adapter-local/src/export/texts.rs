//! A folder's texts as entries of a GGUF file: tokenizer, chat template, sampling defaults.

use ports::Error;

use super::gguf::Entries;
use crate::gguf::WriteValue;
use crate::hf_text::{GenerationConfig, HfText};
use crate::sampler::SamplerSettings;
use crate::tokenizer::{GgufTokenizer, NFC};

/// All of them, for a model with so many logits.
pub(crate) fn entries(text: &HfText, logits: usize) -> Result<Entries, Error> {
    let tokenizer = GgufTokenizer::of_folder(text, logits)?;
    let mut entries = sampling(text.generation());
    entries.extend(tokens(tokenizer));
    if let Some(template) = text.template()? {
        let template = WriteValue::Text(template.to_owned());
        entries.push(("tokenizer.chat_template".to_owned(), template));
    }
    Ok(entries)
}

fn tokens(tokenizer: GgufTokenizer) -> Entries {
    let GgufTokenizer { pre, nfc, tokens, merges, roles, add_bos } = tokenizer;
    let key = |name: &str| format!("tokenizer.ggml.{name}");
    let kinds = tokens.iter().map(|(_, kind)| kind.number()).collect();
    let texts = tokens.into_iter().map(|(text, _)| text).collect();
    let mut entries = vec![
        (key("model"), WriteValue::Text("gpt2".to_owned())),
        (key("pre"), WriteValue::Text(pre.to_owned())),
        (key("tokens"), WriteValue::Texts(texts)),
        (key("token_type"), WriteValue::I32s(kinds)),
        (key("merges"), WriteValue::Texts(merges)),
    ];
    let roles = roles.into_iter().map(|(role, id)| (format!("{role}_token_id"), id));
    entries.extend(roles.map(|(name, id)| (key(&name), WriteValue::U32(id))));
    entries.push((key("add_bos_token"), WriteValue::Bool(add_bos)));
    entries.extend(nfc.map(|nfc| (NFC.to_owned(), WriteValue::Bool(nfc))));
    entries
}

/// What the model's makers recommend, where they recommend something.
fn sampling(generation: &GenerationConfig) -> Entries {
    let all = SamplerSettings::of_generation_config(generation);
    let fraction = |is_said: bool, name: &str, value: f32| {
        is_said.then(|| (format!("general.sampling.{name}"), WriteValue::F32(value)))
    };
    let top_k = generation.top_k.map(|_| {
        let most = i32::try_from(all.top_k).unwrap_or(i32::MAX);
        ("general.sampling.top_k".to_owned(), WriteValue::I32(most))
    });
    let greedy = generation.do_sample == Some(false);
    let temperature = generation.temperature.is_some() || greedy;
    let penalty = generation.repetition_penalty.is_some();
    [
        fraction(temperature, "temp", all.temperature),
        top_k,
        fraction(generation.top_p.is_some(), "top_p", all.top_p),
        fraction(generation.min_p.is_some(), "min_p", all.min_p),
        fraction(penalty, "penalty_repeat", all.repeat_penalty),
    ]
    .into_iter()
    .flatten()
    .collect()
}
