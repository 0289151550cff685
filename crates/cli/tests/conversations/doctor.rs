//! `textport doctor`.

use serde_json::Value;

use crate::home::Home;

fn finding(report: &Value, name: &str) -> Value {
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {report}")).clone()
}

#[test]
fn a_sound_installation_is_usable() {
    let home = Home::new();
    let report = home.json(&["doctor", "--json"]);
    assert_eq!((&report["v"], &report["usable"]), (&1.into(), &true.into()));
    for name in [
        "textport",
        "providers",
        "processor",
        "memory",
        "cache",
        "state",
        "config",
        "config files",
        "configuration",
        "device",
        "python3",
        "default model",
        "model",
        "log",
        "hf token",
    ] {
        let finding = finding(&report, name);
        assert_ne!(finding["state"], "fail", "{finding}");
        assert!(!finding["detail"].as_str().unwrap().is_empty(), "{finding}");
    }
    assert!(finding(&report, "providers")["detail"].as_str().unwrap().contains("local"));
    assert!(finding(&report, "processor")["detail"].as_str().unwrap().contains("kernels in use"));
    let device = finding(&report, "device")["detail"].as_str().unwrap().to_owned();
    assert!(
        device.starts_with("cuda:") || device.contains("; no CUDA device is used: "),
        "{device}"
    );
    assert!(finding(&report, "model")["detail"].as_str().unwrap().contains("tiny-qwen3"));
    assert!(!home.database().exists(), "looking makes no log");
    home.run(&["doctor"]).ok().prints("ok    configuration");
}

#[test]
fn what_is_broken_fails_with_a_next_step() {
    let home = Home::with_config("provder = \"local\"\n");
    let run = home.run(&["doctor"]).code(1).prints("FAIL  configuration").prints("try: ");
    assert!(run.stdout.contains("ok    processor"), "the rest is looked at: {run:?}");

    let home = Home::with_config("[providers.local]\nkind = \"local\"\nmodel = \"./no.gguf\"\n");
    let run = home.run(&["doctor", "--json"]).code(1);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["usable"], false);
    assert_eq!(finding(&report, "model")["state"], "fail");
}

#[test]
fn a_device_that_is_not_there_fails() {
    let home = Home::with_config("[providers.local]\nkind = \"local\"\ndevice = \"cuda:99\"\n");
    let run = home.run(&["doctor", "--json"]).code(1);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let device = finding(&report, "device");
    assert_eq!(device["state"], "fail");
    assert!(device["detail"].as_str().unwrap().starts_with("cuda:99 was asked for"), "{device}");
    assert!(device["hint"].as_str().is_some(), "{device}");
}

#[test]
fn a_model_that_cannot_be_fetched_fails() {
    let home = Home::with_config("");
    let nothing = home.path().join("empty");
    std::fs::create_dir(&nothing).unwrap();
    let output = home.command(&["doctor", "--json"]).env("PATH", &nothing).output().unwrap();
    let run = crate::home::Run::of(output).code(1);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(finding(&report, "python3")["state"], "fail");
    assert!(finding(&report, "python3")["hint"].as_str().unwrap().contains("install"));
    home.run(&["doctor", "--offline"]).code(1).prints("the network is forbidden");
}

#[test]
fn a_token_is_never_shown() {
    let home = Home::new();
    let run = |format: &str| {
        let mut command = home.command(&["doctor", "--format", format, "-v"]);
        crate::home::Run::of(command.env("HF_TOKEN", "hf_Xylophone").output().unwrap()).ok()
    };
    for format in ["text", "json"] {
        let run = run(format);
        assert!(run.stdout.contains("from the variable HF_TOKEN"), "{run:?}");
        assert!(!format!("{run:?}").contains("Xylophone"));
    }
    let folder = home.path().join("hub");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("token"), "hf_Xylophone").unwrap();
    let output = home.command(&["doctor"]).env("HF_HOME", &folder).output().unwrap();
    let run = crate::home::Run::of(output).ok().prints("hub/token");
    assert!(!run.stdout.contains("Xylophone"));
}

#[test]
fn exit_codes_are_printed() {
    let home = Home::with_config("this is = no configuration");
    home.run(&["doctor", "--exit-codes"]).ok().prints("130  interrupted");
    let codes = home.json(&["doctor", "--exit-codes", "--json"]);
    assert!(codes["exit_codes"].as_array().unwrap().len() > 10);
}
