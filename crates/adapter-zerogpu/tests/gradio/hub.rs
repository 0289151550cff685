//! Spaces as the Hub knows them: found by name, woken, waited for, or given up with a reason. The
//! Hub is an emulator, which the official clients are run against first.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ports::{Error, ErrorKind, RetryAdvice, Secret, Unavailability};
use serde_json::{Value, json};
use testkit::hub_emulator::{HubEmulator, Space, Step};
use textport_adapter_zerogpu::{ConnectOptions, Deadlines, GradioClient, SpaceRef};

use crate::serving::{SIX, python};
use crate::telling::{call, leaves_no_task, within};

const TOKEN: &str = "hf_good";
const NAME: &str = "acme/Proof_Space.1";

fn hub() -> HubEmulator {
    HubEmulator::start(TOKEN).unwrap()
}

fn space() -> Space {
    Space::running(NAME, SIX.url("main"))
}

fn options(hub: &HubEmulator, token: Option<&str>) -> ConnectOptions {
    let deadlines = Deadlines { wake: Duration::from_secs(20), ..Deadlines::default() };
    ConnectOptions {
        token: token.map(Secret::new),
        hub_endpoint: hub.url().to_owned(),
        deadlines,
        ..ConnectOptions::default()
    }
}

/// Connects and notes what was reported meanwhile.
async fn open(name: &str, options: ConnectOptions) -> (Result<GradioClient, Error>, Vec<String>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    let report = move |line: &str| listener.lock().unwrap().push(line.to_owned());
    let space = SpaceRef::parse(name).unwrap();
    let client = within(40, GradioClient::connect(&space, options, report)).await;
    let lines = heard.lock().unwrap().clone();
    (client, lines)
}

async fn refusal(space: Space, token: Option<&str>) -> Error {
    let hub = hub();
    hub.add(space).unwrap();
    open(NAME, options(&hub, token)).await.0.unwrap_err()
}

/// The emulator is faithful: the official clients understand every answer of it.
#[tokio::test]
async fn the_official_clients_understand_the_emulator() {
    if !SIX.wanted() {
        return;
    }
    let hub = hub();
    hub.add(Space::running("acme/public", SIX.url("main"))).unwrap();
    let private = hub.add(Space::running("acme/private", SIX.url("main")).private()).unwrap();
    hub.add(
        Space::running("acme/asleep", SIX.url("main"))
            .with_stages(&[("SLEEPING", Step::WhenVisited), ("RUNNING", Step::Last)]),
    )
    .unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/hub_client.py");
    let mut client = Command::new(python());
    client.arg(script).args([TOKEN, "acme/public", "acme/private", "acme/asleep"]);
    client
        .env("HF_ENDPOINT", hub.url())
        .env_remove("HF_TOKEN")
        .env("HF_HUB_DISABLE_TELEMETRY", "1");
    client.env("GRADIO_ANALYTICS_ENABLED", "False").env("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
    let output =
        within(90, tokio::task::spawn_blocking(move || client.output())).await.unwrap().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = json!({
        "id": "acme/public", "host": told["host"], "private": false, "sdk": "gradio",
        "stage": "RUNNING", "hardware": "zero-a10g", "requested": "zero-a10g",
        "stage_in_info": "RUNNING", "private_host": private.url(), "private_is_private": true,
        "sleeping": "SLEEPING", "whoami": "alice",
        "quota": [2400, 1810, "2026-11-23T09:12:03+00:00", 0],
        "refusals": {
            "private to a stranger": "RepositoryNotFoundError",
            "unknown to a stranger": "RepositoryNotFoundError",
            "unknown": "RepositoryNotFoundError",
            "wrong token": "HfHubHTTPError 401",
            "quota of a stranger": "HfHubHTTPError 401",
            "runtime of a private": "RepositoryNotFoundError"
        },
        "sum": told["sum"],
    });
    assert_eq!(told, expected);
    assert_eq!(told["sum"], json!(["9", 20]));
}

#[tokio::test]
async fn a_space_is_found_by_its_name() {
    let hub = hub();
    let host = hub.add(space()).unwrap();
    let (client, heard) = open(NAME, options(&hub, None)).await;
    let client = client.unwrap();
    assert_eq!(client.base_url(), host.url());
    assert_eq!(within(20, call(&client, "add", &[json!(1), json!(2)])).await.result()[1], json!(2));
    assert!(heard.is_empty(), "there was nothing to wait for: {heard:?}");
}

#[tokio::test]
async fn a_private_space_opens_to_its_token_only() {
    let hub = hub();
    let host = hub.add(space().private()).unwrap();
    let client = open(NAME, options(&hub, Some(TOKEN))).await.0.unwrap();
    within(20, call(&client, "add", &[json!(1), json!(2)])).await.result();
    // The Hub wants it in its header, the Space's proxy in another one.
    for request in hub.journal() {
        assert_eq!(request.header("authorization"), Some("Bearer hf_good"), "{}", request.target);
    }
    for request in host.journal() {
        assert_eq!(
            request.header("x-hf-authorization"),
            Some("Bearer hf_good"),
            "{}",
            request.target
        );
        assert_eq!(request.header("authorization"), None, "{}", request.target);
    }
    for token in [None, Some("hf_wrong")] {
        let error = refusal(space().private(), token).await;
        let kind = error.kind();
        assert!(matches!(kind, ErrorKind::NotFound | ErrorKind::Unauthenticated), "{error}");
        assert!(error.hint().unwrap_or_default().contains("token"), "{error}: {:?}", error.hint());
        assert!(!format!("{error:?}").contains("hf_wrong"));
    }
}

#[tokio::test]
async fn an_unknown_space_is_not_found() {
    let hub = hub();
    let error = open("acme/nothing", options(&hub, Some(TOKEN))).await.0.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let error = open("acme/nothing", options(&hub, None)).await.0.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unauthenticated), "{error}");
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_sleeping_space_is_woken_and_awaited() {
    let hub = hub();
    let host = hub
        .add(space().with_stages(&[
            ("SLEEPING", Step::WhenVisited),
            ("BUILDING", Step::AfterPolls(1)),
            ("APP_STARTING", Step::AfterPolls(1)),
            ("RUNNING", Step::Last),
        ]))
        .unwrap();
    let (client, heard) = within(40, leaves_no_task(open(NAME, options(&hub, None)))).await;
    let client = client.unwrap();
    assert_eq!(within(20, call(&client, "add", &[json!(1), json!(2)])).await.result()[1], json!(2));
    assert!(!host.journal().is_empty(), "nobody visited it");
    assert!(heard.iter().any(|line| line.contains("built")), "{heard:?}");
    assert!(heard.iter().all(|line| line.contains(NAME)), "{heard:?}");
}

