//! Holds text back while it could still become a stop sequence.

/// Cuts a text that arrives in pieces at the earliest stop sequence.
#[derive(Debug, Default)]
pub(super) struct StopFilter {
    stops: Vec<String>,
    held: String,
}

impl StopFilter {
    pub(super) fn new(stops: &[String]) -> Self {
        Self { stops: stops.to_vec(), held: String::new() }
    }

    /// The text that is certain now, and whether a stop sequence ended it.
    pub(super) fn push(&mut self, piece: &str) -> (String, bool) {
        self.held.push_str(piece);
        if let Some(start) = self.stops.iter().filter_map(|stop| self.held.find(stop)).min() {
            self.held.truncate(start);
            return (std::mem::take(&mut self.held), true);
        }
        let keep = self.longest_beginning();
        let certain = self.held.len() - keep;
        (self.held.drain(..certain).collect(), false)
    }

    /// The rest, when nothing more comes.
    pub(super) fn flush(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end that are the beginning of a stop sequence.
    fn longest_beginning(&self) -> usize {
        let could_stop = |tail: &str| self.stops.iter().any(|stop| stop.starts_with(tail));
        let starts = self.held.char_indices().map(|(start, _)| start);
        starts.map(|start| &self.held[start..]).find(|tail| could_stop(tail)).map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use super::StopFilter;

    fn filtered(pieces: &[&str], stops: &[&str]) -> (Vec<String>, bool) {
        let stops: Vec<String> = stops.iter().map(ToString::to_string).collect();
        let mut filter = StopFilter::new(&stops);
        let mut out = Vec::new();
        for piece in pieces {
            let (text, stopped) = filter.push(piece);
            out.push(text);
            if stopped {
                return (out, true);
            }
        }
        out.push(filter.flush());
        (out, false)
    }

    #[test]
    fn a_stop_in_pieces_is_cut_and_nothing_of_it_leaks() {
        let (out, stopped) = filtered(&["ab", "E", "N", "D", "cd"], &["END"]);
        assert_eq!((out.concat().as_str(), stopped), ("ab", true));
    }

    #[test]
    fn a_near_miss_is_given_back() {
        let (out, stopped) = filtered(&["aE", "NE", "N"], &["END"]);
        assert_eq!((out.concat().as_str(), stopped), ("aENEN", false));
    }

    #[test]
    fn the_earliest_of_several_wins() {
        let (out, stopped) = filtered(&["one two three"], &["three", "two"]);
        assert_eq!((out.concat().as_str(), stopped), ("one ", true));
    }
}
