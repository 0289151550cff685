//! The proxy: rules, a journal, and headers that it adds.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};
use tokio::net::TcpStream;

use super::forward::Upstream;
use super::play::play;
use super::{Answer, Fault, Recorded, Service, read_request, serve, write_answer};

type Gate = Arc<dyn Fn(&Recorded) -> Option<Answer> + Send + Sync>;

struct Rule {
    pattern: String,
    fault: Fault,
    times: Option<usize>,
}

#[derive(Default)]
struct State {
    upstream: String,
    rules: Vec<Rule>,
    added: Vec<(String, String)>,
    journal: Vec<Recorded>,
    open: usize,
    gate: Option<Gate>,
}

/// Stands before a server and does to its answers what the rules say.
pub struct Proxy {
    service: Service,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// Listens before `upstream`, an `http://host:port` address.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn before(upstream: &str) -> io::Result<Self> {
        let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let state = Arc::new(Mutex::new(State { upstream, ..State::default() }));
        let shared = Arc::clone(&state);
        let service =
            serve(Arc::new(move |connection| connected(connection, Arc::clone(&shared)).boxed()))?;
        Ok(Self { service, state })
    }

    /// Listens without a server behind it; every answer comes from a rule.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn alone() -> io::Result<Self> {
        Self::before("127.0.0.1:9")
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        self.service.url()
    }

    /// Every request whose `METHOD /target` contains `pattern` gets this. Earlier rules win.
    pub fn rule(&self, pattern: &str, fault: Fault) {
        lock(&self.state).rules.push(Rule { pattern: pattern.into(), fault, times: None });
    }

    /// The same, for so many requests.
    pub fn rule_times(&self, pattern: &str, times: usize, fault: Fault) {
        lock(&self.state).rules.push(Rule { pattern: pattern.into(), fault, times: Some(times) });
    }

    /// Asked before the rules: an answer from here is the answer.
    pub fn gate(&self, gate: impl Fn(&Recorded) -> Option<Answer> + Send + Sync + 'static) {
        lock(&self.state).gate = Some(Arc::new(gate));
    }

    /// Sets a header of every request that goes on to the server, as the proxy of the Hub does.
    pub fn add_header(&self, name: &str, value: &str) {
        lock(&self.state).added.push((name.to_ascii_lowercase(), value.to_owned()));
    }

    /// Goes on to another server from now on.
    pub fn redirect_to(&self, upstream: &str) {
        lock(&self.state).upstream = upstream.trim_start_matches("http://").to_owned();
    }

    /// Every request so far.
    pub fn journal(&self) -> Vec<Recorded> {
        lock(&self.state).journal.clone()
    }

    /// The requests so far whose `METHOD /target` contains `pattern`.
    pub fn requests(&self, pattern: &str) -> Vec<Recorded> {
        let line = |r: &Recorded| format!("{} {}", r.method, r.target);
        self.journal().into_iter().filter(|r| line(r).contains(pattern)).collect()
    }

    /// Connections that are open now.
    pub fn open_connections(&self) -> usize {
        lock(&self.state).open
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("url", &self.url()).finish_non_exhaustive()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn connected(connection: TcpStream, state: Arc<Mutex<State>>) -> io::Result<()> {
    lock(&state).open += 1;
    let ended = answered(connection, &state).await;
    lock(&state).open -= 1;
    ended
}

async fn answered(mut connection: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let (reader, mut client) = connection.split();
    let mut reader = BufReader::new(reader);
    let Some(request) = read_request(&mut reader).await? else { return Ok(()) };
    let gate = {
        let mut state = lock(state);
        state.journal.push(request.clone());
        state.gate.clone()
    };
    if let Some(mut answer) = gate.and_then(|gate| gate(&request)) {
        answer.head_only = request.method == "HEAD";
        return tokio::select! {
            written = write_answer(&mut client, &answer) => written,
            () = gone(&mut reader) => Ok(()),
        };
    }
    let (fault, upstream, added) = {
        let mut state = lock(state);
        (next_fault(&mut state, &request), state.upstream.clone(), state.added.clone())
    };
    // When the client goes, so does the request behind: a proxy must not keep the server busy.
    tokio::select! {
        played = play(&mut client, fault, Upstream::ask(&upstream, &request, &added)) => played,
        () = gone(&mut reader) => Ok(()),
    }
}

/// Ends when the client has closed its side; a request is all that it sends.
async fn gone(reader: &mut (impl AsyncRead + Unpin)) {
    let mut byte = [0];
    while let Ok(1) = reader.read(&mut byte).await {}
}

fn next_fault(state: &mut State, request: &Recorded) -> Fault {
    let line = format!("{} {}", request.method, request.target);
    for rule in &mut state.rules {
        if rule.times == Some(0) || !line.contains(&rule.pattern) {
            continue;
        }
        if let Some(times) = &mut rule.times {
            *times -= 1;
        }
        return rule.fault.clone();
    }
    Fault::Pass
}
