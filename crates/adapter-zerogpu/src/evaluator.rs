//! A Space that evaluates its own model.

use async_trait::async_trait;
use domain::{ModelId, Notice, NoticeKind, ProviderInfo};
use futures_util::{StreamExt, stream};
use ports::{
    BuildContext, Error, ErrorKind, EvaluationEvent, EvaluationRequest, EvaluationStream,
    Evaluator, ProviderSpec,
};
use serde_json::{Value, json};
use std::time::Duration;

use crate::arguments::{Arguments, range, within};
use crate::client::{Call, CallEvent, CallOptions, GradioClient};
use crate::endpoint::{Endpoint, Input};
use crate::generator::{KIND, connect};
use crate::progress;
use crate::protocol::ProgressUnit;
use crate::settings::Settings;
use crate::{error, evaluation};

/// Evaluates with one endpoint of a Space: samples in as JSON lines, results out as JSON.
#[derive(Debug)]
pub struct SpaceEvaluator {
    info: ProviderInfo,
    client: GradioClient,
    endpoint: Endpoint,
    samples: usize,
    batch_size: Option<usize>,
    batch_range: Option<(u32, u32)>,
}

impl SpaceEvaluator {
    /// Connects to the Space of the settings and finds its evaluation endpoint.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for settings that make no sense or do not fit the Space;
    /// otherwise those of [`GradioClient::connect`].
    pub async fn connect(spec: ProviderSpec, context: &BuildContext) -> Result<Self, Error> {
        let settings = Settings::read(&spec)?;
        let client = connect(&settings, context).await?;
        let endpoint = match &settings.endpoint {
            Some(name) => client.endpoint(name)?,
            None => discover(client.endpoints())?,
        };
        let samples = samples_input(&endpoint).ok_or_else(|| {
            let message = format!("{} takes no text with samples", endpoint.name);
            Error::new(ErrorKind::ConfigInvalid, message)
        })?;
        let model = settings.model.and_then(|name| ModelId::new(name).ok());
        Ok(Self {
            info: ProviderInfo { id: spec.id, kind: KIND.to_owned(), model },
            batch_size: batch_input(&endpoint),
            client,
            endpoint,
            samples,
            batch_range: settings.batch_size,
        })
    }

