//! What goes wrong on the way from the Hub.

use crate::faults::{Answer, End, Recorded};

/// What is done to an answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Disturbance {
    /// Another answer.
    Instead(Answer),
    /// It promises the whole body, and ends in this way after so many bytes of it.
    Break(usize, End),
    /// It gives the whole file, whatever part was asked for.
    NoRange,
}

#[derive(Debug, Default)]
pub(super) struct Disturbances(Vec<(String, usize, Disturbance)>);

impl Disturbances {
    pub(super) fn add(&mut self, pattern: &str, times: usize, disturbance: Disturbance) {
        self.0.push((pattern.to_owned(), times, disturbance));
    }

    /// What is done to the answer to this request, if anything.
    pub(super) fn next(&mut self, request: &Recorded) -> Option<Disturbance> {
        let line = format!("{} {}", request.method, request.target);
        let fits = |(pattern, times, _): &&mut (String, usize, Disturbance)| {
            *times > 0 && line.contains(pattern.as_str())
        };
        let (_, times, disturbance) = self.0.iter_mut().find(fits)?;
        *times -= 1;
        Some(disturbance.clone())
    }
}

/// The answer, disturbed.
pub(super) fn disturbed(
    disturbance: Option<Disturbance>,
    request: &Recorded,
    answer: impl FnOnce(&Recorded) -> Answer,
) -> Answer {
    match disturbance {
        None => answer(request),
        Some(Disturbance::Instead(other)) => other,
        Some(Disturbance::Break(after, end)) => answer(request).breaking_after(after, end),
        Some(Disturbance::NoRange) => {
            let mut request = request.clone();
            request.headers.retain(|(name, _)| name != "range");
            answer(&request)
        }
    }
}
