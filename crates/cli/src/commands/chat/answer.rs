//! One answer: events as they come, and Ctrl-C that ends it but not the conversation.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use textport::{Error, ErrorKind, Event, Request, Response, TextGenerator, TimeoutPhase};

use crate::failure::Failure;
use crate::output::Output;
use crate::runtime::Runtime;

/// Streams the answer to `request` to the output. Gives how it ended, with as much of it as there
/// is: all of it, or what came before an error or Ctrl-C.
pub(super) fn stream(
    runtime: &Runtime,
    generator: &dyn TextGenerator,
    request: Request,
    limit: Option<Duration>,
    screen: &mut Screen<'_>,
) -> (Response, Result<(), Failure>) {
    let begun = Instant::now();
    let mut response = Response::default();
    let mut first = None;
    let work = async {
        let mut events = generator.stream(request).await?;
        while let Some(event) = events.next().await {
            let event = event?;
            if event.is_content() {
                first.get_or_insert_with(|| begun.elapsed());
            }
            screen.show(&event)?;
            response.absorb(event);
        }
        if response.finish_reason.is_some() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Protocol, "the stream ended without saying why").into())
    };
    let result = runtime.run(async {
        match limit {
            None => work.await,
            Some(limit) => tokio::time::timeout(limit, work)
                .await
                .unwrap_or_else(|_| Err(too_late(limit).into())),
        }
    });
    response.timings.first_token = response.timings.first_token.or(first);
    response.timings.total = response.timings.total.or(Some(begun.elapsed()));
    (response, result)
}

fn too_late(limit: Duration) -> Error {
    let message = format!("the answer took longer than {} s", limit.as_secs_f64());
    Error::new(ErrorKind::Timeout(TimeoutPhase::Total), message)
}

/// The answer goes to stdout, everything else to stderr.
pub(super) struct Screen<'a> {
    output: &'a mut Output,
    shows_reasoning: bool,
    in_reasoning: bool,
}

impl<'a> Screen<'a> {
    /// On this output, with reasoning or without.
    pub(super) fn new(output: &'a mut Output, shows_reasoning: bool) -> Self {
        Self { output, shows_reasoning, in_reasoning: false }
    }

    fn show(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::Text(delta) => {
                if std::mem::take(&mut self.in_reasoning) {
                    self.output.dim("\n\n");
                }
                self.output.write_foreign(delta)?;
                self.output.flush()?;
            }
            Event::Reasoning(delta) if self.shows_reasoning => {
                self.in_reasoning = true;
                self.output.dim(delta);
            }
            Event::Queued { position: Some(ahead), .. } => {
                self.output.note(&format!("waiting in line, {ahead} ahead"));
            }
            Event::Queued { .. } => self.output.note("waiting in line"),
            Event::Notice(notice) => self.output.note(&notice.message),
            _ => {}
        }
        Ok(())
    }
}
