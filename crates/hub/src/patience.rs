//! How long to wait, and how often to try again.

use std::time::Duration;

/// How long to wait, and how often to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For an answer to begin, and then for the next kilobyte of it.
    pub idle: Duration,
    /// Tries in a row that bring nothing new before giving up.
    pub tries: u32,
    /// The wait before the second try; doubled for each further one.
    pub first_wait: Duration,
    /// The longest wait before a try, also when the server asks for a longer one: then the error
    /// says how long.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            idle: Duration::from_secs(30),
            tries: 5,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(60),
        }
    }
}

impl Patience {
    /// The wait after the `failed`-th failure in a row, or `None` to give up. `asked` is what the
    /// server asked for.
    pub(crate) fn wait(&self, failed: u32, asked: Option<Duration>) -> Option<Duration> {
        let doubled = self.first_wait.saturating_mul(1 << failed.saturating_sub(1).min(10));
        match asked {
            _ if failed >= self.tries => None,
            Some(asked) if asked > self.longest_wait => None,
            Some(asked) => Some(asked.max(self.first_wait)),
            None => Some(doubled.min(self.longest_wait)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end() {
        let patience = Patience { tries: 3, ..Patience::default() };
        assert_eq!(patience.wait(1, None), Some(Duration::from_millis(500)));
        assert_eq!(patience.wait(2, None), Some(Duration::from_secs(1)));
        assert_eq!(patience.wait(3, None), None);
    }

    #[test]
    fn a_server_that_asks_for_too_long_a_wait_is_not_waited_for() {
        let patience = Patience::default();
        let wait = |seconds| patience.wait(1, Some(Duration::from_secs(seconds)));
        assert_eq!(wait(7), Some(Duration::from_secs(7)));
        assert_eq!(wait(3600), None);
    }
}
