//! The state of a chat: who answers, what was said, where it is logged.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use textport::{Error, ErrorKind, Request, Response, TextGenerator, Usage};

use super::answer::{self, Screen};
use super::conversation::Conversation;
use crate::args::{ChatArgs, GenerationArgs, Global};
use crate::commands::logs;
use crate::failure::Failure;
use crate::history::{Exchange, Journal, Log, Place, Turn};
use crate::output::Output;
use crate::progress::Reporter;
use crate::runtime::Runtime;
use crate::settings::{Overrides, Settings};

/// The state of a chat.
pub(super) struct Session<'a> {
    /// The flags as they would be now, had the commands so far been flags.
    pub(super) args: ChatArgs,
    global: &'a Global,
    pub(super) settings: Settings,
    pub(super) generator: Arc<dyn TextGenerator>,
    runtime: Runtime,
    journal: Journal,
    pub(super) talk: Conversation,
    /// The last answer, and how much there was of all.
    pub(super) last: Option<Response>,
    pub(super) spent: Usage,
    /// Files that `/save` wrote and may write again.
    pub(super) saved: Vec<PathBuf>,
}

impl<'a> Session<'a> {
    /// Reads the settings, takes up the conversation that is to go on, and builds the provider.
    ///
    /// # Errors
    /// When one of these fails.
    pub(super) fn open(
        args: &ChatArgs,
        global: &'a Global,
        output: &mut Output,
    ) -> Result<Self, Failure> {
        let settings = settings(args, global)?;
        let args = &with_options_by_name(args)?;
        let mut journal = Journal::new(&settings, args.no_log);
        let mut talk =
            Conversation { system: settings.config.system.clone(), ..Default::default() };
        if args.conversation.wanted() {
            let loaded = Log::resume(&Place::of(&settings), args.conversation.cid.as_deref())?;
            if args.system.is_none() {
                talk.system = loaded.system;
            }
            talk.exchanges = loaded.exchanges;
            journal.go_on_with(Some(loaded.id));
        }
        let runtime = Runtime::new()?;
        let generator = build(&runtime, &settings, output)?;
        Ok(Self {
            args: args.clone(),
            global,
            settings,
            generator,
            runtime,
            journal,
            talk,
            last: None,
            spent: Usage::default(),
            saved: Vec::new(),
        })
    }

    /// The first line that a person sees.
    pub(super) fn greeting(&self) -> String {
        let info = self.generator.info();
        let model = info.model.as_ref().map(|model| format!(" with {model}")).unwrap_or_default();
        let turns = match self.talk.exchanges.len() {
            0 => String::new(),
            1 => ", going on after 1 turn".to_owned(),
            n => format!(", going on after {n} turns"),
        };
        format!("{}{model}{turns}. /help lists commands, Ctrl-D leaves.", info.id)
    }

    /// At the prompt Ctrl-C is a key, and never the end of the process.
    pub(super) fn leave_ctrl_c_to_the_editor(&mut self) {
        self.runtime.let_idle_interrupts_pass();
    }

    /// Where the editor keeps lines: nowhere, if the texts of the conversation are not kept.
    pub(super) fn line_history(&self) -> Option<PathBuf> {
        self.journal.keeps_texts().then(|| self.settings.dirs.state.join("chat_history"))
    }

    /// Takes over changed flags, and builds the provider anew if that is needed. Nothing changes
    /// when it fails.
    ///
    /// # Errors
    /// When the flags make no sense, or the provider cannot be built.
    pub(super) fn change(
        &mut self,
        args: ChatArgs,
        rebuild: bool,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let settings = settings(&args, self.global)?;
        if rebuild {
            self.generator = build(&self.runtime, &settings, output)?;
        }
        self.settings = settings;
        self.args = args;
        Ok(())
    }

    /// Begins a new conversation; the system prompt stays.
    pub(super) fn begin_anew(&mut self) {
        self.talk.exchanges.clear();
        self.talk.failed = None;
        self.journal.go_on_with(None);
    }

    /// Asks `text` as the next message, prints the answer and records both.
    ///
    /// # Errors
    /// Whatever keeps the answer from being whole; also Ctrl-C, though its answer is kept.
    pub(super) fn ask(&mut self, text: String, output: &mut Output) -> Result<(), Failure> {
        let request = Request::messages(self.talk.request(&text))
            .with_options(self.settings.config.generation.clone());
        let limit = self.settings.config.timeout.map(Duration::from_secs_f64);
        let generator = Arc::clone(&self.generator);
        let mut screen = Screen::new(output, !self.args.hide_reasoning);
        let (response, result) =
            answer::stream(&self.runtime, generator.as_ref(), request.clone(), limit, &mut screen);
        output.end_line()?;
        self.count(&response.usage);
        self.keep(text, &request, &response, &result, output);
        self.last = Some(response);
        result
    }

