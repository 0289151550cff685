//! Our Gradio client beside the official Python one: same server, same load, taking turns.
//!
//! `cargo run --release -p textport-adapter-zerogpu --example gradio_peer -- [ROUNDS]` starts a real
//! Gradio server and prints a table in Markdown; `gradio_peer client URL AT_ONCE ROUNDS VALUES` is
//! one turn of ours. Linux only: processor time and peak memory are read from `/proc`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::json;
use testkit::gradio::{Server, Venv};
use textport_adapter_zerogpu::{
    Arguments, CallEvent, CallOptions, ConnectOptions, GradioClient, SpaceRef,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Values of a call, 25 ms apart.
const VALUES: u32 = 20;

/// Who takes turns, and how the Python one reads its calls.
const PEERS: [(&str, Option<&str>); 3] = [
    ("textport", None),
    ("gradio_client, iterated", Some("iterate")),
    ("gradio_client, result only", Some("result")),
];

/// What one turn measured.
#[derive(Default, Serialize, Deserialize)]
struct Turn {
    first_s: Vec<f64>,
    total_s: Vec<f64>,
    cpu_s: f64,
    wall_s: f64,
    peak_kb: f64,
    calls: usize,
    whole: bool,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("client") => client(&arguments[1..]),
        rounds => compare(rounds.map_or(Ok(5), str::parse)?),
    }
}

// ------------------------------------------------------------------ our turn

fn client(arguments: &[String]) -> Result<()> {
    let [url, at_once, rounds, values] = arguments else { return Err("four arguments".into()) };
    let (at_once, rounds, values) = (at_once.parse()?, rounds.parse()?, values.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let turn = runtime.block_on(turn(url, at_once, rounds, values))?;
    print_line(&serde_json::to_string(&turn)?);
    Ok(())
}

async fn turn(url: &str, at_once: usize, rounds: usize, values: u32) -> Result<Turn> {
    let space = SpaceRef::parse(url)?;
    let client = GradioClient::connect(&space, ConnectOptions::default(), |_| {}).await?;
    load(&client, at_once, 1, values).await?; // warm
    let (cpu, wall) = (cpu_seconds()?, Instant::now());
    let mut turn = load(&client, at_once, rounds, values).await?;
    turn.cpu_s = cpu_seconds()? - cpu;
    turn.wall_s = wall.elapsed().as_secs_f64();
    turn.peak_kb = peak_kb()?;
    turn.calls = turn.total_s.len();
    Ok(turn)
}

async fn load(client: &GradioClient, at_once: usize, rounds: usize, values: u32) -> Result<Turn> {
    let mut turn = Turn { whole: true, ..Turn::default() };
    for _ in 0..rounds {
        for (first, total, words) in try_join_all((0..at_once).map(|_| one(client, values))).await?
        {
            turn.first_s.push(first);
            turn.total_s.push(total);
            turn.whole &= words == values as usize + 1;
        }
    }
    Ok(turn)
}

/// Seconds to the first value and to the end, and the words of the result.
async fn one(client: &GradioClient, values: u32) -> Result<(f64, f64, usize)> {
    let begin = Instant::now();
    let endpoint = client.endpoint("/paced")?;
    let arguments = Arguments::positional([json!("x"), json!(values)]);
    let mut call = client.call(&endpoint, arguments, CallOptions::default()).await?;
    let mut first = None;
    while let Some(event) = call.next().await {
        if let CallEvent::Partial | CallEvent::Finished = event? {
            first.get_or_insert_with(|| begin.elapsed().as_secs_f64());
        }
    }
    let text = call.outputs().first().and_then(|value| value.as_str()).unwrap_or_default();
    let words = text.split(' ').count();
    Ok((first.unwrap_or_default(), begin.elapsed().as_secs_f64(), words))
}

/// Processor time of all threads of this process.
fn cpu_seconds() -> Result<f64> {
    let mut nanoseconds = 0.0;
    for task in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        nanoseconds += text.split(' ').next().unwrap_or_default().parse::<f64>()?;
    }
    Ok(nanoseconds / 1e9)
}

fn peak_kb() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.and_then(|line| line.split_whitespace().next()).unwrap_or("0").parse()?)
}

// ------------------------------------------------------------------ both, taking turns

fn compare(rounds: usize) -> Result<()> {
    let venv = Venv::ensure(&servers().join("requirements-6.txt"))?;
    let server = Server::start(&venv, &servers().join("app.py"), &["alone"])?;
    let url = server.url("main")?;
    let peer = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gradio_client_peer.py");
    print_line(
        "| at once | client | first value ms | whole call ms | over the app's own ms | CPU ms per call | peak MiB | calls |",
    );
    print_line("|---|---|---|---|---|---|---|---|");
    for (at_once, repeats) in [(1, 10), (16, 2), (128, 1)] {
        let load = [at_once.to_string(), repeats.to_string(), VALUES.to_string()];
        let mut turns: [Vec<Turn>; 3] = Default::default();
        for round in 0..rounds {
            // Who begins changes with every round.
            for n in (0..PEERS.len()).map(|n| (n + round) % PEERS.len()) {
                let mut command = match PEERS[n].1 {
                    None => Command::new(std::env::current_exe()?),
                    Some(_) => Command::new(venv.python()),
                };
                match PEERS[n].1 {
                    None => command.arg("client").arg(url).args(&load),
                    Some(how) => command.arg(&peer).arg(url).args(&load).arg(how),
                };
                turns[n].push(measured(command.env("HF_HUB_OFFLINE", "1"))?);
            }
        }
        for ((name, _), turns) in PEERS.iter().zip(&turns) {
            row(at_once, name, turns);
        }
        for ((name, _), theirs) in PEERS.iter().zip(&turns).skip(1) {
            let (cpu, peak) =
                (per_call(theirs) / per_call(&turns[0]), peak(theirs) / peak(&turns[0]));
            print_line(&format!(
                "| {at_once} | {name}: times ours | | | | {cpu:.1} | {peak:.1} | |"
            ));
        }
    }
    Ok(())
}

fn servers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers")
}

fn measured(command: &mut Command) -> Result<Turn> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let turn: Turn = serde_json::from_slice(&output.stdout)?;
    if turn.whole { Ok(turn) } else { Err("a result was not whole".into()) }
}

fn row(at_once: usize, name: &str, turns: &[Turn]) {
    let all = |values: fn(&Turn) -> &Vec<f64>| {
        median(turns.iter().flat_map(values).copied().collect()) * 1e3
    };
    let (first, total) = (all(|turn| &turn.first_s), all(|turn| &turn.total_s));
    let work = f64::from(VALUES) * 25.0;
    let first = if first > 0.0 { format!("{first:.1}") } else { String::new() };
    let calls: usize = turns.iter().map(|turn| turn.calls).sum();
    let (cpu, peak) = (per_call(turns) * 1e3, peak(turns) / 1024.0);
    print_line(&format!(
        "| {at_once} | {name} | {first} | {total:.0} | {:.0} | {cpu:.2} | {peak:.1} | {calls} |",
        total - work
    ));
}

fn per_call(turns: &[Turn]) -> f64 {
    median(turns.iter().map(|turn| turn.cpu_s / turn.calls as f64).collect())
}

fn peak(turns: &[Turn]) -> f64 {
    median(turns.iter().map(|turn| turn.peak_kb).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "a program that prints its result")]
fn print_line(line: &str) {
    println!("{line}");
}
