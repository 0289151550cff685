//! The tokens of a model: their bytes, their kinds, and the few with a role.

use std::collections::BTreeSet;

use super::TokenizerError;
use crate::gguf::Metadata;

/// No vocabulary in use has more; a file that says so is damaged.
pub(super) const MOST_TOKENS: usize = 1 << 22;

/// Spellings that end a turn or a text in the families of models in use. Files name one or two of
/// them by id; models emit the others as well.
const ENDINGS: [&str; 14] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|eom_id|>",
    "<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<｜end▁of▁sentence｜>",
];

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// Text.
    Normal,
    /// Stands for what has no token.
    Unknown,
    /// Structure, never text.
    Control,
    /// Text that is one token wherever it stands.
    UserDefined,
    /// Never used.
    Unused,
    /// One byte.
    Byte,
}

impl TokenKind {
    fn from_number(number: i32) -> Self {
        match number {
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => Self::Normal,
        }
    }

    /// The number that GGUF files have for it.
    pub(crate) fn number(self) -> i32 {
        match self {
            Self::Normal => 1,
            Self::Unknown => 2,
            Self::Control => 3,
            Self::UserDefined => 4,
            Self::Unused => 5,
            Self::Byte => 6,
        }
    }
}

/// Appends the bytes of a token of this spelling and kind.
pub(super) type Spell = fn(&str, TokenKind, &mut Vec<u8>);

/// The tokens of a model. Their bytes lie in one block.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    kinds: Vec<TokenKind>,
    bos: Option<u32>,
    eos: Option<u32>,
    endings: BTreeSet<u32>,
}

impl Vocabulary {
    /// Reads the tokens of a GGUF file; `spell` is as for [`Vocabulary::of`].
    pub(super) fn load(metadata: &Metadata, spell: Spell) -> Result<Self, TokenizerError> {
        const TOKENS: &str = "tokenizer.ggml.tokens";
        let numbers = metadata.i32s("tokenizer.ggml.token_type").unwrap_or_default();
        let texts = metadata.strings(TOKENS).ok_or(TokenizerError::Missing(TOKENS))?;
        let kind =
            |id: usize| numbers.get(id).map_or(TokenKind::Normal, |n| TokenKind::from_number(*n));
        let tokens = texts.enumerate().map(|(id, text)| (text, kind(id)));
        let mut vocabulary = Self::of(tokens, spell)?;
        let role = |key: &str| match metadata.u32(key) {
            Some(id) if id as usize >= vocabulary.len() => Err(TokenizerError::Damaged(format!(
                "{key} is {id}, but there are {} tokens",
                vocabulary.len()
            ))),
            id => Ok(id),
        };
        let (bos, eos) =
            (role("tokenizer.ggml.bos_token_id")?, role("tokenizer.ggml.eos_token_id")?);
        let (eot, eom) =
            (role("tokenizer.ggml.eot_token_id")?, role("tokenizer.ggml.eom_token_id")?);
        vocabulary.name_roles(bos, eos, eot.into_iter().chain(eom));
        Ok(vocabulary)
    }

    /// These tokens, in the order of their ids; `spell` turns the file's spelling of a token of
    /// that kind into its bytes.
    pub(super) fn of<'t>(
        texts: impl Iterator<Item = (&'t str, TokenKind)>,
        spell: Spell,
    ) -> Result<Self, TokenizerError> {
        let mut tokens = Self {
            bytes: Vec::new(),
            ends: Vec::new(),
            kinds: Vec::new(),
            bos: None,
            eos: None,
            endings: BTreeSet::new(),
        };
        for (text, kind) in texts {
            let id = tokens.len();
            if id >= MOST_TOKENS {
                return Err(TokenizerError::Damaged(format!("more than {MOST_TOKENS} tokens")));
            }
            let ending = ENDINGS.contains(&text);
            let kind = match kind {
                // Some files forget to say so; as text they would never end anything.
                TokenKind::Normal | TokenKind::UserDefined if ending => TokenKind::Control,
                kind => kind,
            };
            if ending {
                tokens.endings.insert(id as u32);
            }
            spell(text, kind, &mut tokens.bytes);
            tokens.kinds.push(kind);
            tokens.ends.push(
                u32::try_from(tokens.bytes.len()).map_err(|_| {
                    TokenizerError::Damaged("the tokens are larger than 4 GiB".into())
                })?,
            );
        }
        if tokens.len() == 0 {
            return Err(TokenizerError::Damaged("there are no tokens".into()));
        }
        Ok(tokens)
    }

    /// Says which tokens begin and end a text; `endings` end an answer as well.
    pub(super) fn name_roles(
        &mut self,
        bos: Option<u32>,
        eos: Option<u32>,
        endings: impl Iterator<Item = u32>,
    ) {
        (self.bos, self.eos) = (bos, eos);
        self.endings.extend(eos.into_iter().chain(endings));
        self.keep_end_of_harmony_messages();
    }

    /// Where `<|return|>` and `<|call|>` end a text, `<|end|>` only ends one of its messages.
    fn keep_end_of_harmony_messages(&mut self) {
        let spelled = |id: &u32, text: &str| self.bytes(*id) == text.as_bytes();
        let has = |text: &str| self.endings.iter().any(|id| spelled(id, text));
        if has("<|return|>") && has("<|call|>") {
            let end = self.endings.iter().copied().find(|id| spelled(id, "<|end|>"));
            if let Some(end) = end.filter(|id| Some(*id) != self.eos) {
                self.endings.remove(&end);
            }
        }
    }

    /// The tokens that end a generation and are known neither by their spelling nor as the one that
    /// ends a text: files must name them.
    pub(super) fn named_endings(&self) -> Vec<u32> {
        let spelled = |id: u32| ENDINGS.iter().any(|text| text.as_bytes() == self.bytes(id));
        let named = |id: &u32| Some(*id) != self.eos && !spelled(*id);
        self.endings.iter().copied().filter(named).collect()
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// The bytes that a token stands for; for control tokens their spelling.
    pub(crate) fn bytes(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let Some(end) = self.ends.get(id) else { return &[] };
        let start = id.checked_sub(1).and_then(|before| self.ends.get(before)).unwrap_or(&0);
        self.bytes.get(*start as usize..*end as usize).unwrap_or_default()
    }

    /// What a token is for.
    pub(crate) fn kind(&self, id: u32) -> TokenKind {
        self.kinds.get(id as usize).copied().unwrap_or(TokenKind::Unused)
    }

    /// Whether a token is text that people see.
    pub(crate) fn is_text(&self, id: u32) -> bool {
        matches!(self.kind(id), TokenKind::Normal | TokenKind::UserDefined | TokenKind::Byte)
    }

    /// Whether a token ends a generation.
    pub(crate) fn ends(&self, id: u32) -> bool {
        self.endings.contains(&id)
    }

    /// The token that begins a text.
    pub(crate) fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The token that ends a text.
    pub(crate) fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// A token's spelling as text.
    pub(crate) fn spelling(&self, id: u32) -> String {
        String::from_utf8_lossy(self.bytes(id)).into_owned()
    }

    /// All ids.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        0..self.kinds.len() as u32
    }
}
