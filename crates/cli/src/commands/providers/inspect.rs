//! `textport providers inspect` and `textport gradio inspect`.

use serde_json::{Value, json};

use crate::args::{Global, SpaceArgs};
use crate::commands::limit::within;
use crate::commands::space::{self, Place};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Reporter;
use crate::runtime::Runtime;

/// Prints the endpoints of a Space, their parameters, and the mapping that is chosen.
///
/// # Errors
/// When the Space cannot be reached, or is no Gradio app.
pub(crate) fn run(args: &SpaceArgs, global: &Global, output: &mut Output) -> Result<Exit, Failure> {
    let format = output.format().no_lines("inspect")?;
    let settings = space::settings(args, global)?;
    let place = Place::find(args, &settings)?;
    let reporter = Reporter::new(output);
    let context = settings.context(reporter.sink());
    let look = within(&settings, "the inspection", async {
        let client = place.connect(&context).await?;
        Ok(client.inspect_provider(&place.spec).map_err(|error| place.named(error))?)
    });
    let result = Runtime::new()?.run(look);
    reporter.clear();
    let inspection = result?;
    if format.is_json() {
        let mut value = serde_json::to_value(&inspection).map_err(std::io::Error::other)?;
        if let Value::Object(object) = &mut value {
            object.insert("v".to_owned(), json!(1));
        }
        output.json(&value)?;
    } else {
        output.write_foreign(&inspection.to_string())?;
        output.end_line()?;
    }
    Ok(Exit::Ok)
}
