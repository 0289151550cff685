//! How byte-level BPE cuts a text into words before it merges, by the name that files give it.
//!
//! The patterns are those of the tokenizers the models were trained with. All of them end in
//! `\s+(?!\S)|\s+`: a run of spaces leaves its last one to the word that follows. The `regex` crate
//! has no look-ahead and needs no backtracking, so the run is matched whole and cut here; whatever
//! the text, the time is linear.

use regex::Regex;

use super::TokenizerError;

const WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";
const ONE_DIGIT: &str = r"\p{N}";
const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";
const QWEN2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";
const QWEN35: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";
const SYMBOLS: &str = r"[\p{P}$+<=>^~|]+";
const DIGITS: &str = r"\p{N}+";
const THREE_DIGITS: &str = "[0-9][0-9][0-9]";

/// One way to cut.
#[derive(Debug)]
struct Style {
    /// Names under which files know it.
    names: &'static [&'static str],
    /// Patterns, each applied to the pieces that the one before left.
    passes: &'static [&'static str],
    /// A word that is a token is taken whole.
    ignore_merges: bool,
    /// Texts begin with the beginning-of-text token unless the file says otherwise.
    adds_bos: bool,
    /// Texts are brought to normal form C first, as in training.
    nfc: bool,
}

const STYLE: Style =
    Style { names: &[], passes: &[], ignore_merges: false, adds_bos: false, nfc: false };

const STYLES: [Style; 6] = [
    Style { names: &["default"], passes: &[SYMBOLS, WORDS, DIGITS, THREE_DIGITS], ..STYLE },
    Style { names: &["gpt-2", "olmo", "mpt"], passes: &[WORDS], ..STYLE },
    Style {
        names: &["smollm", "starcoder", "refact", "command-r", "codeshell", "minerva-7b"],
        passes: &[ONE_DIGIT, WORDS],
        ..STYLE
    },
    Style {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon3"],
        passes: &[LLAMA3],
        ignore_merges: true,
        adds_bos: true,
        ..STYLE
    },
    Style { names: &["qwen2", "deepseek-r1-qwen", "megrez"], passes: &[QWEN2], nfc: true, ..STYLE },
    Style { names: &["qwen35"], passes: &[QWEN35], nfc: true, ..STYLE },
];

/// A pattern that cuts.
#[derive(Debug)]
struct Pass {
    pattern: Regex,
    /// Line breaks end a run of spaces, and the run keeps them.
    binds_line_breaks: bool,
}

impl Pass {
    fn new(pattern: &str) -> Result<Self, regex::Error> {
        let binds_line_breaks = pattern.contains(r"\s*[\r\n]+");
        Ok(Self { pattern: Regex::new(pattern)?, binds_line_breaks })
    }
}

/// Cuts texts into words.
#[derive(Debug)]
pub(super) struct PreTokenizer {
    passes: Vec<Pass>,
    ignores_merges: bool,
    adds_bos: bool,
    nfc: bool,
}

impl PreTokenizer {
    /// The one that files call `name`; files without a name mean `default`.
    pub(super) fn named(name: Option<&str>) -> Result<Self, TokenizerError> {
        static KNOWN: &[Style] = &STYLES;
        let name = name.unwrap_or("default");
        let Some(style) = KNOWN.iter().find(|style| style.names.contains(&name)) else {
            let known: Vec<&str> = KNOWN.iter().flat_map(|style| style.names).copied().collect();
            let (found, known) = (name.to_owned(), known.join(", "));
            return Err(TokenizerError::Unknown { what: "pre-tokenizer", found, known });
        };
        let compiled: Result<Vec<Pass>, regex::Error> =
            style.passes.iter().map(|pattern| Pass::new(pattern)).collect();
        let passes = compiled.map_err(|error| TokenizerError::Damaged(error.to_string()))?;
        let Style { ignore_merges: ignores_merges, adds_bos, nfc, .. } = *style;
        Ok(Self { passes, ignores_merges, adds_bos, nfc })
    }

    /// The same, with texts brought to normal form C or not.
    pub(super) fn with_nfc(self, nfc: bool) -> Self {
        Self { nfc, ..self }
    }

    pub(super) fn ignores_merges(&self) -> bool {
        self.ignores_merges
    }

    pub(super) fn adds_bos(&self) -> bool {
        self.adds_bos
    }

    pub(super) fn wants_nfc(&self) -> bool {
        self.nfc
    }

    /// The words of a text; joined they are the text.
    pub(super) fn words<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let mut words = vec![text];
        for pass in &self.passes {
            let mut finer = Vec::with_capacity(words.len());
            words.into_iter().for_each(|word| pass.cut(word, &mut finer));
            words = finer;
        }
        words
    }
}

impl Pass {
    /// Matches and the gaps between them, each a word of its own.
    fn cut<'t>(&self, text: &'t str, words: &mut Vec<&'t str>) {
        let mut at = 0;
        while let Some(found) = self.pattern.find_at(text, at) {
            let followed = found.end() < text.len();
            let kept = if followed { self.kept_for_next(found.as_str()) } else { 0 };
            if at < found.start() {
                words.push(&text[at..found.start()]);
            }
            at = found.end() - kept;
            words.push(&text[found.start()..at]);
        }
        if at < text.len() {
            words.push(&text[at..]);
        }
    }

    /// How many bytes of a matched run of spaces belong to the word after it: its last space,
    /// unless that is the whole run or a line break that the pattern binds.
    fn kept_for_next(&self, matched: &str) -> usize {
        let mut rest = matched.chars();
        let Some(last) = rest.next_back() else { return 0 };
        let bound = self.binds_line_breaks && matches!(last, '\r' | '\n');
        let rest = rest.as_str();
        if rest.is_empty() || bound || !matched.chars().all(char::is_whitespace) {
            return 0;
        }
        last.len_utf8()
    }
}
