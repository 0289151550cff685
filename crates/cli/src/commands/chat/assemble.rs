//! Messages of several lines.

const FENCE: &str = "\"\"\"";

/// Puts lines together: from `"""` to `"""`, or as long as each ends with a backslash.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    lines: Vec<String>,
    fenced: bool,
}

impl Assembler {
    /// Whether a message has begun and is not complete.
    pub(super) fn is_open(&self) -> bool {
        self.fenced || !self.lines.is_empty()
    }

    /// Takes the next line; gives the message when it is complete.
    pub(super) fn take(&mut self, line: &str) -> Option<String> {
        let line = line.trim_end_matches(['\n', '\r']);
        if self.fenced {
            return self.inside_fence(line);
        }
        if self.lines.is_empty()
            && let Some(rest) = line.trim_start().strip_prefix(FENCE)
        {
            self.fenced = true;
            // `"""` alone begins with the next line.
            return if rest.is_empty() { None } else { self.inside_fence(rest) };
        }
        match line.strip_suffix('\\') {
            Some(begun) => {
                self.lines.push(begun.to_owned());
                None
            }
            None => {
                self.lines.push(line.to_owned());
                Some(self.finish())
            }
        }
    }

    fn inside_fence(&mut self, line: &str) -> Option<String> {
        match line.trim_end().strip_suffix(FENCE) {
            Some(last) => {
                if !last.is_empty() {
                    self.lines.push(last.to_owned());
                }
                Some(self.finish())
            }
            None => {
                self.lines.push(line.to_owned());
                None
            }
        }
    }

    /// What there is, complete or not; the next line begins anew.
    pub(super) fn finish(&mut self) -> String {
        self.fenced = false;
        std::mem::take(&mut self.lines).join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &[&str]) -> Vec<String> {
        let mut assembler = Assembler::default();
        let mut messages: Vec<_> = lines.iter().filter_map(|line| assembler.take(line)).collect();
        if assembler.is_open() {
            messages.push(format!("open: {}", assembler.finish()));
        }
        messages
    }

    #[test]
    fn lines_are_put_together() {
        assert_eq!(all(&["one\r\n", "two\n"]), ["one", "two"]);
        assert_eq!(all(&["a\\", "b\\", "c", "d"]), ["a\nb\nc", "d"]);
        assert_eq!(all(&["\"\"\"", "a \\", "", "b", "\"\"\"", "c"]), ["a \\\n\nb", "c"]);
        assert_eq!(all(&["\"\"\"a", "b\"\"\"", "\"\"\"c\"\"\""]), ["a\nb", "c"]);
        assert_eq!(all(&["say \"\"\" inside"]), ["say \"\"\" inside"]);
        assert_eq!(all(&["\"\"\"", "never ended"]), ["open: never ended"]);
    }
}
