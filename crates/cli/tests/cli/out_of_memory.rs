//! Limits on memory: an answer, or an error with an exit code of its own; never a panic or an abort.
#![cfg(target_os = "linux")]

use std::process::Command;

use crate::world::{Ended, World, tiny};

const MIB: usize = 1 << 20;

/// Runs the binary with no more address space than so many bytes.
fn run_within(world: &World, bytes: usize, arguments: &[&str]) -> Ended {
    let command = world.command(arguments);
    let mut limited = Command::new("sh");
    // Whoever is told by a signal to end writes no core file.
    limited.args(["-c", "ulimit -c 0; ulimit -v $0; exec \"$@\"", &(bytes / 1024).to_string()]);
    limited.arg(command.get_program()).args(command.get_args());
    limited.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited.output().unwrap().into()
}

/// What the process needs before any of our own code runs, rounded up.
fn least(world: &World) -> usize {
    let enough = |mib: &usize| run_within(world, mib * MIB, &["--version"]).code == Some(0);
    (24..1024).step_by(4).find(enough).unwrap() * MIB
}

#[track_caller]
fn is_out_of_memory(ended: &Ended, limit: usize) {
    assert_eq!(ended.code, Some(5), "{} KiB: {ended:?}", limit / 1024);
    assert_eq!(ended.stdout, "", "{} KiB: {ended:?}", limit / 1024);
    let told = ended.stderr.contains("error: ") && ended.stderr.contains("  try: ");
    assert!(told && !ended.stderr.contains("panicked"), "{} KiB: {ended:?}", limit / 1024);
}

#[test]
fn under_any_limit_there_is_an_answer_or_an_error() {
    let world = World::new();
    let model = tiny("tiny-qwen3-q8_0.gguf");
    let ask = ["--offline", "--set", "providers.local.threads=2", "-m", &model];
    let ask = [&ask[..], &["--max-tokens", "4", "--temperature", "0", "hello"]].concat();
    let whole = world.run(&ask).ok().stdout;
    let least = least(&world);
    // Densely where little is there yet, then up to where all of it is.
    let dense = (0..32).map(|step| least + step * MIB);
    let wide = (2..48).map(|step| least + step * 24 * MIB + step * 4096);
    let (mut answered, mut refused) = (0, 0);
    for limit in dense.chain(wide) {
        let ended = run_within(&world, limit, &ask);
        if ended.code == Some(0) {
            assert_eq!(ended.stdout, whole, "{} KiB", limit / 1024);
            answered += 1;
        } else {
            is_out_of_memory(&ended, limit);
            refused += 1;
        }
    }
    assert!(answered > 0 && refused > 20, "{answered} answered, {refused} refused");
}

#[test]
fn a_file_that_does_not_fit_is_no_damaged_file() {
    let world = World::new();
    let bytes = std::fs::read(tiny("tiny-qwen3-q8_0.gguf")).unwrap();
    let path = world.write("large.gguf", bytes);
    // A hole takes no room on the disk.
    std::fs::File::options().append(true).open(&path).unwrap().set_len(64 << 30).unwrap();
    let limit = 4096 * MIB;
    let ended = run_within(&world, limit, &["-m", &path, "hello"]);
    is_out_of_memory(&ended, limit);
    assert!(
        ended.stderr.contains("large.gguf: cannot be read: Cannot allocate memory"),
        "{ended:?}"
    );
}

#[test]
fn weights_that_are_made_at_load_and_do_not_fit_are_named() {
    let world = World::new();
    // The default model takes 100 MB as it is and 540 MB in f32.
    let limit = 420 * MIB;
    let ended = run_within(&world, limit, &["--dtype", "f32", "--max-tokens", "4", "hello"]);
    is_out_of_memory(&ended, limit);
    assert!(ended.stderr.contains("no memory for tensor"), "{ended:?}");
}
