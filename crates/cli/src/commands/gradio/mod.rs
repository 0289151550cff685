//! `textport gradio`: any endpoint of any Gradio app.

mod arguments;
mod call;
mod show;

use super::providers::inspect;
use crate::args::{Global, GradioArgs, GradioVerb};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Calls or inspects an app.
///
/// # Errors
/// When the app cannot be reached, or refuses.
pub(crate) fn run(
    args: &GradioArgs,
    global: &Global,
    output: &mut Output,
) -> Result<Exit, Failure> {
    match &args.verb {
        GradioVerb::Call(args) => call::run(args, global, output),
        GradioVerb::Inspect(args) => inspect::run(args, global, output),
    }
}
