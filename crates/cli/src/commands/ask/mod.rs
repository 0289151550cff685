//! `textport ask`: one generation.

mod answer;
mod dry_run;
mod extract;
mod log;
mod prompt;
mod render;

use std::time::Duration;

use futures_util::StreamExt;
use textport::{
    Error, ErrorKind, FinishReason, Message, Request, Response, TextGenerator, TimeoutPhase,
};

use crate::args::{AskArgs, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format::Format;
use crate::history::Loaded;
use crate::output::Output;
use crate::progress::Reporter;
use crate::runtime::Runtime;
use crate::settings::{Overrides, Settings};
use answer::Clock;
use render::Renderer;

/// Asks once and prints the answer.
///
/// # Errors
/// Whatever keeps the answer from being whole; what there was of it is printed.
pub(crate) fn run(args: &AskArgs, global: &Global, output: &mut Output) -> Result<Exit, Failure> {
    if args.logprobs.is_some() && !output.format().is_json() {
        return Err(Failure::usage("--logprobs has nowhere to go in text")
            .try_this("add --json or --format jsonl"));
    }
    if args.extract && output.format() == Format::Jsonl {
        return Err(Failure::usage("--extract needs the whole answer, and jsonl has none")
            .try_this("use --json or text"));
    }
    let overrides = Overrides::new(global)?
        .with_target(&args.target)
        .with_system(args.system.as_deref())
        .with_logprobs(args.logprobs)
        .with_generation(&args.generation)?;
    let settings = Settings::load(&overrides)?;
    let text = prompt::gather(args)?;
    let earlier = log::earlier(args, &settings)?;
    let request = request(args, &settings, text, earlier.as_ref());
    request.validate().map_err(|invalid| {
        Failure::usage(invalid.to_string()).try_this("textport \"your question\"")
    })?;
    if args.dry_run {
        return dry_run::run(&settings, &request, output);
    }
    let mut call = Call {
        settings: &settings,
        request: &request,
        earlier: earlier.as_ref().map(|earlier| earlier.id.as_str()),
        clock: Clock::start(),
        response: Response::default(),
    };
    let runtime = Runtime::new()?;
    let result = call.run(args, &runtime, output);
    call.finish(args, result, output)
}

/// The request as the flags and the configuration make it.
fn request(args: &AskArgs, settings: &Settings, text: String, earlier: Option<&Loaded>) -> Request {
    let request = if args.raw {
        Request::raw(text)
    } else {
        // The system prompt of an earlier conversation holds, unless a flag gives another one.
        let earliers = earlier.filter(|_| args.system.is_none()).map(|earlier| &earlier.system);
        let system = earliers.unwrap_or(&settings.config.system).as_deref().map(Message::system);
        let turns = earlier.into_iter().flat_map(Loaded::messages);
        Request::messages(system.into_iter().chain(turns).chain([Message::user(text)]).collect())
    };
    request.with_options(settings.config.generation.clone())
}

/// One generation under way, and what there is of its answer.
struct Call<'a> {
    settings: &'a Settings,
    request: &'a Request,
    /// The conversation that this goes on with.
    earlier: Option<&'a str>,
    clock: Clock,
    response: Response,
}

impl Call<'_> {
    /// Builds the provider and renders its events as they come.
    fn run(
        &mut self,
        args: &AskArgs,
        runtime: &Runtime,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let registry = self.settings.registry()?;
        let reporter = Reporter::new(output);
        let context = self.settings.context(reporter.sink());
        let config = &self.settings.config;
        let mut renderer = Renderer::new(args, output);
        let (request, clock, response) = (self.request, &mut self.clock, &mut self.response);
        let work = async {
            let generator = registry.build(&config.provider, config, &context).await?;
            reporter.clear();
            clock.loaded();
            renderer.loaded(generator.info(), clock);
            let mut events = generator.stream(request.clone()).await?;
            while let Some(event) = events.next().await {
                let event = event?;
                if event.is_content() {
                    clock.first_content();
                }
                renderer.event(&event)?;
                response.absorb(event);
            }
            Ok(())
        };
        let limit = config.timeout.map(Duration::from_secs_f64);
        let result = runtime.run(async {
            match limit {
                None => work.await,
                Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
                    let message = format!("the answer took longer than {} s", limit.as_secs_f64());
                    Err(Error::new(ErrorKind::Timeout(TimeoutPhase::Total), message)
                        .with_provider(config.provider.clone())
                        .with_hint("allow more time with --timeout, or less text with --max-tokens")
                        .into())
                }),
            }
        });
        reporter.clear();
        self.clock.end();
        result
    }

    /// Prints what is left to print, logs the turn, and says how it ended.
    fn finish(
        mut self,
        args: &AskArgs,
        result: Result<(), Failure>,
        output: &mut Output,
    ) -> Result<Exit, Failure> {
        let result = result.map_err(|failure| self.with_partial(failure));
        self.clock.complete(&mut self.response.timings);
        let record = |output: &mut Output| {
            let outcome = (&self.response, &result);
            let built = self.clock.load_time().is_some();
            built
                .then(|| {
                    log::record(args, self.settings, self.request, self.earlier, outcome, output)
                })
                .flatten()
        };
        // An answer does not wait for the log, unless it names the conversation that it is in.
        let names = output.format() == Format::Json && result.is_ok();
        let conversation = if names { record(output) } else { None };
        let conversation = conversation.as_deref();
        let printed = match &result {
            Ok(()) => render::whole(args, &self.response, self.settings, conversation, output),
            // What arrived before the error or Ctrl-C stays on the screen; held-back text too.
            Err(_) => render::partial(args, &self.response, output),
        };
        if !names {
            record(output);
        }
        result?;
        let exit = printed?;
        if self.response.finish_reason == Some(FinishReason::ContentFilter) {
            output.note("the provider withheld the rest of the answer");
            return Ok(Exit::Refused);
        }
        Ok(exit)
    }

    /// An error keeps what there was of the answer.
    fn with_partial(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Error(error) if error.partial().is_none() => {
                Failure::Error(error.with_partial(self.response.clone()))
            }
            other => other,
        }
    }
}
