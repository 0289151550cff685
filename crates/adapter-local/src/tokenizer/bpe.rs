//! The merging of byte-pair encoders, made so that no text can become structure.

use std::collections::HashSet;

use tokenizers::models::bpe::{BPE, BpeBuilder, Merges, Vocab};

use super::controls::is_markup;
use super::{TokenKind, TokenizerError, Vocabulary};

/// Makes the model of all tokens that are text. Structure is left out, and with it the merges that
/// would make it: no text can become a control token by merging. `unknown` stands for what has no
/// token; without it, that is left out too.
pub(super) fn model(
    options: BpeBuilder,
    vocabulary: &Vocabulary,
    unknown: Option<String>,
    tokens: impl Iterator<Item = (u32, String)>,
    merges: Merges,
) -> Result<BPE, TokenizerError> {
    let is_text = |id: u32, text: &str| match vocabulary.kind(id) {
        TokenKind::Normal | TokenKind::Byte => true,
        TokenKind::UserDefined => !is_markup(text),
        TokenKind::Control | TokenKind::Unknown | TokenKind::Unused => false,
    };
    let (mut texts, mut structure) = (Vocab::default(), HashSet::new());
    for (id, text) in tokens {
        if is_text(id, &text) || unknown.as_ref() == Some(&text) {
            texts.insert(text, id);
        } else {
            structure.insert(text);
        }
    }
    let merges = possible(merges, &texts, &structure)?;
    let options = match unknown.filter(|unknown| texts.contains_key(unknown)) {
        Some(unknown) => options.unk_token(unknown),
        None => options,
    };
    options
        .vocab_and_merges(texts, merges)
        // The cache would be one per thread, kept until the thread ends.
        .cache_capacity(0)
        .build()
        .map_err(|error| TokenizerError::Damaged(error.to_string()))
}

/// The merges of text to text. The library takes for granted that every token of a merge exists.
fn possible(
    merges: Merges,
    texts: &Vocab,
    structure: &HashSet<String>,
) -> Result<Merges, TokenizerError> {
    let mut kept = Merges::with_capacity(merges.len());
    let mut whole = String::new();
    for (left, right) in merges {
        whole.clear();
        whole.push_str(&left);
        whole.push_str(&right);
        let needed = [&left, &right, &whole];
        let lacking = needed.into_iter().find(|text| !texts.contains_key(*text)).cloned();
        match lacking {
            None => kept.push((left, right)),
            Some(text) if structure.contains(&text) => {}
            Some(text) => {
                let problem = format!(
                    "the merge of {left:?} and {right:?} needs {text:?}, which is no token"
                );
                return Err(TokenizerError::Damaged(problem));
            }
        }
    }
    Ok(kept)
}

/// The two sides of a merge that is written as a line.
pub(super) fn pair(line: &str) -> Result<(String, String), TokenizerError> {
    // Neither part is empty, so the space is not the first character.
    let space = line.char_indices().skip(1).find(|(_, c)| *c == ' ');
    let (at, _) =
        space.ok_or_else(|| TokenizerError::Damaged(format!("the merge {line:?} is no pair")))?;
    Ok((line[..at].to_owned(), line[at + 1..].to_owned()))
}
