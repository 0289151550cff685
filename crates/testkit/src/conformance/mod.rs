//! The contract of the ports as a suite of named cases.
//!
//! A [`Fixture`] says what is tested and what the suite cannot find out by itself; [`run`] runs
//! every case and gives a [`Report`]. Each case belongs to one numbered clause of the contract. A
//! case is skipped only because of something that is declared — a capability, a limit, the
//! fixture — and the report prints every case with what became of it.

mod batch;
mod cases;
mod concurrent;
mod content;
mod drops;
mod errors;
mod fixture;
mod invalid;
mod limits;
mod options;
mod order;
mod reasoning;
mod repeats;
mod report;
mod stop;
mod subject;
mod text;
mod transcript;
mod usage;

use std::time::Instant;

use tokio::time::timeout;

use cases::{CASES, Case};
pub use fixture::Fixture;
pub use report::{Entry, Outcome, Report, Skip};
use subject::{Subject, Unmet};

/// Runs every case against the fixture's generator, one after the other.
///
/// Each case is a task of its own under a time limit: a panic or a hang is that case's failure and
/// the others still run. A generator that blocks its thread can only be timed out on a
/// multi-threaded runtime.
pub async fn run(fixture: &Fixture) -> Report {
    let mut entries = Vec::new();
    for case in CASES {
        let started = Instant::now();
        let outcome = match fixture.exception(case.name) {
            Some(reason) => Outcome::Skipped(Skip::Exception(reason.to_owned())),
            None => outcome(case, fixture).await,
        };
        entries.push(Entry {
            case: case.name,
            clause: case.clause,
            outcome,
            elapsed: started.elapsed(),
        });
    }
    let known = |name: &str| CASES.iter().any(|case| case.name == name);
    let unknown = fixture.exceptions().filter(|name| !known(name)).map(str::to_owned).collect();
    Report::new(fixture.name().await, entries, unknown)
}

/// Every case's name and the clause of the contract that it belongs to.
pub fn cases() -> impl Iterator<Item = (&'static str, u8)> {
    CASES.iter().map(|case| (case.name, case.clause))
}

async fn outcome(case: &'static Case, fixture: &Fixture) -> Outcome {
    let fixture = fixture.clone();
    let limit = fixture.case_limit();
    let task = tokio::spawn(async move {
        let subject = Subject::new(fixture).await;
        (case.check)(&subject).await
    });
    let handle = task.abort_handle();
    match timeout(limit, task).await {
        Ok(Ok(Ok(()))) => Outcome::Passed,
        Ok(Ok(Err(Unmet::Skip(skip)))) => Outcome::Skipped(skip),
        Ok(Ok(Err(Unmet::Fail(why)))) => Outcome::Failed(why),
        Ok(Err(stopped)) => Outcome::Failed(format!("it panicked: {stopped}")),
        Err(_) => {
            handle.abort();
            Outcome::Failed(format!("it had not ended after {} s", limit.as_secs_f32()))
        }
    }
}
