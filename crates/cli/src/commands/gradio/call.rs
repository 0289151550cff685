//! `textport gradio call`: one call, its events as they come.

use textport::zerogpu::CallOptions;

use super::arguments;
use super::show::Shown;
use crate::args::{CallArgs, Global};
use crate::commands::limit::within;
use crate::commands::space::{self, Place};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Reporter;
use crate::runtime::Runtime;

/// Calls an endpoint and prints what it gives.
///
/// # Errors
/// Whatever keeps the call from ending well; what it gave before stays printed.
pub(super) fn run(args: &CallArgs, global: &Global, output: &mut Output) -> Result<Exit, Failure> {
    let settings = space::settings(&args.space, global)?;
    let place = Place::find(&args.space, &settings)?;
    let values = arguments::read(args)?;
    let reporter = Reporter::new(output);
    let context = settings.context(reporter.sink());
    let mut shown = Shown::new(output);
    let work = async {
        let client = place.connect(&context).await?;
        reporter.clear();
        let named = |error| place.named(error);
        let endpoint = client.endpoint(&args.endpoint).map_err(named)?;
        let call = client.call(&endpoint, values, CallOptions::default()).await;
        let mut call = call.map_err(named)?;
        while let Some(event) = call.next().await {
            let event = event.map_err(named)?;
            shown.event(&event, &endpoint, &call)?;
        }
        shown.finish(client.base_url(), &endpoint.name)
    };
    // After Ctrl-C or a timeout the call is dropped, which ends the job on the server.
    let result = Runtime::new()?.run(within(&settings, "the call", work));
    reporter.clear();
    result.map(|()| Exit::Ok)
}
