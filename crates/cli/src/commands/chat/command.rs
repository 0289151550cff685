//! Lines that begin with a slash.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::suggest;

/// What a slash command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Help,
    Quit,
    New,
    Clear,
    System(Option<String>),
    Model(Option<String>),
    Provider(Option<String>),
    Set(Option<(String, Option<String>)>),
    Show,
    Save(PathBuf),
    Retry,
    Undo,
    Usage,
}

/// Every command: its name, what follows it, and what it does.
pub(super) const ALL: &[(&str, &str, &str)] = &[
    ("/help", "", "list these commands"),
    ("/new", "", "begin a new conversation"),
    ("/clear", "", "begin a new conversation and clear the screen"),
    ("/system", "[TEXT]", "set the system prompt; without TEXT there is none"),
    ("/model", "[NAME]", "answer with this model; without NAME show which"),
    ("/provider", "[NAME]", "ask this provider; without NAME list them"),
    (
        "/set",
        "[OPTION [VALUE]]",
        "set a generation option, e.g. /set temperature 0; unset it; list them",
    ),
    ("/show", "", "print the conversation"),
    ("/save", "FILE", "write the conversation to FILE, as messages if it ends in .json"),
    ("/retry", "", "ask the last message again and forget its answer"),
    ("/undo", "", "take back the last message and its answer"),
    ("/usage", "", "print token counts and timings of the last answer and of all"),
    ("/quit", "", "leave, like /exit, Ctrl-D, or Ctrl-C twice"),
];

impl Command {
    /// Reads a line; `None` when it is a message. A message may begin with a slash after a space.
    ///
    /// # Errors
    /// A usage error for a command that is unknown or lacks something.
    pub(super) fn parse(line: &str) -> Result<Option<Self>, Failure> {
        let several_lines = line.contains('\n') && !line.starts_with("/system");
        if !line.starts_with('/') || several_lines {
            return Ok(None);
        }
        let (name, rest) = match line.split_once(char::is_whitespace) {
            Some((name, rest)) => (name, rest.trim()),
            None => (line.trim_end(), ""),
        };
        let text = || Some(rest.to_owned()).filter(|text| !text.is_empty());
        let bare = |command: Self| match rest {
            "" => Ok(Some(command)),
            _ => Err(Failure::usage(format!("{name} takes nothing after it"))
                .try_this("a message that begins with / needs a space before it")),
        };
        match name {
            "/help" | "/?" => bare(Self::Help),
            "/quit" | "/exit" | "/bye" | "/q" => bare(Self::Quit),
            "/new" => bare(Self::New),
            "/clear" => bare(Self::Clear),
            "/show" => bare(Self::Show),
            "/retry" => bare(Self::Retry),
            "/undo" => bare(Self::Undo),
            "/usage" => bare(Self::Usage),
            "/system" => Ok(Some(Self::System(text()))),
            "/model" => Ok(Some(Self::Model(text()))),
            "/provider" => Ok(Some(Self::Provider(text()))),
            "/set" => Ok(Some(Self::Set(text().map(|text| option(&text))))),
            "/save" => match text() {
                Some(file) => Ok(Some(Self::Save(file.into()))),
                None => Err(Failure::usage("/save wants a file").try_this("/save talk.md")),
            },
            _ => Err(unknown(name)),
        }
    }
}

/// `temperature 0`, `temperature=0`, or `temperature` to unset it.
fn option(text: &str) -> (String, Option<String>) {
    match text.split_once(|c: char| c == '=' || c.is_whitespace()) {
        Some((key, value)) => {
            let value = value.trim_start_matches(|c: char| c == '=' || c.is_whitespace());
            (key.to_owned(), Some(value.to_owned()).filter(|value| !value.is_empty()))
        }
        None => (text.to_owned(), None),
    }
}

fn unknown(name: &str) -> Failure {
    let names: Vec<&str> = ALL.iter().map(|(name, ..)| *name).chain(["/exit"]).collect();
    let hint = match suggest::nearest(name, names) {
        Some(near) => format!("did you mean {near}? /help lists all"),
        None => "/help lists all; a message that begins with / needs a space before it".to_owned(),
    };
    Failure::usage(format!("there is no command {name}")).try_this(hint)
}

/// The commands as lines of text.
pub(super) fn help() -> String {
    let width = ALL.iter().map(|(name, rest, _)| name.len() + rest.len() + 1).max().unwrap_or(0);
    let line = |(name, rest, does): &(&str, &str, &str)| {
        format!("  {:<width$}  {does}\n", format!("{name} {rest}"))
    };
    let mut text: String = ALL.iter().map(line).collect();
    text.push_str(
        "\nSeveral lines: between \"\"\" and \"\"\", or with \\ at the end of a line. Ctrl-C stops an answer.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Option<Command> {
        Command::parse(line).unwrap()
    }

    #[test]
    fn commands_are_told_from_messages() {
        assert_eq!(parsed("hello /help"), None);
        assert_eq!(parsed(" /etc/passwd is a file"), None);
        assert_eq!(parsed("/usr/bin\nis a folder"), None);
        assert_eq!(parsed("/system be\nkind"), Some(Command::System(Some("be\nkind".into()))));
        assert_eq!(parsed("/exit "), Some(Command::Quit));
        assert_eq!(parsed("/save a b.md"), Some(Command::Save("a b.md".into())));
    }

    #[test]
    fn options_are_read_as_people_write_them() {
        let set = |key: &str, value: Option<&str>| {
            Some(Command::Set(Some((key.into(), value.map(Into::into)))))
        };
        assert_eq!(parsed("/set temperature 0.5"), set("temperature", Some("0.5")));
        assert_eq!(parsed("/set temperature = 0.5"), set("temperature", Some("0.5")));
        assert_eq!(parsed("/set temperature=0.5"), set("temperature", Some("0.5")));
        assert_eq!(parsed("/set seed"), set("seed", None));
        assert_eq!(parsed("/set"), Some(Command::Set(None)));
    }

    #[test]
    fn a_slip_names_the_nearest_command() {
        let Err(Failure::Error(error)) = Command::parse("/sytem x") else { panic!("accepted") };
        assert_eq!(error.to_string(), "there is no command /sytem");
        assert!(error.hint().unwrap().contains("/system"));
        assert!(Command::parse("/help me").is_err());
        assert!(Command::parse("/save").is_err());
    }

    #[test]
    fn every_listed_command_is_understood() {
        for (name, rest, _) in ALL {
            let line = if rest.starts_with(|c: char| c.is_ascii_uppercase()) {
                format!("{name} x")
            } else {
                (*name).to_owned()
            };
            assert!(parsed(&line).is_some(), "{line}");
        }
    }
}
