//! Faults in what is refused, and how: options, invalid requests, errors, control tokens.

use domain::{Capability, Event, Notice, NoticeKind, Prompt, Request, Response, TokenLogprob};
use futures_util::stream;
use ports::{Error, ErrorKind, RetryAdvice, TextGenerator};
use textport_testkit::FakeGenerator;

use crate::broken::{Broken, sound};

/// Every case of a capability that a request may need, in the suite's order.
const OPTION_CASES: [&str; 16] = [
    "options.max_tokens",
    "options.temperature",
    "options.top_p",
    "options.top_k",
    "options.min_p",
    "options.repeat_penalty",
    "options.presence_penalty",
    "options.frequency_penalty",
    "options.seed",
    "options.stop",
    "options.think",
    "options.thinking_budget",
    "options.logprobs",
    "options.raw_prompt",
    "options.system_prompt",
    "options.multi_turn",
];

/// It declares nothing, refuses what is invalid, and answers everything else all the same.
#[tokio::test(start_paused = true)]
async fn options_ignored_instead_of_refused() {
    let lax = Broken::new().declaring(|declared| declared.supported.clear()).unchecked();
    assert_eq!(lax.caught().await, OPTION_CASES);
}

#[tokio::test(start_paused = true)]
async fn one_option_silently_dropped() {
    let lax = Broken::new().lacking(Capability::TopP).unchecked().on_request(|request| {
        if request.validate().is_ok() {
            request.options.top_p = None;
        }
    });
    assert_eq!(lax.caught().await, ["options.top_p"]);
}

fn wants_min_p(request: &Request) -> bool {
    request.options.min_p.is_some()
}

#[tokio::test(start_paused = true)]
async fn a_declared_option_refused() {
    let id = sound().info().id.clone();
    let timid = Broken::new().refusing(move |request| match wants_min_p(request) {
        true => Err(Error::unsupported(id.clone(), Capability::MinP)),
        false => Ok(()),
    });
    assert_eq!(timid.caught().await, ["options.min_p"]);
}

