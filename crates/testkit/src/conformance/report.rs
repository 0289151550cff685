//! What became of every case.

use std::fmt;
use std::time::Duration;

use domain::Capability;

/// Why a case was not run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skip {
    /// The generator does not declare this.
    Lacks(Capability),
    /// The generator declares no `context_length`, or not more than one request at once.
    Undeclared(&'static str),
    /// The fixture does not give what the case needs.
    Fixture(&'static str),
    /// The fixture declares an exception, for this reason.
    Exception(String),
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lacks(capability) => write!(f, "lacks {}", capability.as_str()),
            Self::Undeclared(what) => write!(f, "declares no {what}"),
            Self::Fixture(what) => write!(f, "the fixture gives no {what}"),
            Self::Exception(reason) => write!(f, "exception: {reason}"),
        }
    }
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The clause holds.
    Passed,
    /// It does not apply.
    Skipped(Skip),
    /// The clause is broken, in one line.
    Failed(String),
}

/// One case and what became of it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name, e.g. `stop.split_across_deltas`.
    pub case: &'static str,
    /// The clause of the contract that it belongs to.
    pub clause: u8,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took.
    pub elapsed: Duration,
}

/// What became of every case. `Display` has a line for each.
#[derive(Debug, Clone)]
pub struct Report {
    subject: String,
    entries: Vec<Entry>,
    unknown_exceptions: Vec<String>,
}

impl Report {
    pub(super) fn new(
        subject: String,
        entries: Vec<Entry>,
        unknown_exceptions: Vec<String>,
    ) -> Self {
        Self { subject, entries, unknown_exceptions }
    }

    /// Every case, in the order of the contract.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The names of the cases that failed.
    pub fn failed(&self) -> Vec<&'static str> {
        self.names(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// The names of the cases that were skipped.
    pub fn skipped(&self) -> Vec<&'static str> {
        self.names(|outcome| matches!(outcome, Outcome::Skipped(_)))
    }

    /// Prints a line for every case, so that no skip goes unseen.
    ///
    /// # Panics
    /// When a case failed, or an exception names a case that does not exist.
    #[expect(clippy::panic, clippy::print_stdout, reason = "this is an assertion for tests")]
    pub fn assert_passed(&self) {
        println!("{self}");
        let failed = self.failed();
        assert!(failed.is_empty(), "{} breaks the contract:\n{self}", self.subject);
        if let Some(name) = self.unknown_exceptions.first() {
            panic!("the fixture excepts {name:?}, which is no case of the suite");
        }
    }

    fn names(&self, wanted: impl Fn(&Outcome) -> bool) -> Vec<&'static str> {
        self.entries.iter().filter(|e| wanted(&e.outcome)).map(|e| e.case).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "conformance of {}", self.subject)?;
        for entry in &self.entries {
            write!(f, "clause {:2} {:.<48} ", entry.clause, entry.case)?;
            match &entry.outcome {
                Outcome::Passed => writeln!(f, "ok ({:.2} s)", entry.elapsed.as_secs_f32())?,
                Outcome::Skipped(why) => writeln!(f, "skipped: {why}")?,
                Outcome::Failed(why) => writeln!(f, "FAILED: {why}")?,
            }
        }
        let (failed, skipped) = (self.failed().len(), self.skipped().len());
        let passed = self.entries.len() - failed - skipped;
        write!(f, "{passed} passed, {skipped} skipped, {failed} failed")
    }
}
