//! Several tokens of an answer in one step: what probably follows is copied from the text so far,
//! computed along, and kept as far as the sampler chooses the same.
//!
//! | what | module |
//! |---|---|
//! | where the text so far had the same tokens before, and what came after | `lookup` |
//! | how often that came true for this answer | `acceptance` |
//! | the draft of one answer | `draft` |
//! | what more rows cost here | `cost` |
//! | how many of them gain anything | `plan` |
//!
//! A draft decides nothing. Every token is chosen as without one, from the logits after the tokens
//! before it; those behind the first that differs are taken back. So an answer has the same tokens
//! with and without, wherever [`Drafts::Exact`] holds.

mod acceptance;
mod cost;
mod draft;
mod lookup;
mod plan;

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::decoder::Drafts;

pub(super) use draft::{Bounds, Draft};
pub(super) use plan::{Planner, Step};

/// Most tokens of a draft that can be asked for: with them a sequence needs one page more at most.
const LONGEST: usize = 32;
/// Most tokens of a draft where nobody asked for a number.
const USUAL: usize = 15;

/// The setting `speculation`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Words")]
pub(crate) enum Speculation {
    /// Drafts where they are exact, and as long as they pay.
    #[default]
    Auto,
    /// No drafts.
    Off,
    /// Drafts of so many tokens at most wherever there is one, whether they pay or not.
    Most(usize),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected \"auto\", \"off\" or a number")]
enum Words {
    Number(usize),
    Word(String),
}

impl TryFrom<Words> for Speculation {
    type Error = String;

    fn try_from(words: Words) -> Result<Self, String> {
        match words {
            Words::Number(number) => number.to_string().parse(),
            Words::Word(word) => word.parse(),
        }
    }
}

impl FromStr for Speculation {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let number = || word.parse().ok().filter(|number| (1..=LONGEST).contains(number));
        match word {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            _ => number().map(Self::Most).ok_or_else(|| {
                format!("{word:?} is neither \"auto\" nor \"off\" nor a number from 1 to {LONGEST}")
            }),
        }
    }
}

impl fmt::Display for Speculation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Off => f.write_str("off"),
            Self::Most(number) => write!(f, "{number}"),
        }
    }
}

impl Speculation {
    /// What holds for a decoder that was asked for this.
    pub(super) fn on(self, drafts: Drafts) -> Self {
        match (self, drafts) {
            (_, Drafts::Never) | (Self::Auto, Drafts::Rounded) => Self::Off,
            (asked, _) => asked,
        }
    }

    /// The same in words, with the reason where nothing is drafted.
    pub(crate) fn about(self, drafts: Drafts) -> String {
        match (self, drafts) {
            (Self::Off, _) => "no drafts: speculation is off".to_owned(),
            (_, Drafts::Never) => "no drafts: this architecture computes token by token".to_owned(),
            (Self::Auto, Drafts::Rounded) => {
                "no drafts: they are exact on the processor only".to_owned()
            }
            (Self::Auto, Drafts::Exact) => format!("drafts of up to {USUAL} tokens where they pay"),
            (Self::Most(number), _) => format!("drafts of up to {number} tokens"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_or_a_number() {
        let read = |value| serde_json::from_value::<Speculation>(value);
        assert_eq!(read("auto".into()).unwrap(), Speculation::Auto);
        assert_eq!(read("off".into()).unwrap(), Speculation::Off);
        assert_eq!(read(8.into()).unwrap(), Speculation::Most(8));
        assert_eq!(read("8".into()).unwrap(), Speculation::Most(8));
        for wrong in [0.into(), 33.into(), "on".into(), "-1".into(), "".into()] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains("a number from 1 to 32"), "{error}");
        }
        assert!(read(true.into()).unwrap_err().to_string().contains("\"auto\""));
        for word in ["auto", "off", "7"] {
            assert_eq!(word.parse::<Speculation>().unwrap().to_string(), word);
        }
    }

    #[test]
    fn where_it_could_change_an_answer_only_a_number_turns_it_on() {
        let on = |asked: Speculation| {
            [Drafts::Exact, Drafts::Rounded, Drafts::Never].map(|drafts| asked.on(drafts))
        };
        use Speculation::{Auto, Most, Off};
        assert_eq!(on(Auto), [Auto, Off, Off]);
        assert_eq!(on(Off), [Off, Off, Off]);
        assert_eq!(on(Most(3)), [Most(3), Most(3), Off]);
    }
}
