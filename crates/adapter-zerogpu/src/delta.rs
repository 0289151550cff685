//! True deltas out of values that are sent whole again and again.
//!
//! What has been given out cannot be taken back, and intermediate values may be wrong: a place
//! holder, a cursor at the end, a diff that missed. So the first value is held until a second one
//! extends it; from then on growth is given out at once. As soon as a value does not extend the one
//! before it, only what two values in a row agree on is given out. White space and incomplete
//! characters at the end always wait. The final value wins: the rest of it is given out at the end.
//! Should it not begin with what was given out already, that is [`Rewritten`]: an error, because the
//! alternative is a text that is not the answer.

/// The final value does not begin with what was already given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rewritten;

/// Follows one growing text.
#[derive(Debug, Clone)]
pub(crate) struct Deltas {
    given: String,
    last: String,
    trust: Trust,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Values extend each other.
    Growth,
    /// One did not: only what two in a row agree on.
    Agreement,
    /// Nothing before the final value.
    FinalOnly,
}

impl Deltas {
    /// `final_only` gives the whole text at the end.
    pub(crate) fn new(final_only: bool) -> Self {
        let trust = if final_only { Trust::FinalOnly } else { Trust::Growth };
        Self { given: String::new(), last: String::new(), trust }
    }

    /// Takes an intermediate value; gives what of it is new and will stay.
    pub(crate) fn observe(&mut self, value: &str) -> Option<String> {
        // A value that comes again confirms nothing: a cursor blinks, too.
        if self.trust == Trust::FinalOnly || value == self.last {
            return None;
        }
        let extends = value.starts_with(&self.last);
        if !extends {
            self.trust = Trust::Agreement;
        }
        let agreed = match self.trust {
            // Anything extends nothing: that confirms nothing.
            Trust::Growth if self.last.is_empty() => 0,
            Trust::Growth => value.len(),
            _ => common(&self.last, value),
        };
        let delta = if value.starts_with(&self.given) {
            let stable = value[..agreed].trim_end_matches(unstable);
            stable.get(self.given.len()..).filter(|delta| !delta.is_empty()).map(str::to_owned)
        } else {
            None
        };
        if extends {
            self.last.push_str(&value[self.last.len()..]);
        } else {
            value.clone_into(&mut self.last);
        }
        self.given.extend(delta.as_deref());
        delta
    }

    /// Takes the final value; gives the rest of it.
    pub(crate) fn finish(&mut self, value: &str) -> Result<Option<String>, Rewritten> {
        let rest = value.strip_prefix(self.given.as_str()).ok_or(Rewritten)?.to_owned();
        self.given.push_str(&rest);
        Ok((!rest.is_empty()).then_some(rest))
    }
}

/// Ends that the next value may replace: apps strip white space, and decode tokens one by one.
fn unstable(c: char) -> bool {
    c.is_whitespace() || c == char::REPLACEMENT_CHARACTER
}

/// Length of the common beginning, in whole characters.
fn common(a: &str, b: &str) -> usize {
    let pairs = a.char_indices().zip(b.chars());
    let differing = pairs.skip_while(|((_, x), y)| x == y).map(|((at, _), _)| at).next();
    differing.unwrap_or(a.len().min(b.len()))
}

#[cfg(test)]
mod tests;
