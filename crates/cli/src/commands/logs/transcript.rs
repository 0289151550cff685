//! `textport logs show`: one conversation, whole.

use serde_json::json;
use textport::{Error, ErrorKind};

use super::local;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format::Format;
use crate::history::{Log, Place, TurnRow};
use crate::output::Output;

/// Prints the conversation that `id` names, or the last one.
///
/// # Errors
/// When there is none, or the log cannot be read.
pub(crate) fn run(place: &Place, id: Option<&str>, output: &mut Output) -> Result<Exit, Failure> {
    let empty = || {
        Error::new(ErrorKind::InvalidRequest, "the log is empty")
            .with_hint("ask something first: textport \"your question\"")
    };
    let log = Log::open_existing(place)?.ok_or_else(empty)?;
    let id = match id {
        Some(part) => log.find(part)?,
        None => log.last_conversation()?.ok_or_else(empty)?,
    };
    let turns = log.turns(&id)?;
    match output.format() {
        Format::Json => output.json(&json!({ "v": 1, "id": id, "turns": turns }))?,
        Format::Jsonl => turns.iter().try_for_each(|turn| output.json(turn))?,
        _ => {
            output.write_foreign(&format!("# {id}\n"))?;
            let mut system = None;
            for turn in &turns {
                if turn.system != system {
                    system.clone_from(&turn.system);
                    let text = system.as_deref().unwrap_or("(none)");
                    output.write_foreign(&format!("\n## system\n{text}\n"))?;
                }
                output.write_foreign(&text(turn))?;
            }
        }
    }
    Ok(Exit::Ok)
}

fn text(turn: &TurnRow) -> String {
    let lost = |chars: i64| format!("({chars} characters, not kept)");
    let asked = turn.prompt.clone().unwrap_or_else(|| lost(turn.prompt_chars));
    let answer = turn.response.clone().unwrap_or_else(|| lost(turn.response_chars));
    let reasoning = turn.reasoning.as_ref();
    let reasoning = reasoning.map(|text| format!("\n### reasoning\n{}\n", text.trim_end()));
    format!(
        "\n## user · {}{}\n{asked}\n{}\n## assistant · {}\n{}\n",
        local(turn.created),
        if turn.undone { " · undone" } else { "" },
        reasoning.unwrap_or_default(),
        facts(turn).join(" · "),
        answer.trim_end(),
    )
}

/// Who answered, how it ended and what it cost, as far as is known.
fn facts(turn: &TurnRow) -> Vec<String> {
    let mut facts = vec![turn.served_by.as_ref().unwrap_or(&turn.provider).clone()];
    facts.extend(turn.model.clone());
    match turn.error_kind.as_deref() {
        Some("cancelled") => facts.push("interrupted".to_owned()),
        Some(kind) => facts.push(format!("failed: {kind}")),
        None => facts.extend(turn.finish_reason.clone().filter(|reason| reason != "stop")),
    }
    let counts = [(turn.usage.input_tokens, "in"), (turn.usage.output_tokens, "out")];
    facts.extend(counts.iter().filter_map(|(count, word)| count.map(|n| format!("{n} {word}"))));
    let total = turn.timings.get("total_s").and_then(serde_json::Value::as_f64);
    facts.extend(total.map(|seconds| format!("{seconds:.1} s")));
    facts
}
