//! Doing what slash commands ask for.

use std::path::Path;

use super::command::{self, Command};
use super::save;
use super::session::Session;
use crate::failure::Failure;
use crate::output::Output;

/// Does what `command` asks for.
///
/// # Errors
/// When it cannot be done; nothing has changed then.
pub(super) fn obey(
    command: &Command,
    session: &mut Session<'_>,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        Command::Help => output.tell(&command::help()),
        // Leaving is the loop's matter.
        Command::Quit => {}
        Command::New => {
            session.begin_anew();
            output.note("a new conversation");
        }
        Command::Clear => {
            session.begin_anew();
            if output.to_terminal() {
                output.write("\x1b[H\x1b[2J\x1b[3J")?;
                output.flush()?;
            }
            output.note("a new conversation");
        }
        Command::System(text) => {
            session.talk.system.clone_from(text);
            output.note(if text.is_some() { "system prompt set" } else { "no system prompt" });
        }
        Command::Model(Some(model)) => {
            let mut args = session.args.clone();
            args.target.model = Some(model.clone());
            session.change(args, true, output)?;
            output.note(&who(session));
        }
        Command::Provider(Some(provider)) => {
            let mut args = session.args.clone();
            args.target.provider = Some(provider.clone());
            // The model of one provider means nothing to another.
            args.target.model = None;
            session.change(args, true, output)?;
            output.note(&who(session));
        }
        Command::Model(None) => output.tell(&format!("{}\n", who(session))),
        Command::Provider(None) => list_providers(session, output),
        Command::Set(None) => options(session, output),
        Command::Set(Some((key, value))) => set(key, value.as_deref(), session, output)?,
        Command::Show => {
            let text = session.talk.transcript();
            output.write_foreign(if text.is_empty() { "nothing was said yet\n" } else { &text })?;
            output.flush()?;
        }
        Command::Save(path) => keep(path, session, output)?,
        Command::Retry => session.retry(output)?,
        Command::Undo => match session.undo(output) {
            Some(text) => output.note(&format!("taken back: {}", text.trim())),
            None => return Err(Failure::usage("there is nothing to take back")),
        },
        Command::Usage => usage(session, output),
    }
    Ok(())
}

fn who(session: &Session<'_>) -> String {
    let info = session.generator.info();
    match &info.model {
        Some(model) => format!("{} answers with {model}", info.id),
        None => format!("{} answers", info.id),
    }
}

fn list_providers(session: &Session<'_>, output: &mut Output) {
    let config = &session.settings.config;
    for id in config.provider_names() {
        let mark = if *id == config.provider { "*" } else { " " };
        output.tell(&format!("{mark} {id}\n"));
    }
}

/// An option is set the way `-o` sets it, so that its name and value are checked the same way.
fn set(
    key: &str,
    value: Option<&str>,
    session: &mut Session<'_>,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut args = session.args.clone();
    let key = key.replace('-', "_");
    args.generation
        .options
        .retain(|option| option.split_once('=').is_none_or(|(name, _)| name.trim() != key));
    if let Some(value) = value {
        args.generation.options.push(format!("{key}={value}"));
    }
    session.change(args, false, output)?;
    match value {
        Some(value) => output.note(&format!("{key} = {value}")),
        None => output.note(&format!("{key} is as configured")),
    }
    Ok(())
}

fn options(session: &Session<'_>, output: &mut Output) {
    let options = serde_json::to_string(&session.settings.config.generation)
        .and_then(|text| serde_json::from_str::<serde_json::Value>(&text))
        .unwrap_or_default();
    let set = options.as_object().filter(|options| !options.is_empty());
    match set {
        Some(options) => {
            for (key, value) in options {
                output.tell(&format!("{key} = {value}\n"));
            }
        }
        None => output.tell("no option is set: the provider decides\n"),
    }
}

fn keep(path: &Path, session: &mut Session<'_>, output: &mut Output) -> Result<(), Failure> {
    let mine = session.saved.iter().any(|saved| saved == path);
    save::save(&session.talk, path, mine)?;
    if !mine {
        session.saved.push(path.to_owned());
    }
    output.note(&format!("saved to {}", path.display()));
    Ok(())
}

fn usage(session: &Session<'_>, output: &mut Output) {
    let Some(last) = &session.last else {
        output.tell("nothing was answered yet\n");
        return;
    };
    let line = |what: &str, usage: &textport::Usage, seconds: Option<f64>| {
        let counts = [
            ("in", usage.input_tokens),
            ("cached", usage.cached_tokens),
            ("out", usage.output_tokens),
            ("reasoning", usage.reasoning_tokens),
        ];
        let counts = counts.iter().filter_map(|(word, n)| n.map(|n| format!("{n} {word}")));
        let seconds = seconds.map(|seconds| format!("{seconds:.2} s"));
        let parts: Vec<String> = counts.chain(seconds).collect();
        let said = if parts.is_empty() { "unknown".to_owned() } else { parts.join(", ") };
        format!("{what}: {said}\n")
    };
    let seconds = last.timings.total.map(|total| total.as_secs_f64());
    output.tell(&line("last answer", &last.usage, seconds));
    output.tell(&line("all answers", &session.spent, None));
}