    fn arguments(&self, request: EvaluationRequest) -> Result<Arguments, Error> {
        check_samples(&request.samples)?;
        let mut values = vec![None; self.endpoint.inputs.len()];
        values[self.samples] = Some(Value::from(request.samples));
        match (request.batch_size, self.batch_size) {
            (None, _) => {}
            (Some(size), Some(place)) => {
                self.check_batch(size, &self.endpoint.inputs[place])?;
                values[place] = Some(json!(size));
            }
            (Some(_), None) => {
                let message = format!("{} takes no batch size", self.endpoint.name);
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        }
        Ok(Arguments::Placed(values))
    }

    fn check_batch(&self, size: u32, input: &Input) -> Result<(), Error> {
        let mut input = input.clone();
        if let Some((low, high)) = self.batch_range {
            input.minimum = Some(input.minimum.unwrap_or(0.0).max(f64::from(low)));
            input.maximum = Some(input.maximum.unwrap_or(f64::MAX).min(f64::from(high)));
        }
        if within(&input, f64::from(size)) {
            return Ok(());
        }
        let message = format!("the Space takes a batch size {}, not {size}", range(&input));
        Err(Error::new(ErrorKind::Unsupported, message))
    }
}

/// Each line a JSON object: what a Space makes of anything else, nobody knows.
fn check_samples(samples: &str) -> Result<(), Error> {
    let lines = samples.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let mut count = 0;
    for (number, line) in lines {
        if !matches!(serde_json::from_str(line), Ok(Value::Object(_))) {
            let message = format!("line {} of the samples is no JSON object", number + 1);
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        count += 1;
    }
    if count == 0 {
        return Err(Error::new(ErrorKind::InvalidRequest, "there are no samples"));
    }
    Ok(())
}

/// The public endpoint whose name says that it evaluates.
fn discover(endpoints: Vec<Endpoint>) -> Result<Endpoint, Error> {
    let mut found = endpoints.into_iter().filter(|endpoint| {
        endpoint.public && endpoint.name.contains("eval") && samples_input(endpoint).is_some()
    });
    match (found.next(), found.next()) {
        (Some(endpoint), None) => Ok(endpoint),
        (None, _) => {
            Err(Error::new(ErrorKind::ConfigInvalid, "no endpoint of the Space evaluates")
                .with_hint("name one with `endpoint`"))
        }
        _ => Err(Error::new(ErrorKind::ConfigInvalid, "several endpoints of the Space evaluate")
            .with_hint("choose one with `endpoint`")),
    }
}

fn samples_input(endpoint: &Endpoint) -> Option<usize> {
    endpoint.inputs.iter().position(|input| {
        !input.hidden && matches!(input.component.as_str(), "textbox" | "textarea" | "code" | "api")
    })
}

fn batch_input(endpoint: &Endpoint) -> Option<usize> {
    endpoint.inputs.iter().enumerate().position(|(place, input)| {
        let name = input.shown(place).to_lowercase();
        matches!(input.component.as_str(), "slider" | "number" | "api") && name.contains("batch")
    })
}

#[async_trait]
impl Evaluator for SpaceEvaluator {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn evaluate(&self, request: EvaluationRequest) -> Result<EvaluationStream, Error> {
        let id = &self.info.id;
        let call = match self.arguments(request) {
            Ok(arguments) => {
                self.client.call(&self.endpoint, arguments, CallOptions::default()).await
            }
            Err(error) => Err(error),
        };
        let call = call.map_err(|error| error.with_provider(id.clone()))?;
        let events = stream::unfold((Some(call), id.clone()), |(call, id)| async move {
            let mut call = call?;
            let event = next(&mut call).await.map_err(|error| error.with_provider(id.clone()));
            let over =
                !matches!(&event, Ok(event) if !matches!(event, EvaluationEvent::Finished(_)));
            Some((event, ((!over).then_some(call), id)))
        });
        Ok(Box::pin(events.fuse()))
    }
}

async fn next(call: &mut Call) -> Result<EvaluationEvent, Error> {
    loop {
        let event = call
            .next()
            .await
            .unwrap_or_else(|| Err(error::protocol("the call ended without a result")))?;
        return Ok(match event {
            CallEvent::Queued { position, eta, .. } => EvaluationEvent::Queued {
                position,
                eta: eta.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            },
            CallEvent::Started { .. } => EvaluationEvent::Started,
            CallEvent::Progress { units } => match units.last() {
                Some(unit) => counted(unit),
                None => continue,
            },
            CallEvent::Log { level, message, .. } => {
                let warns = matches!(level.as_str(), "warning" | "error");
                let kind = if warns { NoticeKind::Warning } else { NoticeKind::Info };
                EvaluationEvent::Notice(Notice::new(kind, message))
            }
            CallEvent::Partial => continue,
            CallEvent::Finished => {
                let result = evaluation::read(call.outputs());
                EvaluationEvent::Finished(result.ok_or_else(|| unreadable(call.outputs()))?)
            }
        });
    }
}

fn counted(unit: &ProgressUnit) -> EvaluationEvent {
    let whole = |number: Option<f64>| number.filter(|n| *n >= 0.0).map(|n| n as u64);
    let (done, total) = (whole(unit.index), whole(unit.length));
    let message = progress::words(unit).unwrap_or_default();
    EvaluationEvent::Progress { done, total, message }
}

/// What such endpoints give instead of results is usually a sentence that says why.
fn unreadable(outputs: &[Value]) -> Error {
    let said = outputs.iter().filter_map(Value::as_str).find(|text| !text.trim().is_empty());
    let said = said.map(|text| format!(": {}", crate::html::one_line(text))).unwrap_or_default();
    error::protocol(format!("the Space gave no results{said}"))
        .with_advice(ports::RetryAdvice::OtherProviderOnly)
}

#[cfg(test)]
mod tests {
    use super::check_samples;

    #[test]
    fn samples_are_lines_of_objects() {
        assert!(check_samples("{\"text\": \"a\"}\n\n{}\n").is_ok());
        for (samples, says) in [("", "no samples"), ("{}\nnonsense", "line 2"), ("[1]", "line 1")] {
            assert!(check_samples(samples).unwrap_err().to_string().contains(says));
        }
    }
}
