//! What somebody who waits for a Space may want to know, on stderr.

use std::time::{Duration, Instant};

use crate::output::Output;

/// The pause between two lines about the same work: for people who watch, and for log files.
const WATCHED: Duration = Duration::from_secs(1);
const LOGGED: Duration = Duration::from_secs(5);

/// Says where in the queue a call is and how far it has come, without saying it too often.
#[derive(Debug)]
pub(super) struct Talk {
    shows: bool,
    pause: Duration,
    last: Option<Instant>,
    said: String,
}

impl Talk {
    /// On a terminal and with `-v`; `always` is for work that takes long enough to ask after.
    pub(super) fn new(output: &Output, always: bool) -> Self {
        let watched = output.may_draw() || output.verbose() > 0;
        let pause = if watched { WATCHED } else { LOGGED };
        Self { shows: watched || always, pause, last: None, said: String::new() }
    }

    /// It waits.
    pub(super) fn queued(
        &mut self,
        position: Option<u32>,
        eta: Option<Duration>,
        output: &mut Output,
    ) {
        let place = position.map(|place| format!(", {place} ahead")).unwrap_or_default();
        let eta = eta.map(|eta| format!(", about {:.0} s", eta.as_secs_f64()));
        self.say(format!("waiting in line{place}{}", eta.unwrap_or_default()), output);
    }

    /// The work has begun.
    pub(super) fn started(&mut self, output: &mut Output) {
        self.say("started".to_owned(), output);
    }

    /// How far it has come, in words.
    pub(super) fn progress(&mut self, words: &str, output: &mut Output) {
        if self.last.is_none_or(|last| last.elapsed() >= self.pause) && !words.is_empty() {
            self.last = Some(Instant::now());
            self.say(words.to_owned(), output);
        }
    }

    /// The app says something to people.
    pub(super) fn log(level: &str, title: Option<&str>, message: &str, output: &mut Output) {
        // Gradio's own titles only repeat the level.
        let title = title.filter(|title| !title.eq_ignore_ascii_case(level));
        let title = title.map(|title| format!("{title}: ")).unwrap_or_default();
        output.note(&plain(&format!("{level}: {title}{message}")));
    }

    fn say(&mut self, words: String, output: &mut Output) {
        if self.shows && words != self.said {
            output.note(&plain(&words));
            self.said = words;
        }
    }
}

/// One line without anything that could move a terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
