//! Asks a chat Space: `ask SPACE MESSAGE`, streamed.

use std::io::Write;

use domain::{Event, ProviderId, Request};
use futures_util::StreamExt;
use ports::{BuildContext, ProviderFactory, ProviderSpec, Secret, SecretRef};
use textport_adapter_zerogpu::ZeroGpuFactory;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [space, message, ..] = &given[..] else { return Err("usage: ask SPACE MESSAGE".into()) };
    let mut settings = serde_json::json!({ "space": space });
    if let Some(more) = given.get(2) {
        let more: serde_json::Map<String, serde_json::Value> = serde_json::from_str(more)?;
        for (key, value) in more {
            settings[key] = value;
        }
    }
    let settings = settings.as_object().cloned().unwrap_or_default();
    let spec = ProviderSpec { id: ProviderId::new("space")?, settings };
    let context = BuildContext::default().with_secrets(|reference| match reference {
        SecretRef::Env(name) => Ok(Secret::new(std::env::var(name).unwrap_or_default())),
        _ => Err(ports::Error::new(ports::ErrorKind::Unauthenticated, "no such secret")),
    });
    let provider = ZeroGpuFactory::new().build(spec, &context).await?;
    let mut events = provider.stream(Request::user(message.as_str())).await?;
    let (mut out, mut log) = (std::io::stdout().lock(), std::io::stderr().lock());
    while let Some(event) = events.next().await {
        match event? {
            Event::Text(delta) => write!(out, "{delta}|")?,
            event => writeln!(log, "{}", serde_json::to_string(&event)?)?,
        }
        out.flush()?;
    }
    writeln!(out)?;
    Ok(())
}
