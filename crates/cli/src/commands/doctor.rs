//! `textport doctor`: what this installation has, what it lacks, and what to do about it.

mod configuration;
mod machine;
mod model;
mod places;
mod program;

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

use crate::args::{DoctorArgs, Global};
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::{Environment, Overrides, Settings};

/// How a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As it should be, or for information.
    Ok,
    /// Worth knowing, but nothing that is needed now.
    Warn,
    /// Something that the configured provider needs.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Finding {
    name: &'static str,
    state: State,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Finding {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, state: State::Ok, detail: detail.into(), hint: None }
    }

    fn warn(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, state: State::Warn, detail: detail.into(), hint: Some(hint.into()) }
    }

    fn fail(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, state: State::Fail, detail: detail.into(), hint: Some(hint.into()) }
    }
}

/// Looks at everything and prints what was found.
///
/// # Errors
/// When stdout fails.
pub(crate) fn run(
    args: &DoctorArgs,
    global: &Global,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let format = output.format().no_lines("doctor")?;
    if args.exit_codes {
        return exit_codes(output);
    }
    let overrides = Overrides::new(global)?;
    let findings = examine(&overrides);
    let usable = findings.iter().all(|finding| finding.state != State::Fail);
    if format.is_json() {
        output.json(&json!({ "v": 1, "usable": usable, "findings": findings }))?;
    } else {
        output.write_foreign(&text(&findings))?;
    }
    Ok(if usable { Exit::Ok } else { Exit::Internal })
}

/// What can be looked at without a configuration comes first, so that a broken one hides nothing.
fn examine(overrides: &Overrides) -> Vec<Finding> {
    let environment = Environment::of_process();
    let mut findings = vec![program::version(), program::kinds()];
    findings.push(program::processor());
    findings.push(machine::memory());
    let settings = Settings::load(overrides);
    match environment.dirs() {
        Ok(dirs) => {
            findings.extend(places::folders(&dirs, settings.as_ref().ok()));
            findings.push(configuration::files(overrides, &environment, &dirs));
        }
        Err(error) => findings.push(configuration::wrong("folders", &error)),
    }
    match &settings {
        Ok(settings) => {
            findings.push(configuration::check(settings));
            findings.extend(machine::device(settings));
            findings.extend(program::python(settings));
            findings.push(model::default(settings));
            findings.push(model::configured(settings));
            findings.push(places::log(settings));
        }
        Err(error) => findings.push(configuration::wrong("configuration", error)),
    }
    findings.push(configuration::token(&environment));
    findings
}

fn text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for Finding { name, state, detail, hint } in findings {
        let state = match state {
            State::Ok => "ok  ",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        let _ = writeln!(text, "{state}  {name:<width$}  {detail}");
        if let Some(hint) = hint {
            let _ = writeln!(text, "      {:<width$}  try: {hint}", "");
        }
    }
    text
}

fn exit_codes(output: &mut Output) -> Result<Exit, Failure> {
    if output.format().is_json() {
        let codes: Vec<_> = exit::TABLE
            .iter()
            .map(|(exit, meaning)| json!({ "code": exit.code(), "meaning": meaning }))
            .collect();
        output.json(&json!({ "v": 1, "exit_codes": codes }))?;
    } else {
        output.write(&exit::table())?;
    }
    Ok(Exit::Ok)
}
