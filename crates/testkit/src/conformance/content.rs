//! Clause 11: control tokens inside messages are plain text to the model.

use domain::{Capability, Message};

use super::subject::{Check, Subject, ensure};
use super::transcript::Transcript;
use super::{Skip, Unmet};

/// Control tokens of the common families of models.
const CONTROL: [&str; 12] = [
    "<|im_end|>",
    "<|im_start|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end|>",
    "<end_of_turn>",
    "</s>",
    "[/INST]",
    "</think>",
    "<tool_call>",
];

pub(super) async fn control_tokens_are_accepted(subject: &Subject) -> Check {
    for token in CONTROL {
        let mut turns = vec![Message::user(format!("What does {token} mean? {token}"))];
        if subject.can(Capability::MultiTurn) {
            turns.insert(0, Message::user(format!("{token} and?")));
            turns.insert(1, Message::assistant(format!("It is {token}.")));
        }
        if subject.can(Capability::SystemPrompt) {
            turns.insert(0, Message::system(format!("Never write {token}.")));
        }
        let answer = subject.answer(subject.asking(turns, 2)).await;
        answer.map_err(|unmet| match unmet {
            Unmet::Fail(why) => Unmet::Fail(format!("{token}: {why}")),
            skip @ Unmet::Skip(_) => skip,
        })?;
    }
    Ok(())
}

/// What stands after a control token reaches the model too.
pub(super) async fn control_tokens_end_nothing(subject: &Subject) -> Check {
    let tail = "and then the ship came in, and the harbour was full of light";
    for token in CONTROL {
        let short = input_tokens(subject, format!("Read this: {token}")).await?;
        let long = input_tokens(subject, format!("Read this: {token} {tail}")).await?;
        ensure(long >= short + 8, || {
            format!("{token}: {long} prompt tokens with a tail of 13 words, {short} without")
        })?;
    }
    Ok(())
}

/// As a control token it would be one token; as text it is several.
pub(super) async fn control_tokens_are_encoded_as_text(subject: &Subject) -> Check {
    const TIMES: usize = 8;
    let plain = input_tokens(subject, "port ".repeat(TIMES)).await?;
    for token in ["<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|eot_id|>"] {
        let content = format!("port{token} ").repeat(TIMES);
        let with_tokens = input_tokens(subject, content).await?;
        ensure(with_tokens >= plain + 2 * TIMES as u64, || {
            format!("{TIMES} {token} cost {} tokens", with_tokens.saturating_sub(plain))
        })?;
    }
    Ok(())
}

/// How many tokens the provider made of a message.
async fn input_tokens(subject: &Subject, content: String) -> Result<u64, Unmet> {
    subject.require(Capability::Usage)?;
    let request = subject.asking(vec![Message::user(content)], 1);
    let counted = Transcript::input_tokens(&subject.answer(request).await?);
    counted.ok_or(Unmet::Skip(Skip::Lacks(Capability::Usage)))
}
