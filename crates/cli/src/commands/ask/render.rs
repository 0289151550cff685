//! Events as output: the answer to stdout as it comes, everything else to stderr.

use serde_json::{Value, json};
use textport::{Event, ProviderInfo, Response};

use super::answer::{Answer, Clock};
use super::extract;
use crate::args::AskArgs;
use crate::commands::talk::Talk;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format::Format;
use crate::output::Output;
use crate::settings::Settings;

/// Renders events while they come.
pub(crate) struct Renderer<'a> {
    output: &'a mut Output,
    streams_text: bool,
    shows_reasoning: bool,
    in_reasoning: bool,
    talk: Talk,
}

/// Whether text goes out as it comes, rather than all at the end.
fn streams(args: &AskArgs, format: Format) -> bool {
    !args.no_stream && !args.extract && !format.is_json()
}

impl<'a> Renderer<'a> {
    /// As the flags have it.
    pub(crate) fn new(args: &AskArgs, output: &'a mut Output) -> Self {
        let streams_text = streams(args, output.format());
        let shows_reasoning = !args.hide_reasoning && !output.format().is_json();
        let talk = Talk::new(output, false);
        Self { output, streams_text, shows_reasoning, in_reasoning: false, talk }
    }

    /// The provider is ready.
    pub(crate) fn loaded(&mut self, info: &ProviderInfo, clock: &Clock) {
        if self.output.verbose() > 0 {
            let model = info.model.as_ref().map(|model| format!(", {model}")).unwrap_or_default();
            let time = clock.load_time().unwrap_or_default().as_secs_f64();
            self.output
                .note(&format!("{} ({}{model}) is ready after {time:.2} s", info.id, info.kind));
        }
    }

    /// Renders one event.
    ///
    /// # Errors
    /// When stdout fails.
    pub(crate) fn event(&mut self, event: &Event) -> Result<(), Failure> {
        if self.output.format() == Format::Jsonl {
            return self.json_line(event);
        }
        match event {
            Event::Text(delta) if self.streams_text => {
                self.end_reasoning();
                self.output.write_foreign(delta)?;
                self.output.flush()?;
            }
            Event::Reasoning(delta) if self.shows_reasoning => {
                self.in_reasoning = true;
                self.output.dim(delta);
            }
            Event::Queued { position, eta } => self.talk.queued(*position, *eta, self.output),
            Event::Started { provider, model } if self.output.verbose() > 0 => {
                let model = model.as_ref().map(|model| format!(" with {model}"));
                self.output.note(&format!("{provider} answers{}", model.unwrap_or_default()));
            }
            Event::Notice(notice) => self.output.note(&notice.message),
            _ => {}
        }
        Ok(())
    }

    /// The event as it is, with the version of the format.
    fn json_line(&mut self, event: &Event) -> Result<(), Failure> {
        let mut value = serde_json::to_value(event).map_err(std::io::Error::other)?;
        if let Value::Object(object) = &mut value {
            object.insert("v".to_owned(), json!(1));
        }
        self.output.json(&value)?;
        self.output.flush()?;
        Ok(())
    }

    fn end_reasoning(&mut self) {
        if std::mem::take(&mut self.in_reasoning) {
            self.output.dim("\n\n");
        }
    }
}

/// Prints what streaming left to the end of a whole answer.
///
/// # Errors
/// When stdout fails, and a silent one when `--extract` finds no code.
pub(crate) fn whole(
    args: &AskArgs,
    response: &Response,
    settings: &Settings,
    conversation: Option<&str>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let code = args.extract.then(|| extract::code_block(&response.text)).flatten();
    match output.format() {
        Format::Json => {
            let tokens = settings.config.generation.logprobs.map(|_| response.tokens.as_slice());
            let answer = Answer::new(response, &settings.config.provider)
                .with_profile(settings.profile.as_deref())
                .with_conversation(conversation)
                .with_extracted(code)
                .with_tokens(tokens);
            output.json(&answer)?;
        }
        Format::Jsonl => {}
        _ if args.extract => output.write_foreign(code.unwrap_or_default())?,
        format if !streams(args, format) => output.write_foreign(&response.text)?,
        _ => {}
    }
    output.end_line()?;
    if args.usage {
        usage(response, output);
    }
    if args.extract && code.is_none() {
        output.note("the answer has no code block");
        return Ok(Exit::Refused);
    }
    Ok(Exit::Ok)
}

/// Prints what there is of an answer that did not end well. Under `--json` it is in the error, and
/// of `--extract` half a program is worse than none.
///
/// # Errors
/// When stdout fails.
pub(crate) fn partial(
    args: &AskArgs,
    response: &Response,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let format = output.format();
    if !format.is_json() && !args.extract && !streams(args, format) {
        output.write_foreign(&response.text)?;
    }
    output.end_line()?;
    Ok(Exit::Ok)
}

/// Token counts and timings on stderr; what is unknown is left out.
fn usage(response: &Response, output: &mut Output) {
    let usage = &response.usage;
    let timings = &response.timings;
    let counts = [
        ("in", usage.input_tokens),
        ("cached", usage.cached_tokens),
        ("out", usage.output_tokens),
        ("reasoning", usage.reasoning_tokens),
    ];
    let times = [
        ("queue", timings.queue),
        ("first token", timings.first_token),
        ("prefill", timings.prefill),
        ("decode", timings.decode),
        ("total", timings.total),
    ];
    let counts = counts.iter().filter_map(|(word, n)| n.map(|n| format!("{n} {word}")));
    let times = times
        .iter()
        .filter_map(|(word, time)| time.map(|time| format!("{word} {:.2} s", time.as_secs_f64())));
    let speed = match (usage.output_tokens, timings.decode) {
        // The first token belongs to the prefill.
        (Some(n), Some(time)) if n > 1 && !time.is_zero() => {
            Some(format!("{:.1} tokens/s", (n - 1) as f64 / time.as_secs_f64()))
        }
        _ => None,
    };
    let parts: Vec<String> = counts.chain(times).chain(speed).collect();
    let said = if parts.is_empty() { "unknown".to_owned() } else { parts.join(", ") };
    // Asked for by name, so also when quiet was asked for.
    output.tell(&format!("tokens: {said}\n"));
}
