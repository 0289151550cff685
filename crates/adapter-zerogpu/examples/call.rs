//! Calls any endpoint of any Gradio app: `call SPACE /endpoint '{"name": "value"}'`, or without an
//! endpoint lists what there is.

use std::io::Write;

use textport_adapter_zerogpu::{
    Arguments, CallEvent, CallOptions, ConnectOptions, GradioClient, SpaceRef,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let (mut out, mut log) = (std::io::stdout().lock(), std::io::stderr().lock());
    let space = SpaceRef::parse(given.first().map_or("", String::as_str))?;
    let client = GradioClient::connect(&space, ConnectOptions::default(), |_| {}).await?;
    let Some(name) = given.get(1) else {
        for endpoint in client.endpoints().iter().filter(|endpoint| endpoint.public) {
            writeln!(out, "{}", serde_json::to_string(endpoint)?)?;
        }
        return Ok(());
    };
    let arguments = match serde_json::from_str(given.get(2).map_or("[]", String::as_str))? {
        serde_json::Value::Object(named) => Arguments::named(named),
        serde_json::Value::Array(values) => Arguments::positional(values),
        one => Arguments::positional([one]),
    };
    let endpoint = client.endpoint(name)?;
    let mut call = client.call(&endpoint, arguments, CallOptions::default()).await?;
    while let Some(event) = call.next().await {
        match event? {
            CallEvent::Partial | CallEvent::Finished => {
                writeln!(out, "{}", serde_json::to_string(call.outputs())?)?;
            }
            event => writeln!(log, "{}", serde_json::to_string(&event)?)?,
        }
    }
    Ok(())
}
