//! A Space and the script of its stages.

/// When the next stage begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// After so many questions about this stage.
    AfterPolls(usize),
    /// When somebody visits the host.
    WhenVisited,
    /// Never.
    Last,
}

/// A Space as the Hub knows it.
#[derive(Debug, Clone)]
pub struct Space {
    pub(super) id: String,
    pub(super) private: bool,
    pub(super) hardware: String,
    pub(super) upstream: String,
    pub(super) error_message: Option<String>,
    pub(super) script: Vec<(String, Step)>,
    pub(super) polls: usize,
}

impl Space {
    /// A public Space that runs on ZeroGPU hardware; its host goes on to `upstream`.
    pub fn running(id: &str, upstream: &str) -> Self {
        Self {
            id: id.to_owned(),
            private: false,
            hardware: "zero-a10g".into(),
            upstream: upstream.to_owned(),
            error_message: None,
            script: vec![("RUNNING".into(), Step::Last)],
            polls: 0,
        }
    }

    /// Only those who have the token may see it.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// The stages that it goes through; the last one stays.
    #[must_use]
    pub fn with_stages(mut self, stages: &[(&str, Step)]) -> Self {
        self.set_stages(stages);
        self
    }

    pub(super) fn set_stages(&mut self, stages: &[(&str, Step)]) {
        self.script = stages.iter().map(|(stage, step)| ((*stage).to_owned(), *step)).collect();
        self.polls = 0;
    }

    /// Why it failed, as the Hub says it.
    #[must_use]
    pub fn with_error_message(mut self, message: &str) -> Self {
        self.error_message = Some(message.to_owned());
        self
    }

    pub(super) fn stage(&self) -> &str {
        self.script.first().map_or("RUNNING", |(stage, _)| stage)
    }

    /// Whether its host gives what its app says; an older version serves while a new one builds.
    pub(super) fn serves(&self) -> bool {
        self.stage().starts_with("RUNNING")
    }

    pub(super) fn visited(&mut self) {
        if let Some((_, Step::WhenVisited)) = self.script.first() {
            self.next();
        }
    }

    pub(super) fn polled(&mut self) {
        self.polls += 1;
        if let Some((_, Step::AfterPolls(n))) = self.script.first()
            && self.polls >= *n
        {
            self.next();
        }
    }

    fn next(&mut self) {
        self.polls = 0;
        if self.script.len() > 1 {
            self.script.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Space, Step};

    #[test]
    fn stages_follow_the_script() {
        let mut space = Space::running("a/b", "").with_stages(&[
            ("SLEEPING", Step::WhenVisited),
            ("APP_STARTING", Step::AfterPolls(2)),
            ("RUNNING", Step::Last),
        ]);
        space.polled();
        assert_eq!(space.stage(), "SLEEPING");
        space.visited();
        space.polled();
        assert_eq!(space.stage(), "APP_STARTING");
        space.polled();
        assert_eq!(space.stage(), "RUNNING");
        space.polled();
        assert!(space.serves());
    }
}
