//! `textport models inspect`: what a model holds and what running it takes.

use std::fmt::Write as _;

use indicatif::HumanBytes;
use serde_json::{Value, json};
use textport::local::{Inspection, Located, ModelState, inspect};
use textport::{Error, ErrorKind};

use crate::commands::table;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Describes a model that is on this machine.
///
/// # Errors
/// When it is not here, damaged, or no model.
pub(crate) fn run(located: &Located, output: &mut Output) -> Result<Exit, Failure> {
    let format = output.format().no_lines("models inspect")?;
    let here = match located.state {
        ModelState::NotFetched | ModelState::Partial => false,
        _ => located.path.exists(),
    };
    if !here {
        let name = located.name.as_deref().unwrap_or_default();
        let message = format!("the model {name} is not on this machine");
        return Err(Error::new(ErrorKind::ModelLoad, message)
            .with_hint(format!("textport models pull {name}"))
            .into());
    }
    let inspection = inspect(&located.path)?;
    if format.is_json() {
        let mut value = serde_json::to_value(&inspection).map_err(std::io::Error::other)?;
        if let Value::Object(object) = &mut value {
            object.insert("v".to_owned(), json!(1));
        }
        output.json(&value)?;
    } else {
        // Names and templates come from the file.
        output.write_foreign(&text(&inspection))?;
        output.end_line()?;
    }
    Ok(Exit::Ok)
}

fn text(model: &Inspection) -> String {
    let mut text = String::new();
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "{name:<16}{value}");
        }
    };
    let bytes = |bytes: u64| HumanBytes(bytes).to_string();
    fact("file", Some(format!("{} ({})", model.path.display(), bytes(model.file_bytes))));
    fact("name", model.name.clone());
    fact("license", model.license.clone());
    fact("format", Some(model.format.clone()));
    fact("architecture", Some(model.architecture.clone().unwrap_or_else(|| "unknown".into())));
    fact("cannot run", model.cannot_run.clone());
    fact("parameters", Some(millions(model.parameters)));
    if let Some(shape) = &model.shape {
        fact("context length", Some(format!("{} tokens", shape.context_length)));
        fact(
            "layers",
            Some(format!(
                "{}, width {}, feed-forward {}",
                shape.layers, shape.width, shape.feed_forward
            )),
        );
        fact(
            "heads",
            Some(format!(
                "{} of size {}, {} for keys and values",
                shape.heads, shape.head_size, shape.kv_heads
            )),
        );
        fact("vocabulary", Some(shape.vocabulary.to_string()));
    }
    let tokenizer = &model.tokenizer;
    let kind = tokenizer.model.as_deref().unwrap_or("none");
    let pre = tokenizer.pre.as_deref().map(|pre| format!(" ({pre})")).unwrap_or_default();
    fact(
        "tokenizer",
        Some(format!("{kind}{pre}, {} tokens, {} merges", tokenizer.tokens, tokenizer.merges)),
    );
    for token in &model.special_tokens {
        let word = token.text.as_deref().unwrap_or("outside the vocabulary");
        fact(&format!("  {}", token.role), Some(format!("{} {word}", token.id)));
    }
    let template = model.chat_template.as_ref();
    fact(
        "chat template",
        Some(template.map_or_else(
            || "none".into(),
            |source| format!("{} characters", source.chars().count()),
        )),
    );
    if let Some(memory) = &model.memory {
        fact("memory", Some(format!("{} of weights, mapped from the file", bytes(memory.weights))));
        fact(
            "",
            Some(format!(
                "{} of KV cache for 1,000 tokens, {} for the full context",
                bytes(memory.kv_per_1000_tokens),
                bytes(memory.kv_at_full_context)
            )),
        );
        fact(
            "",
            Some(format!(
                "{} of buffers, {} in all at full context",
                bytes(memory.working),
                bytes(memory.total_at_full_context)
            )),
        );
    }
    text.push('\n');
    text + &quantizations(model)
}

fn quantizations(model: &Inspection) -> String {
    let rows = model.quantizations.iter().map(|part| {
        let kind = part.kind.clone();
        [
            kind,
            part.tensors.to_string(),
            millions(part.parameters),
            HumanBytes(part.bytes).to_string(),
        ]
    });
    table::text(["TYPE", "TENSORS", "PARAMETERS", "SIZE"], rows)
}

/// `134.5 M`, as people name the size of models.
fn millions(count: u64) -> String {
    match count {
        0..1_000_000 => count.to_string(),
        1_000_000..1_000_000_000 => format!("{:.1} M", count as f64 / 1e6),
        _ => format!("{:.2} B", count as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_say_them() {
        assert_eq!(millions(999), "999");
        assert_eq!(millions(134_515_008), "134.5 M");
        assert_eq!(millions(8_190_000_000), "8.19 B");
    }
}
