//! The command line of textport: words become settings and requests, events become output. All
//! that generates text is behind the facade crate `textport`.

mod args;
mod commands;
mod exit;
mod failure;
mod format;
mod history;
mod out_of_memory;
mod output;
mod progress;
mod runtime;
mod settings;
mod suggest;

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(unix)]
    out_of_memory::watch();
    let words: Vec<_> = std::env::args_os().collect();
    let mut output = output::Output::standard();
    let result = match args::parse(words.clone()) {
        Ok(cli) => {
            output.configure(&cli.global);
            commands::run(&cli, &mut output)
        }
        Err(failure) => {
            output.configure_from_words(&words);
            Err(failure)
        }
    };
    failure::report(result, &mut output).into()
}
