//! Secrets: which words of a configuration may name one, and how a reference becomes one.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use textport::{Error, ErrorKind, Secret, SecretRef};

use super::environment::Environment;
use super::hub_token;
use super::layer::Layer;

/// Keys that hold secrets in every provider's table.
const SECRET_KEYS: &[&str] =
    &["token", "access_token", "auth_token", "hf_token", "api_key", "password", "secret"];

const HOW_TO_REFER: &str = "refer to it: { env = \"NAME\" }, { file = \"PATH\" }, \
                            { cmd = [\"PROGRAM\", \"ARGUMENT\"] } or { hf = true }";

/// Refuses secrets written out; and, in a file that a project brought along, programs to run and
/// another Hub: the token of this machine goes there without being named.
///
/// # Errors
/// `ConfigInvalid`; the secret itself is not repeated.
pub(crate) fn check(layer: &Layer) -> Result<(), Error> {
    walk(&Value::Object(layer.table.clone()), &mut Vec::new(), &mut |path, value| {
        let key = path.last().map(String::as_str).unwrap_or_default();
        if SECRET_KEYS.contains(&key) && !value.is_object() && !value.is_null() {
            let words = "a secret must not stand in a configuration";
            return Err(layer.wrong(path, words).with_hint(HOW_TO_REFER));
        }
        if layer.is_project() && reference(value) && value.get("cmd").is_some() {
            let words = "a project's file must not name a program to run for a secret";
            let hint = "put this key into your own configuration file: textport config path";
            return Err(layer.wrong(path, words).with_hint(hint));
        }
        if layer.is_project() && is_hub_endpoint(path) {
            let words = "a project's file must not say where the Hub's token is sent";
            let hint = "put this key into your own configuration file, or set HF_ENDPOINT";
            return Err(layer.wrong(path, words).with_hint(hint));
        }
        Ok(())
    })
}

/// The key `hub_endpoint` itself, also of a profile.
fn is_hub_endpoint(path: &[String]) -> bool {
    let below = match path {
        [profiles, _, rest @ ..] if profiles == "profiles" => rest,
        whole => whole,
    };
    below.len() == 1 && below[0] == "hub_endpoint"
}

/// Every place in `table` that holds a reference; a later layer replaces it whole.
pub(crate) fn references(layer: &Layer) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let _ = walk(&Value::Object(layer.table.clone()), &mut Vec::new(), &mut |path, value| {
        if reference(value) {
            found.push(path.to_vec());
        }
        Ok(())
    });
    found
}

/// Whether this is one of the shapes that refer to a secret.
pub(crate) fn reference(value: &Value) -> bool {
    let Some(table) = value.as_object().filter(|table| table.len() == 1) else { return false };
    table.iter().all(|(key, value)| match key.as_str() {
        "env" | "file" => value.is_string(),
        "cmd" => value.is_array(),
        "hf" => value.is_boolean(),
        _ => false,
    })
}

/// Sees a key and its value.
type Visitor<'a> = dyn FnMut(&[String], &Value) -> Result<(), Error> + 'a;

fn walk(value: &Value, path: &mut Vec<String>, visit: &mut Visitor<'_>) -> Result<(), Error> {
    if !path.is_empty() {
        visit(path, value)?;
    }
    match value {
        Value::Object(table) => table.iter().try_for_each(|(key, value)| {
            path.push(key.clone());
            let result = walk(value, path, visit);
            path.pop();
            result
        }),
        // Keys inside lists count too; the list itself lends its name.
        Value::Array(items) => items
            .iter()
            .filter(|item| item.is_object() || item.is_array())
            .try_for_each(|item| walk(item, path, visit)),
        _ => Ok(()),
    }
}

/// Finds the secret behind a reference.
///
/// # Errors
/// `Unauthenticated` with what to do; never with a part of the secret.
pub(crate) fn resolve(reference: &SecretRef, environment: &Environment) -> Result<Secret, Error> {
    match reference {
        SecretRef::Env(name) => environment.get(name).map(Secret::new).ok_or_else(|| {
            missing(format!("the variable {name} is not set")).with_hint(format!("export {name}=…"))
        }),
        SecretRef::File(path) => {
            from_file(&environment.resolve(&path.to_string_lossy(), &environment.current))
        }
        SecretRef::Cmd(words) => from_program(words),
        SecretRef::Hf(true) => from_hub_tools(environment),
        SecretRef::Hf(false) => Err(missing("{ hf = false } refers to no secret".to_owned())),
        _ => Err(missing("this way to refer to a secret is unknown".to_owned())),
    }
}

fn missing(message: String) -> Error {
    Error::new(ErrorKind::Unauthenticated, message)
}

fn from_file(path: &Path) -> Result<Secret, Error> {
    let unreadable = |error: std::io::Error| {
        missing(format!("cannot read the secret in {}", path.display())).with_source(error)
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode();
        if mode & 0o044 != 0 {
            let message = format!("others may read the secret in {}", path.display());
            return Err(missing(message).with_hint(format!("chmod 600 {}", path.display())));
        }
    }
    not_empty(&fs::read_to_string(path).map_err(unreadable)?, &path.display().to_string())
}

fn from_program(words: &[String]) -> Result<Secret, Error> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(missing("{ cmd = [] } names no program".to_owned()));
    };
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| {
            missing(format!("cannot run {program} for a secret")).with_source(error)
        })?;
    if !output.status.success() {
        return Err(missing(format!("{program} gave no secret: {}", output.status)));
    }
    match String::from_utf8(output.stdout) {
        Ok(text) => not_empty(&text, program),
        Err(_) => Err(missing(format!("{program} printed something that is not UTF-8"))),
    }
}

/// As the Hugging Face tools look for it.
fn from_hub_tools(environment: &Environment) -> Result<Secret, Error> {
    hub_token::find(environment).map(|(_, secret)| secret).ok_or_else(|| {
        missing("there is no Hugging Face token on this machine".to_owned())
            .with_hint("run `hf auth login`, or set HF_TOKEN")
    })
}

fn not_empty(text: &str, source: &str) -> Result<Secret, Error> {
    match text.trim() {
        "" => Err(missing(format!("the secret from {source} is empty"))),
        secret => Ok(Secret::new(secret)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)], current: &Path) -> Environment {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Environment { variables: variables.iter().map(own).collect(), current: current.into() }
    }

    #[test]
    fn every_way_to_refer_to_a_secret_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "from-file\n").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let home = folder.path().to_string_lossy().into_owned();
        let environment = environment(&[("X", "from-env"), ("HF_HOME", &home)], folder.path());
        let cases = [
            (SecretRef::Env("X".into()), "from-env"),
            (SecretRef::File("token".into()), "from-file"),
            (SecretRef::Cmd(vec!["echo".into(), "from-cmd".into()]), "from-cmd"),
            (SecretRef::Hf(true), "from-file"),
        ];
        for (reference, expected) in cases {
            let secret = resolve(&reference, &environment).unwrap();
            assert_eq!(secret.expose(), expected, "{reference:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "value").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let error = from_file(&file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(error.hint().unwrap().starts_with("chmod 600"));
        assert!(!format!("{error:?}").contains("value"));
    }

    #[test]
    fn what_is_not_there_is_said_so() {
        let environment = environment(&[("HF_HOME", "/nonexistent")], Path::new("/"));
        for reference in [
            SecretRef::Env("X".into()),
            SecretRef::File("/nonexistent".into()),
            SecretRef::Cmd(vec!["false".into()]),
            SecretRef::Cmd(vec![]),
            SecretRef::Hf(true),
        ] {
            let error = resolve(&reference, &environment).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{reference:?}");
        }
    }
}
