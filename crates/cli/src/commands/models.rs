//! `textport models`.

mod inspect;
mod merge_lora;
mod quantize;
mod write;

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use indicatif::HumanBytes;
use serde_json::json;
use textport::local::{Catalogue, ModelState, ModelStore, model_store};

use super::table;
use crate::args::{Global, ModelsArgs, ModelsVerb};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format::Format;
use crate::output::Output;
use crate::progress::Reporter;
use crate::runtime::Runtime;
use crate::settings::{Overrides, Settings};

/// What all verbs work on.
struct Shelf {
    settings: Settings,
    catalogue: Catalogue,
    store: ModelStore,
}

/// Lists, fetches, inspects, writes and removes models.
///
/// # Errors
/// When there is no such model, or it cannot be fetched, read or removed.
pub(crate) fn run(
    args: &ModelsArgs,
    global: &Global,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let settings = Settings::load(&Overrides::new(global)?)?;
    let catalogue = Catalogue::with_entries(&settings.config.models)?;
    let store = model_store(&settings.config);
    let shelf = Shelf { settings, catalogue, store };
    match args.verb.as_ref().unwrap_or(&ModelsVerb::List) {
        ModelsVerb::List => list(&shelf, output),
        ModelsVerb::Pull { name } => pull(&shelf, name, output),
        ModelsVerb::Inspect { model } => {
            inspect::run(&shelf.store.locate(&shelf.catalogue, model)?, output)
        }
        ModelsVerb::Quantize(args) => quantize::run(&shelf, args, output),
        ModelsVerb::MergeLora(args) => merge_lora::run(&shelf, args, output),
        ModelsVerb::Rm { name, yes } => remove(&shelf, name, *yes, output),
    }
}

fn list(shelf: &Shelf, output: &mut Output) -> Result<Exit, Failure> {
    let models = shelf.store.list(&shelf.catalogue)?;
    match output.format() {
        Format::Json => output.json(&json!({ "v": 1, "models": models }))?,
        Format::Jsonl => models.iter().try_for_each(|model| output.json(model))?,
        Format::Quiet => models.iter().try_for_each(|model| output.line(&model.name))?,
        _ => {
            let rows = models.iter().map(|model| {
                let size = model.size.map(|size| HumanBytes(size).to_string());
                [
                    model.name.clone(),
                    model.state.as_str().to_owned(),
                    size.unwrap_or_else(|| "?".to_owned()),
                    model.about.clone().unwrap_or_default(),
                ]
            });
            output.write(&table::text(["NAME", "STATE", "SIZE", "ABOUT"], rows))?;
        }
    }
    Ok(Exit::Ok)
}

fn pull(shelf: &Shelf, name: &str, output: &mut Output) -> Result<Exit, Failure> {
    let format = output.format().no_lines("models pull")?;
    let reporter = Reporter::new(output);
    let context = shelf.settings.context(reporter.sink());
    let result = Runtime::new()?
        .run(async { Ok(shelf.store.pull(&shelf.catalogue, name, &context).await?) });
    reporter.clear();
    let path = result?;
    if format.is_json() {
        output.json(&json!({ "v": 1, "name": name, "path": path }))?;
    } else {
        output.line(&path.display().to_string())?;
    }
    Ok(Exit::Ok)
}

fn remove(shelf: &Shelf, name: &str, yes: bool, output: &mut Output) -> Result<Exit, Failure> {
    let format = output.format().no_lines("models rm")?;
    let models = shelf.store.list(&shelf.catalogue)?;
    // What is not listed may be a path or a repository of the Hub; of anything else it is said that
    // there is none, and which there are.
    let (path, state) = match models.into_iter().find(|model| model.name == name) {
        Some(model) => (model.path, model.state),
        None => {
            let located = shelf.store.locate(&shelf.catalogue, name)?;
            (located.path, located.state)
        }
    };
    if state == ModelState::Own {
        return Err(own_file(&path));
    }
    if !yes && !confirmed(name, output)? {
        output.note("nothing was removed");
        return Ok(Exit::Ok);
    }
    let removed = shelf.store.remove(&shelf.catalogue, name)?;
    if format.is_json() {
        output.json(&json!({ "v": 1, "removed": removed }))?;
    } else {
        output.note(&format!("removed {}, {} freed", removed.name, HumanBytes(removed.bytes)));
    }
    Ok(Exit::Ok)
}

fn own_file(path: &Path) -> Failure {
    Failure::usage(format!("{} is your own file", path.display()))
        .try_this("only fetched models are removed; delete the file yourself")
}

/// Asks a person; where there is none, the flag has to say it.
fn confirmed(name: &str, output: &mut Output) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!("removing {name} wants to be confirmed"))
            .try_this(format!("textport models rm --yes {name}")));
    }
    let shared = match name.starts_with("hf:") {
        true => ", where the Hub's own tools use it too",
        false => "",
    };
    output.tell(&format!("Remove {name} from this machine{shared}? [y/N] "));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
