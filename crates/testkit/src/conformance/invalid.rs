//! Clause 6: invalid requests are refused before the first delta.

use domain::{GenerationOptions, Message, Request};
use ports::ErrorKind;

use super::subject::{Check, Subject, ensure};

pub(super) async fn empty_prompt(subject: &Subject) -> Check {
    refused(subject, "no message", Request::messages(vec![])).await?;
    refused(subject, "an empty message", Request::user("")).await?;
    refused(subject, "a blank message", Request::user(" \n\t")).await?;
    refused(subject, "an empty raw prompt", Request::raw("")).await
}

pub(super) async fn nothing_to_answer(subject: &Subject) -> Check {
    let turns = vec![Message::user("Hello."), Message::assistant("Hello.")];
    refused(subject, "the assistant's turn last", Request::messages(turns)).await
}

pub(super) async fn late_system_message(subject: &Subject) -> Check {
    let turns = vec![Message::user("Hello."), Message::system("Be brief."), Message::user("Hm?")];
    refused(subject, "a late system message", Request::messages(turns)).await
}

pub(super) async fn option_out_of_range(subject: &Subject) -> Check {
    let unset = GenerationOptions::default;
    for (what, options) in [
        ("temperature -1", GenerationOptions { temperature: Some(-1.0), ..unset() }),
        ("temperature NaN", GenerationOptions { temperature: Some(f32::NAN), ..unset() }),
        ("temperature 11", GenerationOptions { temperature: Some(11.0), ..unset() }),
        ("top_p 0", GenerationOptions { top_p: Some(0.0), ..unset() }),
        ("top_p 1.5", GenerationOptions { top_p: Some(1.5), ..unset() }),
        ("max_tokens 0", GenerationOptions { max_tokens: Some(0), ..unset() }),
        ("an empty stop", GenerationOptions { stop: vec![String::new()], ..unset() }),
    ] {
        refused(subject, what, Request::user("Hello.").with_options(options)).await?;
    }
    Ok(())
}

async fn refused(subject: &Subject, what: &str, request: Request) -> Check {
    let error = subject.refusal(request).await.map_err(|unmet| match unmet {
        super::Unmet::Fail(why) => super::Unmet::Fail(format!("{what}: {why}")),
        skip @ super::Unmet::Skip(_) => skip,
    })?;
    ensure(error.kind() == ErrorKind::InvalidRequest, || {
        format!("{what}: refused as {} instead of invalid: {error}", error.kind().as_str())
    })
}