#[tokio::test(start_paused = true)]
async fn an_option_refused_under_another_name() {
    let id = sound().info().id.clone();
    let mistaken =
        Broken::new().lacking(Capability::MinP).refusing(move |request| {
            match wants_min_p(request) {
                true => Err(Error::unsupported(id.clone(), Capability::TopK)),
                false => Ok(()),
            }
        });
    assert_eq!(mistaken.caught().await, ["options.min_p"]);
    let vague =
        Broken::new().lacking(Capability::MinP).refusing(|request| match wants_min_p(request) {
            true => Err(Error::new(ErrorKind::InvalidRequest, "no such option")),
            false => Ok(()),
        });
    let caught = vague.caught().await;
    assert!(caught.contains(&"options.min_p"), "{caught:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_the_first_delta() {
    let id = sound().info().id.clone();
    let late =
        Broken::new().lacking(Capability::MinP).unchecked().on_events(move |request, events| {
            if !wants_min_p(request) {
                return events;
            }
            let refusal = Err(Error::unsupported(id.clone(), Capability::MinP));
            Box::pin(stream::iter([Ok(Event::Text("Well,".into())), refusal]))
        });
    assert_eq!(late.caught().await, ["options.min_p"]);
}

#[tokio::test(start_paused = true)]
async fn auto_taken_for_an_option() {
    let id = sound().info().id.clone();
    let strict = Broken::new().refusing(move |request| match request.options.think {
        Some(domain::Think::Auto) => Err(Error::unsupported(id.clone(), Capability::Think)),
        _ => Ok(()),
    });
    assert_eq!(strict.caught().await, ["options.think_auto_asks_nothing"]);
}

fn with_tokens(change: impl Fn(&mut TokenLogprob) + Clone + Send + Sync + 'static) -> Broken {
    Broken::new().on_event(move |event| match event {
        Event::Token(mut token) => {
            change(&mut token);
            vec![Event::Token(token)]
        }
        other => vec![other],
    })
}

#[tokio::test(start_paused = true)]
async fn log_probabilities_that_cannot_be() {
    let faults: [fn(&mut TokenLogprob); 4] = [
        |token| token.logprob = 0.5,
        |token| token.logprob = f32::NAN,
        |token| token.top.truncate(1),
        |token| token.top.reverse(),
    ];
    for fault in faults {
        assert_eq!(with_tokens(fault).caught().await, ["options.logprobs_are_reported"]);
    }
    let silent = |event: Event| if matches!(event, Event::Token(_)) { vec![] } else { vec![event] };
    let caught = Broken::new().on_event(silent).caught().await;
    assert_eq!(caught, ["options.logprobs_are_reported"]);
}

#[tokio::test(start_paused = true)]
async fn declarations_that_change() {
    let fickle = Broken::new().declaring_later(|later| later.context_length = Some(8192));
    assert_eq!(fickle.caught().await.first(), None, "the first case has asked already");
    // The suite must also see it where every case gets a generator of its own.
    let fixture = textport_testkit::conformance::Fixture::building(|| async {
        let fickle = Broken::new().declaring_later(|later| later.concurrency = Some(9));
        std::sync::Arc::new(fickle) as std::sync::Arc<dyn TextGenerator>
    });
    let caught = crate::broken::caught_with(fixture, sound()).await;
    assert_eq!(caught, ["options.declarations_are_constant"]);
}

/// Answers requests that `accepts` says yes to as if they were a greeting.
fn obliging(accepts: fn(&Request) -> bool) -> Broken {
    Broken::new().unchecked().on_request(move |request| {
        if accepts(request) {
            *request = Request::user("Hello.");
        }
    })
}

#[tokio::test(start_paused = true)]
async fn invalid_requests_answered() {
    let empty = obliging(|request| match &request.prompt {
        Prompt::Raw(text) => text.is_empty(),
        Prompt::Messages(messages) => messages.is_empty(),
    });
    let caught = empty.caught().await;
    assert!(caught.contains(&"invalid.empty_prompt"), "{caught:?}");
    assert!(caught.contains(&"batch.one_failure_keeps_the_others"), "{caught:?}");

    let last = obliging(|request| {
        let Prompt::Messages(messages) = &request.prompt else { return false };
        messages.last().is_some_and(|message| message.role == domain::Role::Assistant)
    });
    assert_eq!(last.caught().await, ["invalid.nothing_to_answer"]);
    let system = obliging(|request| {
        let Prompt::Messages(messages) = &request.prompt else { return false };
        messages.iter().skip(1).any(|message| message.role == domain::Role::System)
    });
    assert_eq!(system.caught().await, ["invalid.late_system_message"]);
    let options = obliging(|request| request.options.validate().is_err());
    assert_eq!(options.caught().await, ["invalid.option_out_of_range"]);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_request_called_something_else() {
    let internal = Broken::new().on_error(|error| match error.kind() {
        ErrorKind::InvalidRequest => {
            let id = error.provider().cloned();
            let renamed = Error::new(ErrorKind::Internal, error.to_string());
            id.map_or_else(|| Error::new(ErrorKind::Internal, "?"), |id| renamed.with_provider(id))
        }
        _ => error,
    });
    assert_eq!(
        internal.caught().await,
        [
            "invalid.empty_prompt",
            "invalid.nothing_to_answer",
            "invalid.late_system_message",
            "invalid.option_out_of_range",
            "batch.one_failure_keeps_the_others",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn talking_on_after_a_refusal() {
    #[derive(Debug)]
    struct Talkative(FakeGenerator);
    #[async_trait::async_trait]
    impl TextGenerator for Talkative {
        fn info(&self) -> &domain::ProviderInfo {
            self.0.info()
        }
        fn capabilities(&self) -> &domain::Capabilities {
            self.0.capabilities()
        }
        async fn stream(&self, request: Request) -> Result<ports::EventStream, Error> {
            match self.0.stream(request).await {
                Ok(events) => Ok(events),
                Err(error) => {
                    let sorry = Notice::new(NoticeKind::Info, "sorry");
                    Ok(Box::pin(stream::iter([Err(error), Ok(Event::Notice(sorry))])))
                }
            }
        }
    }
    let inner = sound();
    let talkative = std::sync::Arc::new(Talkative(inner.clone()));
    let caught = crate::broken::caught(inner, talkative).await;
    assert_eq!(caught, ["order.a_refusal_is_the_last_word"]);
}

fn without_provider(error: &Error) -> Error {
    let bare = Error::new(error.kind(), error.to_string());
    error.partial().cloned().map_or_else(
        || Error::new(error.kind(), error.to_string()),
        |partial| bare.with_partial(partial),
    )
}

#[tokio::test(start_paused = true)]
async fn errors_that_do_not_help() {
    let anonymous = Broken::new().on_error(|error| without_provider(&error));
    assert_eq!(anonymous.caught().await, ["errors.name_the_provider"]);
    let wordy = Broken::new().on_error(|error| {
        let renamed = Error::new(error.kind(), format!("{error}\nand more"));
        match error.provider() {
            Some(id) => renamed.with_provider(id.clone()),
            None => renamed,
        }
    });
    assert_eq!(wordy.caught().await, ["errors.name_the_provider"]);
    let hopeful = Broken::new().on_error(|error| error.with_advice(RetryAdvice::Backoff));
    assert_eq!(hopeful.caught().await, ["errors.advise"]);
}

#[tokio::test(start_paused = true)]
async fn a_context_that_is_not_kept_to() {
    let inner = sound().with_context_length(None);
    let endless = Broken::over(inner).declaring(|declared| declared.context_length = Some(512));
    assert_eq!(endless.caught().await, ["errors.too_long_a_prompt"]);
}

#[tokio::test(start_paused = true)]
async fn what_came_before_a_failure_lost() {
    let forgetful = Broken::new().on_result(|result| {
        result.map_err(|error| {
            let bare = Error::new(error.kind(), error.to_string());
            error.provider().cloned().map_or_else(reset_by_nobody, |id| bare.with_provider(id))
        })
    });
    assert_eq!(forgetful.caught().await, ["errors.after_content"]);
}

fn reset_by_nobody() -> Error {
    Error::new(ErrorKind::Network, "reset")
}

fn each_content(request: &mut Request, change: impl Fn(&str) -> String) {
    if let Prompt::Messages(messages) = &mut request.prompt {
        for message in messages {
            message.content = change(&message.content);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn control_tokens_that_act() {
    let refuses = Broken::new().refusing(|request| match format!("{request:?}").contains("<|") {
        true => Err(Error::new(ErrorKind::InvalidRequest, "a control token")),
        false => Ok(()),
    });
    let caught = refuses.caught().await;
    assert!(caught.contains(&"content.control_tokens_are_accepted"), "{caught:?}");

    let ends = Broken::new().on_request(|request| {
        each_content(request, |content| match content.split_once("</s>") {
            Some((before, _)) => format!("{before}</s>"),
            None => content.to_owned(),
        });
    });
    assert_eq!(ends.caught().await, ["content.control_tokens_end_nothing"]);

    let acts = Broken::new().on_request(|request| {
        each_content(request, |content| content.replace("<|im_end|>", " \u{3}"));
    });
    assert_eq!(acts.caught().await, ["content.control_tokens_are_encoded_as_text"]);
}

#[tokio::test(start_paused = true)]
async fn batches_in_disorder() {
    let reversed = Broken::new().on_batch(|results| results.into_iter().rev().collect());
    let caught = reversed.caught().await;
    assert_eq!(caught, ["batch.in_order", "batch.one_failure_keeps_the_others"]);

    let stops = Broken::new().on_batch(|results| {
        let good = results.iter().take_while(|result| result.is_ok()).count();
        results.into_iter().take(good + 1).collect()
    });
    assert_eq!(stops.caught().await, ["batch.one_failure_keeps_the_others"]);

    let all_or_nothing = Broken::new().on_batch(|results| {
        let failed = results.iter().any(Result::is_err);
        let lost = |result: Result<Response, Error>| match failed {
            true => Err(Error::new(ErrorKind::InvalidRequest, "one of them")),
            false => result,
        };
        results.into_iter().map(lost).collect()
    });
    assert_eq!(all_or_nothing.caught().await, ["batch.one_failure_keeps_the_others"]);

    let padded = Broken::new().on_batch(|mut results| {
        if results.is_empty() {
            results.push(Ok(Response::default()));
        }
        results
    });
    assert_eq!(padded.caught().await, ["batch.empty"]);

    let full = Broken::new().on_batch(|results| {
        let refused = |n| n >= 5;
        let each = results.into_iter().enumerate().map(move |(n, result)| match refused(n) {
            true => Err(Error::new(ErrorKind::QueueFull, "too many")),
            false => result,
        });
        each.collect()
    });
    assert_eq!(full.caught().await, ["batch.larger_than_the_places"]);
}

#[tokio::test(start_paused = true)]
async fn embeddings_that_are_made_up_or_refused_as_something_else() {
    const CASE: [&str; 1] = ["errors.embeddings_are_vectors_or_unsupported"];
    let made_up: [fn() -> Vec<Vec<f32>>; 5] = [
        Vec::new,
        || vec![vec![0.5]],
        || vec![vec![], vec![]],
        || vec![vec![0.5], vec![0.5, 0.5]],
        || vec![vec![f32::NAN], vec![0.5]],
    ];
    for vectors in made_up {
        let caught = Broken::new().embedding(move || Ok(vectors())).caught().await;
        assert_eq!(caught, CASE);
    }
    let vague =
        || Err(Error::new(ErrorKind::Internal, "no").with_provider(sound().info().id.clone()));
    assert_eq!(Broken::new().embedding(vague).caught().await, CASE);
    let nameless = || Err(Error::new(ErrorKind::Unsupported, "no"));
    assert_eq!(Broken::new().embedding(nameless).caught().await, CASE);
    let honest = Broken::new().embedding(|| Ok(vec![vec![0.5], vec![0.25]]));
    assert!(honest.caught().await.is_empty());
}