#[tokio::test]
async fn a_stopped_space_wakes_too_and_a_starting_one_is_awaited() {
    for stages in [
        [("STOPPED", Step::WhenVisited), ("RUNNING", Step::Last)],
        [("BUILDING", Step::AfterPolls(2)), ("RUNNING", Step::Last)],
        [("APP_STARTING", Step::AfterPolls(2)), ("RUNNING_BUILDING", Step::Last)],
        [("RUNNING_APP_STARTING", Step::AfterPolls(50)), ("RUNNING", Step::Last)],
        [("DREAMING", Step::AfterPolls(2)), ("RUNNING", Step::Last)],
    ] {
        let hub = hub();
        hub.add(space().with_stages(&stages)).unwrap();
        let (client, _) = open(NAME, options(&hub, None)).await;
        let client = client.unwrap_or_else(|error| panic!("{stages:?}: {error}"));
        assert!(client.endpoint("add").is_ok(), "{stages:?}");
    }
}

#[tokio::test]
async fn a_space_that_nothing_wakes_is_given_up_with_its_reason() {
    use Unavailability::{Down, Paused};
    for (stage, state, word) in [
        ("PAUSED", Paused, "paused"),
        ("BUILD_ERROR", Down, "buil"),
        ("RUNTIME_ERROR", Down, "crash"),
        ("CONFIG_ERROR", Down, "config"),
        ("NO_APP_FILE", Down, "no app"),
        ("DELETING", Down, "delet"),
    ] {
        let broken = space()
            .with_stages(&[(stage, Step::Last)])
            .with_error_message("exit code: 1\n<b>Traceback</b>: no module named torch");
        let error = refusal(broken, None).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable(state), "{stage}: {error}");
        assert_eq!(error.advice(), RetryAdvice::OtherProviderOnly, "{stage}");
        let text = error.to_string();
        assert!(text.contains(word) && text.contains("no module named torch"), "{stage}: {text}");
        assert!(!text.contains(['\n', '<']), "{stage}: {text}");
        assert!(error.hint().is_some(), "{stage} says nothing to do");
    }
}

#[tokio::test]
async fn a_space_that_stays_asleep_ends_at_the_deadline() {
    for (stage, state) in [
        ("SLEEPING", Unavailability::Asleep),
        ("BUILDING", Unavailability::Building),
        ("APP_STARTING", Unavailability::Building),
    ] {
        let hub = hub();
        hub.add(space().with_stages(&[(stage, Step::Last)])).unwrap();
        let mut options = options(&hub, None);
        options.deadlines.wake = Duration::from_secs(3);
        let (outcome, heard) = open(NAME, options).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable(state), "{stage}: {error}");
        assert!(!heard.is_empty(), "{stage}: it waited without a word");
        assert_eq!(error.advice(), RetryAdvice::Backoff);
    }
}

