//! How far slow work has come: a bar on a terminal, otherwise a plain line every few seconds.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use textport::Progress;

use crate::output::Output;

/// Work that is done sooner needs no line.
const FIRST_LINE: Duration = Duration::from_secs(1);
const NEXT_LINES: Duration = Duration::from_secs(5);

/// Shows progress on stderr, in the way that stderr allows.
#[derive(Debug, Clone)]
pub(crate) struct Reporter(Arc<Mutex<Shown>>);

#[derive(Debug)]
enum Shown {
    Nothing,
    Bars { all: MultiProgress, bars: HashMap<String, ProgressBar> },
    Lines(HashMap<String, Spoken>),
}

/// When a task began, and when something was last said about it.
#[derive(Debug)]
struct Spoken {
    begun: Instant,
    last: Option<Instant>,
}

impl Reporter {
    /// What `output` allows: nothing when quiet, bars on a terminal, else lines.
    pub(crate) fn new(output: &Output) -> Self {
        let shown = if output.may_draw() {
            Shown::Bars { all: MultiProgress::new(), bars: HashMap::new() }
        } else if output.may_talk() {
            Shown::Lines(HashMap::new())
        } else {
            Shown::Nothing
        };
        Self(Arc::new(Mutex::new(shown)))
    }

    /// Takes reports from any thread.
    pub(crate) fn sink(&self) -> impl Fn(Progress) + Send + Sync + 'static {
        let shown = Arc::clone(&self.0);
        move |progress| shown.lock().unwrap_or_else(PoisonError::into_inner).show(progress)
    }

    /// Removes whatever is still drawn, before other output.
    pub(crate) fn clear(&self) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Shown::Bars { all, bars } = &mut *shown {
            bars.drain().for_each(|(_, bar)| bar.finish_and_clear());
            let _ = all.clear();
        }
    }
}

impl Shown {
    fn show(&mut self, progress: Progress) {
        match self {
            Shown::Nothing => {}
            Shown::Bars { all, bars } => {
                let bar = bars
                    .entry(progress.task.clone())
                    .or_insert_with(|| all.add(bar(&progress.task, progress.total)));
                bar.set_position(progress.done);
                if progress.finished {
                    bar.finish_and_clear();
                    bars.remove(&progress.task);
                }
            }
            Shown::Lines(tasks) => {
                let now = Instant::now();
                let task =
                    tasks.entry(progress.task.clone()).or_insert(Spoken { begun: now, last: None });
                let due = match task.last {
                    None => now - task.begun >= FIRST_LINE,
                    Some(last) => now - last >= NEXT_LINES || progress.finished,
                };
                if due {
                    task.last = Some(now);
                    let _ = writeln!(io::stderr(), "{}", line(&progress));
                }
                if progress.finished {
                    tasks.remove(&progress.task);
                }
            }
        }
    }
}

fn bar(task: &str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {msg} {bytes}"),
    };
    // A template that does not parse would cost the decoration, not the work.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_message(task.to_owned())
}

fn line(progress: &Progress) -> String {
    let done = HumanBytes(progress.done);
    match progress.total {
        // A source that gave up; another one may go on from here.
        Some(total) if progress.finished && progress.done < total => {
            format!("{}: ended at {done} of {}", progress.task, HumanBytes(total))
        }
        _ if progress.finished => format!("{}: done", progress.task),
        Some(total) if total > 0 => {
            let percent = progress.done.saturating_mul(100) / total;
            format!("{}: {done} of {} ({percent} %)", progress.task, HumanBytes(total))
        }
        _ if progress.done > 0 => format!("{}: {done}", progress.task),
        _ => format!("{} …", progress.task),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(done: u64, total: Option<u64>, finished: bool) -> Progress {
        Progress { task: "fetching x".into(), done, total, finished }
    }

    #[test]
    fn a_line_says_what_is_known() {
        assert_eq!(line(&progress(512, Some(1024), false)), "fetching x: 512 B of 1.00 KiB (50 %)");
        assert_eq!(line(&progress(512, None, false)), "fetching x: 512 B");
        assert_eq!(line(&progress(0, None, false)), "fetching x …");
        assert_eq!(line(&progress(5, Some(5), true)), "fetching x: done");
        let ended = line(&progress(512, Some(1024), true));
        assert_eq!(ended, "fetching x: ended at 512 B of 1.00 KiB");
    }

    #[test]
    fn a_task_that_is_over_is_forgotten() {
        let mut shown = Shown::Lines(HashMap::new());
        shown.show(progress(1, Some(2), false));
        shown.show(progress(2, Some(2), true));
        let Shown::Lines(tasks) = shown else { panic!("lines") };
        assert!(tasks.is_empty());
    }
}
