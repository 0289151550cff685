//! The emulator: its Spaces, its hosts, and what tests may ask of it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::api::answer;
use super::{Space, Step};
use crate::faults::{Answer, Proxy, Recorded};

#[derive(Debug)]
pub(super) struct State {
    pub(super) token: String,
    pub(super) quota: Value,
    pub(super) spaces: Vec<(Space, Arc<Proxy>)>,
}

/// A Hub on this machine.
#[derive(Debug)]
pub struct HubEmulator {
    state: Arc<Mutex<State>>,
    // A proxy in which every answer comes from the gate: faults can be put before it as well.
    front: Proxy,
}

impl HubEmulator {
    /// Starts one that knows this token and no other.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(token: &str) -> io::Result<Self> {
        let quota = json!({"base": 2400, "current": 1810, "overquotaUsed": 0,
            "resetsAt": "2026-11-23T09:12:03.000Z"});
        let state = State { token: token.to_owned(), quota, spaces: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let front = Proxy::alone()?;
        let shared = Arc::clone(&state);
        front.gate(move |request| Some(answer(&mut lock(&shared), request)));
        Ok(Self { state, front })
    }

    /// What `HF_ENDPOINT` is set to.
    pub fn url(&self) -> &str {
        self.front.url()
    }

    /// Adds a Space and gives its host, in front of the Space's upstream.
    ///
    /// # Errors
    /// When the host cannot listen.
    pub fn add(&self, space: Space) -> io::Result<Arc<Proxy>> {
        let host = Arc::new(Proxy::before(&space.upstream)?);
        let (id, shared) = (space.id.clone(), Arc::downgrade(&self.state));
        host.gate(move |request| {
            let state = shared.upgrade()?;
            visit(&mut lock(&state), &id, request)
        });
        lock(&self.state).spaces.push((space, Arc::clone(&host)));
        Ok(host)
    }

    /// What the quota's address answers from now on.
    pub fn set_quota(&self, quota: Value) {
        lock(&self.state).quota = quota;
    }

    /// Gives a Space another script from now on.
    pub fn set_stages(&self, id: &str, stages: &[(&str, Step)]) {
        let mut state = lock(&self.state);
        if let Some((space, _)) = state.spaces.iter_mut().find(|(space, _)| space.id == id) {
            space.set_stages(stages);
        }
    }

    /// The stage that a Space is in.
    pub fn stage(&self, id: &str) -> Option<String> {
        let state = lock(&self.state);
        let found = state.spaces.iter().find(|(space, _)| space.id == id);
        found.map(|(space, _)| space.stage().to_owned())
    }

    /// Every request to the Hub itself so far.
    pub fn journal(&self) -> Vec<Recorded> {
        self.front.journal()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request to a Space's host: it goes through while the Space serves.
fn visit(state: &mut State, id: &str, request: &Recorded) -> Option<Answer> {
    let bearer = format!("Bearer {}", state.token);
    let (space, _) = state.spaces.iter_mut().find(|(space, _)| space.id == id)?;
    let shown = ["authorization", "x-hf-authorization"];
    if space.private && !shown.iter().any(|name| request.header(name) == Some(&bearer)) {
        return Some(Answer::html(404, "404 – Hugging Face"));
    }
    if space.serves() {
        return None;
    }
    space.visited();
    let title = match space.stage() {
        "PAUSED" => "This Space has been paused by its owner",
        "BUILD_ERROR" | "RUNTIME_ERROR" | "CONFIG_ERROR" => "Your Space is in error",
        _ => "Your Space is starting",
    };
    Some(Answer::html(503, title))
}
