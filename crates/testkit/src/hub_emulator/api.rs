//! The Hub's answers, in its own shapes.

use serde_json::{Value, json};

use super::Space;
use super::emulator::State;
use super::files::{Question, about_model};
use crate::faults::{Answer, Recorded};

/// Who asks.
enum Caller {
    Nobody,
    Known,
    Wrong,
}

/// What the Hub says to a request.
pub(super) fn answer(state: &mut State, request: &Recorded) -> Answer {
    let path = request.target.split('?').next().unwrap_or_default();
    let caller = match request.header("authorization") {
        None => Caller::Nobody,
        Some(value) if value == format!("Bearer {}", state.token) => Caller::Known,
        Some(_) => Caller::Wrong,
    };
    if matches!(caller, Caller::Wrong) {
        return refusal(401, "Invalid credentials in Authorization header", None);
    }
    let known = matches!(caller, Caller::Known);
    match path {
        // Once a day the Hub's own tools ask which programs start them.
        "/api/agent-harnesses" => ok(&json!({"standardEnvVars": [], "harnesses": {}})),
        "/api/whoami-v2" if known => ok(&who()),
        "/api/spaces/zero-gpu/quota" if known => ok(&state.quota),
        "/api/whoami-v2" | "/api/spaces/zero-gpu/quota" => {
            refusal(401, "Invalid username or password.", None)
        }
        _ => match path.strip_prefix("/api/spaces/") {
            Some(rest) => about_space(state, rest, known, &request.method),
            None => about_file(state, request, known),
        },
    }
}

fn about_file(state: &State, request: &Recorded, known: bool) -> Answer {
    let State { models, hub, store, page, .. } = state;
    let question = Question { request, known, hub, store, page: *page };
    let missing = || refusal(404, "Sorry, we can't find the page you are looking for.", None);
    about_model(models, &question).unwrap_or_else(missing)
}

fn about_space(state: &mut State, rest: &str, known: bool, method: &str) -> Answer {
    if let Some(subdomain) = rest.strip_prefix("by-subdomain/") {
        let found = state.spaces.iter().find(|(space, _)| subdomain_of(&space.id) == subdomain);
        return match found {
            Some((space, _)) => ok(&json!({"namespace": space.id, "id": space.id})),
            None => refusal(404, "Space not found", None),
        };
    }
    let mut parts = rest.splitn(3, '/');
    let id = format!("{}/{}", parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let what = parts.next().unwrap_or_default();
    let found = state.spaces.iter_mut().find(|(space, _)| space.id == id);
    let Some((space, host)) = found.filter(|(space, _)| known || !space.private) else {
        // The Hub hides what a caller may not see: 401 to strangers, 404 to those it knows.
        let status = if known { 404 } else { 401 };
        let message = if known { "Repository not found" } else { "Invalid username or password." };
        return refusal(status, message, Some("RepoNotFound"));
    };
    let host = host.url().to_owned();
    match (method, what) {
        ("GET", "") => {
            space.polled();
            ok(&space_info(space, &host))
        }
        ("GET", "runtime") => {
            let answer = ok(&runtime(space));
            space.polled();
            answer
        }
        ("GET", "host") => ok(&json!({"host": host, "subdomain": subdomain_of(&space.id)})),
        ("POST", "restart") if known => {
            space.script = vec![
                ("BUILDING".into(), super::Step::AfterPolls(1)),
                ("RUNNING".into(), super::Step::Last),
            ];
            ok(&runtime(space))
        }
        ("POST", "restart") => refusal(401, "Invalid username or password.", None),
        _ => refusal(404, "Sorry, we can't find the page you are looking for.", None),
    }
}

fn space_info(space: &Space, host: &str) -> Value {
    json!({
        "_id": "57431236f78e46fe8d05d1c2", "id": space.id,
        "author": space.id.split('/').next(), "sha": SHA, "private": space.private,
        "sdk": "gradio", "subdomain": subdomain_of(&space.id), "host": host,
        "runtime": runtime(space), "tags": ["gradio"], "likes": 0, "disabled": false,
        "lastModified": "2026-11-20T10:00:00.000Z", "createdAt": "2026-11-01T10:00:00.000Z",
        "siblings": [{"rfilename": "README.md"}, {"rfilename": "app.py"}], "gated": false
    })
}

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

fn runtime(space: &Space) -> Value {
    let running = space.serves();
    let mut runtime = json!({
        "stage": space.stage(),
        "hardware": {"current": running.then_some(&space.hardware), "requested": space.hardware},
        "storage": null, "gcTimeout": 172_800, "replicas": {"requested": 1}, "devMode": false,
        "domains": [{"domain": format!("{}.hf.space", subdomain_of(&space.id)), "stage": "READY"}]
    });
    if running {
        runtime["replicas"]["current"] = json!(1);
        runtime["sha"] = json!(SHA);
    }
    if let Some(message) = &space.error_message {
        runtime["errorMessage"] = json!(message);
    }
    runtime
}

fn subdomain_of(id: &str) -> String {
    id.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

fn who() -> Value {
    json!({
        "type": "user", "id": "u1", "name": "alice", "fullname": "Alice", "isPro": true,
        "canPay": false, "periodEnd": null, "avatarUrl": "", "orgs": [],
        "auth": {"type": "access_token", "accessToken": {
            "displayName": "t", "role": "read", "createdAt": "2026-01-01T00:00:00.000Z"}}
    })
}

pub(super) fn ok(body: &Value) -> Answer {
    usual(Answer::json(200, body))
}

pub(super) fn refusal(status: u16, message: &str, code: Option<&str>) -> Answer {
    let answer = Answer::json(status, &json!({"error": message}));
    let answer = usual(answer).with_header("x-error-message", message);
    match code {
        Some(code) => answer.with_header("x-error-code", code),
        None => answer,
    }
}

/// Headers that every answer of the Hub has.
pub(super) fn usual(answer: Answer) -> Answer {
    answer
        .with_header("x-request-id", "Root=1-0123456789abcdef")
        .with_header("ratelimit", "\"api\";r=499;t=300")
        .with_header("ratelimit-policy", "\"fixed window\";\"api\";q=500;w=300")
}
