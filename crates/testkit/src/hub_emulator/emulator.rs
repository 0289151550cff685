//! The emulator: its Spaces, its hosts, and what tests may ask of it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::api::answer;
use super::disturbance::{Disturbances, disturbed};
use super::files::large;
use super::{Disturbance, Model, Space, Step};
use crate::faults::{Answer, Proxy, Recorded};

#[derive(Debug)]
pub(super) struct State {
    pub(super) token: String,
    pub(super) quota: Value,
    pub(super) spaces: Vec<(Space, Arc<Proxy>)>,
    pub(super) models: Vec<Model>,
    pub(super) hub: String,
    pub(super) store: String,
    pub(super) page: usize,
    disturbances: Disturbances,
}

/// A Hub on this machine.
#[derive(Debug)]
pub struct HubEmulator {
    state: Arc<Mutex<State>>,
    // A proxy in which every answer comes from the gate: faults can be put before it as well.
    front: Proxy,
    /// Has the large files.
    store: Proxy,
}

impl HubEmulator {
    /// Starts one that knows this token and no other.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(token: &str) -> io::Result<Self> {
        let quota = json!({"base": 2400, "current": 1810, "overquotaUsed": 0,
            "resetsAt": "2026-11-23T09:12:03.000Z"});
        let (front, store) = (Proxy::alone()?, Proxy::alone()?);
        let state = State {
            token: token.to_owned(),
            quota,
            spaces: Vec::new(),
            models: Vec::new(),
            hub: front.url().to_owned(),
            store: store.url().to_owned(),
            page: 1000,
            disturbances: Disturbances::default(),
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        front.gate(move |request| {
            let mut state = lock(&shared);
            let disturbance = state.disturbances.next(request);
            Some(disturbed(disturbance, request, |request| answer(&mut state, request)))
        });
        let shared = Arc::clone(&state);
        store.gate(move |request| {
            let mut state = lock(&shared);
            let disturbance = state.disturbances.next(request);
            Some(disturbed(disturbance, request, |request| large(&state.models, request)))
        });
        Ok(Self { state, front, store })
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

    /// Puts a file into a model repository, on its branch `main`.
    pub fn put(&self, repo: &str, file: &str, content: Vec<u8>) {
        let mut state = lock(&self.state);
        let known = state.models.iter().position(|model| model.id == repo);
        let model = known.map_or_else(|| Model::new(repo), |at| state.models.swap_remove(at));
        state.models.push(model.with_file(file, &content));
    }

    /// Adds a model's repository, or puts another in the place of the one of that name.
    pub fn add_model(&self, model: Model) {
        let mut state = lock(&self.state);
        state.models.retain(|known| known.id != model.id);
        state.models.push(model);
    }

    /// Gives listings in pages of so many entries.
    pub fn set_page(&self, entries: usize) {
        lock(&self.state).page = entries;
    }

    /// Does this to the next `times` answers to requests whose `METHOD /target` contains `pattern`,
    /// whether they are the Hub's own or those of the server of large files.
    pub fn disturb(&self, pattern: &str, times: usize, disturbance: Disturbance) {
        lock(&self.state).disturbances.add(pattern, times, disturbance);
    }

    /// Every request to the server of large files so far.
    pub fn store_journal(&self) -> Vec<Recorded> {
        self.store.journal()
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