    /// Asks the last message again. Its old answer is forgotten once there is a new one.
    ///
    /// # Errors
    /// As [`Session::ask`]; a usage error when nothing was asked yet.
    pub(super) fn retry(&mut self, output: &mut Output) -> Result<(), Failure> {
        if let Some(text) = self.talk.failed.take() {
            return self.ask(text, output);
        }
        let Some(old) = self.talk.exchanges.pop() else {
            return Err(Failure::usage("there is nothing to ask again"));
        };
        let before = self.talk.exchanges.len();
        let result = self.ask(old.user.content.clone(), output);
        if self.talk.exchanges.len() > before {
            self.forget(&old, output);
        } else {
            self.talk.failed = None;
            self.talk.exchanges.push(old);
        }
        result
    }

    /// Takes back the last message and its answer; gives the message.
    pub(super) fn undo(&mut self, output: &mut Output) -> Option<String> {
        if let Some(failed) = self.talk.failed.take() {
            return Some(failed);
        }
        let old = self.talk.exchanges.pop()?;
        self.forget(&old, output);
        Some(old.user.content)
    }

    fn forget(&mut self, old: &Exchange, output: &mut Output) {
        let undone = old.recorded.as_ref().map_or(Ok(()), |turn| self.journal.undo(turn));
        if let Err(error) = undone {
            logs::warn(&error, output);
        }
    }

    /// Puts the turn into the conversation, if it belongs there, and into the log.
    fn keep(
        &mut self,
        text: String,
        request: &Request,
        response: &Response,
        result: &Result<(), Failure>,
        output: &mut Output,
    ) {
        let error = result.as_ref().err().map(|failure| as_error(failure, response));
        let turn = Turn {
            provider: &self.settings.config.provider,
            model: self.generator.info().model.as_ref(),
            request,
            outcome: error.as_ref().map_or(Ok(response), Err),
        };
        let recorded = self.journal.record(&turn).unwrap_or_else(|error| {
            logs::warn(&error, output);
            None
        });
        let interrupted = matches!(result, Err(Failure::Signal(_)));
        if result.is_ok() || (interrupted && !response.text.is_empty()) {
            let mut assistant = textport::Message::assistant(response.text.as_str());
            assistant.reasoning =
                Some(response.reasoning.clone()).filter(|reasoning| !reasoning.is_empty());
            let user = textport::Message::user(text);
            self.talk.exchanges.push(Exchange { user, assistant, interrupted, recorded });
            self.talk.failed = None;
        } else {
            self.talk.failed = Some(text);
        }
    }

    fn count(&mut self, usage: &Usage) {
        let add = |sum: &mut Option<u64>, n: Option<u64>| {
            if let Some(n) = n {
                *sum = Some(sum.unwrap_or_default() + n);
            }
        };
        add(&mut self.spent.input_tokens, usage.input_tokens);
        add(&mut self.spent.output_tokens, usage.output_tokens);
        add(&mut self.spent.reasoning_tokens, usage.reasoning_tokens);
        add(&mut self.spent.cached_tokens, usage.cached_tokens);
    }
}

/// What the log is to know of a failure: its kind, and what there is of the answer.
fn as_error(failure: &Failure, response: &Response) -> Error {
    let kind = match failure {
        Failure::Error(error) => error.kind(),
        Failure::Signal(_) => ErrorKind::Cancelled,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, "").with_partial(response.clone())
}

/// The same flags with every generation option as `-o NAME=VALUE`: there is one list for `/set` to
/// change. Flags win over `-o`, so they come last.
fn with_options_by_name(args: &ChatArgs) -> Result<ChatArgs, Failure> {
    let flags = serde_json::to_string(&args.generation)
        .and_then(|text| serde_json::from_str::<serde_json::Map<String, Value>>(&text))
        .map_err(|error| {
            Error::new(ErrorKind::Internal, "the flags are no table").with_source(error)
        })?;
    let mut options = args.generation.options.clone();
    options.extend(flags.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    }));
    Ok(ChatArgs { generation: GenerationArgs { options, ..Default::default() }, ..args.clone() })
}

fn settings(args: &ChatArgs, global: &Global) -> Result<Settings, Failure> {
    let overrides = Overrides::new(global)?
        .with_target(&args.target)
        .with_system(args.system.as_deref())
        .with_generation(&args.generation)?;
    Ok(Settings::load(&overrides)?)
}

fn build(
    runtime: &Runtime,
    settings: &Settings,
    output: &mut Output,
) -> Result<Arc<dyn TextGenerator>, Failure> {
    let registry = settings.registry()?;
    let reporter = Reporter::new(output);
    let context = settings.context(reporter.sink());
    let config = &settings.config;
    let built =
        runtime.run(async { Ok(registry.build(&config.provider, config, &context).await?) });
    reporter.clear();
    built
}