/// The Hub's own trouble is not the Space's, and is said as what it is.
#[tokio::test]
async fn a_hub_in_trouble_is_told_from_a_space_in_trouble() {
    use testkit::faults::{Answer, Fault, Proxy, refusing_address};
    let front = Proxy::alone().unwrap();
    for (answer, kind) in [
        (
            Answer::json(429, &json!({"error": "rate limited"})).with_header("retry-after", "5"),
            ErrorKind::RateLimited,
        ),
        (Answer::html(500, "oops"), ErrorKind::Unavailable(Unavailability::Down)),
        (Answer::html(200, "a page"), ErrorKind::Protocol),
    ] {
        front.rule_times("/api/spaces/", 1, Fault::Instead(answer));
        let broken =
            ConnectOptions { hub_endpoint: front.url().to_owned(), ..ConnectOptions::default() };
        let error = open(NAME, broken).await.0.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains("Hub"), "{error}");
    }
    let nowhere =
        ConnectOptions { hub_endpoint: refusing_address().unwrap(), ..ConnectOptions::default() };
    let error = open(NAME, nowhere).await.0.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
}

/// A Space may fall asleep between two calls.
#[tokio::test]
async fn a_space_that_fell_asleep_is_woken_by_the_next_request() {
    let hub = hub();
    hub.add(space()).unwrap();
    let settings =
        json!({"endpoint": "/respond", "hub_endpoint": hub.url(), "timeouts": {"wake_s": 20}});
    let space = within(20, crate::conversation::generator(NAME, settings)).await.unwrap();
    let first =
        within(20, crate::conversation::hear(&space, domain::Request::user("SAY hello"))).await;
    assert_eq!(first.text(), "hello");
    let stages = [
        ("SLEEPING", Step::WhenVisited),
        ("BUILDING", Step::AfterPolls(2)),
        ("RUNNING", Step::Last),
    ];
    hub.set_stages(NAME, &stages);
    let heard =
        within(40, crate::conversation::hear(&space, domain::Request::user("SAY awake again")))
            .await;
    assert_eq!(heard.text(), "awake again");
    let told: Vec<&str> = heard.notices().into_iter().map(|(_, text)| text).collect();
    assert!(
        told.iter().any(|text| text.contains(NAME)),
        "nothing was told while it woke: {told:?}"
    );
    // One that its owner stopped is given up.
    hub.set_stages(NAME, &[("PAUSED", Step::Last)]);
    let heard = within(40, crate::conversation::hear(&space, domain::Request::user("SAY x"))).await;
    let error = heard.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable(Unavailability::Paused), "{error}");
    assert_eq!(error.provider().unwrap().as_str(), "space");
}

#[tokio::test]
async fn health_and_quota_come_from_the_hub() {
    use domain::HealthState;
    use ports::TextGenerator;
    let hub = HubEmulator::start("hf_token").unwrap();
    hub.add(space()).unwrap();
    let settings = |token: bool| {
        let mut settings = json!({"endpoint": "/respond", "hub_endpoint": hub.url()});
        if token {
            settings["token"] = json!({"env": "HF_TOKEN"});
        }
        settings
    };
    let known = within(20, crate::conversation::generator(NAME, settings(true))).await.unwrap();
    let quota = within(20, known.quota()).await.unwrap().expect("a token has a quota");
    assert_eq!(
        (quota.limit, quota.used),
        (Some(Duration::from_secs(2400)), Some(Duration::from_secs(590)))
    );
    let reset = quota.resets_at.unwrap().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(reset.as_secs(), 1_795_425_123);
    let stranger = within(20, crate::conversation::generator(NAME, settings(false))).await.unwrap();
    assert_eq!(within(20, stranger.quota()).await.unwrap(), None);
    for (stage, state) in [
        ("RUNNING", HealthState::Ready),
        ("SLEEPING", HealthState::Starting),
        ("BUILDING", HealthState::Starting),
        ("PAUSED", HealthState::Down),
        ("RUNTIME_ERROR", HealthState::Down),
    ] {
        hub.set_stages(NAME, &[(stage, Step::Last)]);
        let health = within(20, known.health()).await.unwrap();
        assert_eq!(health.state, state, "{stage}: {}", health.detail);
        assert!(!health.detail.is_empty() && !health.detail.contains('\n'));
    }
}
